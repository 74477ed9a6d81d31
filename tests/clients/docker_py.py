"""docker-py: docker.from_env()."""

import os
import time
import urllib.parse
import urllib.request

import docker

client = docker.from_env()
print(client.containers.run("hello", ["echo", "it", "works"], remove=True).decode(), end="")
container = client.containers.run("hello", "httpd -f -p 80 -h /tmp", ports={"80/tcp": None}, detach=True)
try:
    host = urllib.parse.urlsplit(os.environ["DOCKER_HOST"]).hostname
    container.exec_run(["sh", "-c", "echo page >/tmp/index.html"])
    container.reload()
    port = container.ports["80/tcp"][0]["HostPort"]
    for _ in range(300):
        try:
            print(urllib.request.urlopen(f"http://{host}:{port}/", timeout=5).read().decode(), end="")
            break
        except OSError:
            time.sleep(0.1)
finally:
    container.remove(force=True)

"""python-on-whales: the docker CLI underneath."""

import os
import time
import urllib.parse
import urllib.request

from python_on_whales import docker

print(docker.run("hello", ["echo", "it", "works"], remove=True))
command = ["sh", "-c", "echo page >/tmp/index.html && exec httpd -f -p 80 -h /tmp"]
with docker.run("hello", command, detach=True, publish=[(0, 80)], remove=True) as container:
    host = urllib.parse.urlsplit(os.environ["DOCKER_HOST"]).hostname
    port = container.network_settings.ports["80/tcp"][0]["HostPort"]
    for _ in range(300):
        try:
            print(urllib.request.urlopen(f"http://{host}:{port}/", timeout=5).read().decode(), end="")
            break
        except OSError:
            time.sleep(0.1)

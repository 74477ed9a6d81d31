"""testcontainers for Python, with its defaults: the host is what it makes of DOCKER_HOST."""

import time
import urllib.request

from testcontainers.core.container import DockerContainer

command = ["sh", "-c", "echo page >/tmp/index.html && exec httpd -f -p 80 -h /tmp"]
with DockerContainer("hello").with_command(command).with_exposed_ports(80) as container:
    address = f"{container.get_container_host_ip()}:{container.get_exposed_port(80)}"
    for _ in range(300):
        try:
            print(urllib.request.urlopen(f"http://{address}/", timeout=5).read().decode(), end="")
            break
        except OSError:
            time.sleep(0.1)

"""aiodocker: Docker() takes the environment."""

import asyncio
import os
import urllib.parse

import aiodocker


async def main() -> None:
    async with aiodocker.Docker() as client:
        container = await client.containers.run(
            {
                "Image": "hello",
                "Cmd": ["sh", "-c", "echo page >/tmp/index.html && exec httpd -f -p 80 -h /tmp"],
                "ExposedPorts": {"80/tcp": {}},
                "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": ""}]}},
            }
        )
        try:
            port = (await container.port(80))[0]["HostPort"]
            host = urllib.parse.urlsplit(os.environ["DOCKER_HOST"]).hostname
            for _ in range(300):
                try:
                    reader, writer = await asyncio.open_connection(host, port)
                    writer.write(b"GET / HTTP/1.0\r\n\r\n")
                    answer = await asyncio.wait_for(reader.read(), 5)
                    writer.close()
                    if answer:
                        print(answer.decode().rpartition("\n\n")[2].rpartition("\r\n\r\n")[2], end="")
                        break
                except OSError:
                    pass
                await asyncio.sleep(0.1)
        finally:
            await container.delete(force=True)


asyncio.run(main())

"""A machine of the official image, made by raw API calls: the image is tested, not the driver."""

from __future__ import annotations

import io
import os
import socket
import ssl
import tarfile
import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from users import LOST, removal_of_lost

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.engine import Engine


def tar_of(files: dict[str, bytes], mode: int = 0o644) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = mode
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Machine:
    """A container of the machine image, with the capabilities that design.md gives it and no more."""

    def __init__(
        self,
        engine: Engine,
        image: str,
        directory: str,
        env: Sequence[str] = (),
        *,
        network: str = "default",
        dns: Sequence[str] = (),
    ) -> None:
        self.engine = engine
        self.directory = directory
        self.name = f"dinv-test-image-{uuid.uuid4().hex[:10]}"
        self.volume = f"{self.name}-cache"
        engine.volumes.create(self.volume)
        body: dict[str, Any] = {
            "Image": image,
            "Hostname": self.name,
            "Env": list(env),
            "ExposedPorts": {"2376/tcp": {}},
            "HostConfig": {
                "CapAdd": ["SYS_ADMIN", "NET_ADMIN"],
                "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
                "MaskedPaths": [],
                "ReadonlyPaths": [],
                "NetworkMode": network,
                "Dns": list(dns),
                "Mounts": [{"Type": "volume", "Source": self.volume, "Target": "/var/lib/docker"}],
                "PortBindings": {"2376/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]},
            },
        }
        engine.containers.create(self.name, body)

    def remove(self) -> None:
        self.engine.containers.remove(self.name, force=True)
        self.engine.volumes.remove(self.volume, force=True)

    def put(self, files: dict[str, bytes], mode: int = 0o644) -> None:
        self.engine.containers.archive_put(self.name, "/", tar_of(files, mode))

    def put_certificates(self) -> None:
        files = {}
        for name in ("ca.pem", "server.pem", "server-key.pem"):
            with open(os.path.join(self.directory, name), "rb") as file:
                files[f"etc/dinv/certs/{name}"] = file.read()
        self.put(files)

    def start(self) -> None:
        self.engine.containers.start(self.name)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.engine.containers.inspect(self.name)["State"]
        return found

    def log(self) -> str:
        output = self.engine.containers.logs(self.name)
        return b"".join(data for _, data in output).decode(errors="replace")

    def end(self, within: float = 20) -> int:
        """Wait for the machine to end by itself; its exit status."""
        return self.engine.containers.wait(self.name, timeout=within)

    def run(self, *argv: str, user: str | None = None, check: bool = True) -> str:
        status, text = self._exec(argv, user)
        if status and LOST in text:
            if removal := removal_of_lost(argv):
                self._exec(removal, user)
            status, text = self._exec(argv, user)
        assert not check or status == 0, f"{argv} ended with {status}: {text}\n{self.log()[-3000:]}"
        return text

    def _exec(self, argv: Sequence[str], user: str | None) -> tuple[int, str]:
        out = bytearray()
        status = self.engine.execs.run(
            self.name, argv, stdout=out.extend, stderr=out.extend, user=user, timeout=60
        )
        return status, out.decode(errors="replace").strip()

    def docker(self, *argv: str) -> str:
        return self.run("docker", *argv)

    def wait_ready(self, within: float = 30) -> None:
        wait_until(self.answers, f"{self.name} to answer", within, self.log)

    def hang_up(self) -> None:
        """Have it restart its dockerd, and wait for that."""
        wait_until(lambda: self.last_run()[0], "its dockerd to be known to answer", told=self.log)
        before, former = self.run("cat", "/var/run/docker.pid"), self.last_run()[0]
        self.engine.containers.kill(self.name, signal="SIGHUP")
        wait_until(lambda: self.daemon_pid() not in ("", before), "another dockerd", told=self.log)
        self.wait_ready()

        # What it does after that is done as well.
        def settled() -> bool:
            number, settled = self.last_run()
            return settled and number > former

        wait_until(settled, "live-restore to be as it was", told=self.log)

    def daemon_pid(self) -> str:
        """Its dockerd's process, "" while it does not answer."""
        if not self.answers():
            return ""
        # The file may have gone since, with a dockerd that was told to end.
        said = self.run("cat", "/var/run/docker.pid", check=False)
        return said if said.isdigit() else ""

    def last_run(self) -> tuple[int, bool]:
        """The number of the last run of its dockerd that answered, and whether it has settled; 0: none."""
        newest = self.run("sh", "-c", "ls -v /run/dinv | grep ^ready | tail -1").split(".")
        return int(newest[1]) if newest[1:] else 0, newest[2:] == ["settled"]

    def answers(self) -> bool:
        try:
            return b"200 OK" in self.ask("/_ping")
        except OSError:
            return False

    def ask(self, path: str, *, with_certificate: bool = True) -> bytes:
        ports = self.engine.containers.inspect(self.name)["NetworkSettings"]["Ports"]
        address = ("127.0.0.1", int(ports["2376/tcp"][0]["HostPort"]))
        context = ssl.create_default_context(cafile=os.path.join(self.directory, "ca.pem"))
        if with_certificate:
            context.load_cert_chain(
                os.path.join(self.directory, "cert.pem"), os.path.join(self.directory, "key.pem")
            )
        with (
            socket.create_connection(address, timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=address[0]) as connection,
        ):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: machine\r\nConnection: close\r\n\r\n".encode())
            answer = bytearray()
            while piece := connection.recv(65536):
                answer += piece
        return bytes(answer)

    def import_busybox(self) -> None:
        """Make the image `busybox` in the machine, of the endpoint host's static busybox."""
        with open("/bin/busybox", "rb") as file:
            self.put({"tmp/busybox/bin/busybox": file.read()}, mode=0o755)
        self.run(
            "sh",
            "-ec",
            "for name in sh httpd cat sleep wget echo mkdir; do ln -sf busybox /tmp/busybox/bin/$name; done;"
            "tar -C /tmp/busybox -cf - . | docker import - busybox",
        )


def wait_until(
    done: Callable[[], object], what: str, within: float = 30, told: Callable[[], str] = lambda: ""
) -> None:
    end = time.monotonic() + within
    while not done():
        if time.monotonic() > end:
            pytest.fail(f"waited {within:g} s for {what}\n{told()[-3000:]}")
        time.sleep(0.05)

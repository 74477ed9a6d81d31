"""A real sshd on this computer, for machines as docker-machine leaves them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_SSHD = "/usr/sbin/sshd"
_SECONDS = 20.0


class SSHServer:
    """Lets root in with the key `key`, on `port` of 127.0.0.1 and ::1."""

    def __init__(self, port: int, key: str) -> None:
        self.port = port
        self.key = key

    def record(self, store: str, name: str, address: str = "127.0.0.1") -> None:
        """Write a machine's files as docker-machine's driver `generic` does."""
        directory = os.path.join(store, "machines", name)
        os.makedirs(directory)
        shutil.copyfile(self.key, os.path.join(directory, "id_rsa"))
        os.chmod(os.path.join(directory, "id_rsa"), 0o600)
        driver = {
            "IPAddress": address,
            "MachineName": name,
            "SSHUser": "root",
            "SSHPort": self.port,
            "SSHKeyPath": f"/home/ann/.docker/machine/machines/{name}/id_rsa",
            "StorePath": "/home/ann/.docker/machine",
        }
        document = {
            "ConfigVersion": 3,
            "Driver": driver,
            "DriverName": "generic",
            "HostOptions": {"AuthOptions": {}},
            "Name": name,
        }
        with open(os.path.join(directory, "config.json"), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=4)


@contextlib.contextmanager
def running(directory: str) -> Iterator[SSHServer]:
    """Run one, with its files in a directory."""
    host, key = (os.path.join(directory, name) for name in ("host", "key"))
    for path in (host, key):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True, timeout=60)
    port = free_port()
    configuration = os.path.join(directory, "sshd_config")
    with open(configuration, "w", encoding="utf-8") as file:
        file.write(
            f"Port {port}\nListenAddress 127.0.0.1\nListenAddress ::1\nHostKey {host}\n"
            f"AuthorizedKeysFile {key}.pub\nStrictModes no\nUsePAM no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nPidFile none\nSubsystem sftp internal-sftp\n"
        )
    os.makedirs("/run/sshd", exist_ok=True)  # sshd wants it; the package's service makes it
    log = os.path.join(directory, "log")
    server = subprocess.Popen([_SSHD, "-D", "-f", configuration, "-E", log])
    try:
        _wait(port, server, log)
        yield SSHServer(port, key)
    finally:
        server.terminate()
        server.wait(_SECONDS)


def _wait(port: int, server: subprocess.Popen[bytes], log: str) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if server.poll() is not None or time.monotonic() > end:
            with open(log, encoding="utf-8") as file:
                pytest.fail(f"sshd does not run: {file.read()}")
        time.sleep(0.05)

"""A real cfssl server (Debian: golang-cfssl), on a port of 127.0.0.1, with a CA and profiles of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import needs
from free_port import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = "cfssl"
AUTH_KEY = "0123456789abcdef0123456789abcdef"
SERVER = {"expiry": "720h", "usages": ["digital signature", "server auth"]}
CLIENT = {"expiry": "720h", "usages": ["digital signature", "client auth"]}
CONFIG: dict[str, Any] = {
    "signing": {
        "default": {"expiry": "24h", "usages": ["signing", "key encipherment", "server auth", "client auth"]},
        "profiles": {
            "server": SERVER,
            "client": CLIENT,
            "both": {"expiry": "720h", "usages": ["digital signature", "server auth", "client auth"]},
            "none": {"expiry": "720h", "usages": ["digital signature"]},
            "code": {"expiry": "720h", "usages": ["digital signature", "client auth", "code signing"]},
            "short": {"expiry": "72h", "usages": ["digital signature", "client auth"]},
            "limited": {**SERVER, "name_whitelist": r"^(dev|[a-z-]+\.build\.example)$"},
            "sealed-server": {**SERVER, "auth_key": "ours"},
            "sealed-client": {**CLIENT, "auth_key": "ours"},
        },
    },
    "auth_keys": {"ours": {"type": "standard", "key": AUTH_KEY}},
}
_STARTS_SECONDS = 30.0


class Cfssl:
    """A server that runs; `root` is the certificate of its CA, PEM."""

    def __init__(self, url: str, root: bytes) -> None:
        self.url = url
        self.root = root


@contextlib.contextmanager
def running(directory: Path, *flags: str, config: dict[str, Any] | None = None) -> Iterator[Cfssl]:
    """Make a CA, and serve it until the end of the context; the CA is ca.pem and ca-key.pem.

    Skips the test that asks where the program is not installed; scripts/test installs it.
    """
    needs.program(PROGRAM)
    make_ca(directory)
    (directory / "config.json").write_text(json.dumps(config or CONFIG))
    port = free_port()
    scheme = "https" if "-tls-key" in flags else "http"
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(
            [PROGRAM, "serve", "-address", "127.0.0.1", "-port", str(port), "-ca", "ca.pem",
             "-ca-key", "ca-key.pem", "-config", "config.json", *flags],
            cwd=directory, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        wait(port, process)
        yield Cfssl(f"{scheme}://127.0.0.1:{port}", (directory / "ca.pem").read_bytes())
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def make_ca(directory: Path) -> None:
    """Make ca.pem and ca-key.pem, as cfssl's own first steps have it, unless they are there."""
    if (directory / "ca.pem").exists():
        return
    request = {"CN": "Machines", "key": {"algo": "ecdsa", "size": 256}}
    (directory / "csr.json").write_text(json.dumps(request))
    made = subprocess.run(
        [PROGRAM, "gencert", "-initca", "csr.json"],
        cwd=directory,
        check=True,
        capture_output=True,
        timeout=60,
    )
    found = json.loads(made.stdout)
    (directory / "ca.pem").write_text(found["cert"])
    (directory / "ca-key.pem").write_text(found["key"])


def wait(port: int, process: subprocess.Popen[bytes]) -> None:
    """Wait until a server listens."""
    until = time.monotonic() + _STARTS_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        assert process.poll() is None, "the server has ended; its words are in its log"
        assert time.monotonic() < until
        time.sleep(0.02)

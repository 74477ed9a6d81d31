"""The image under check, and the machine that was made of it: what the trials are made of."""

from __future__ import annotations

import os
import socket
import ssl
import time

from dinv import images
from dinv.errors import DeadlineExceeded, EndpointError, EngineError, MachineError
from dinv.formats.host_port import of_url
from dinv.lifecycle.host import clients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from dinv.engine import Engine
    from dinv.images import ImageContract
    from dinv.lifecycle.host import Host

TROUBLE = (EndpointError, EngineError, MachineError, DeadlineExceeded)
"""What a machine, and the way to it, may raise; an interruption is not among it."""
CALL_SECONDS = 20.0
WAIT_SECONDS = 30.0
_MOST_SAID = 300


class Subject:
    """An image, by its `Config`, and, once there is one, its machine."""

    def __init__(
        self,
        reference: str,
        image: Mapping[str, Any],
        contract_name: str,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.reference = reference
        self.image = image
        self.contract_name = contract_name
        self.features = images.features(image)
        self.trace = trace
        self.container = ""
        """The container that the trials watch: it runs in the machine until it is killed."""
        self._host: Host | None = None
        self._contract: ImageContract | None = None

    def use(self, host: Host) -> None:
        """Try `host` from now on."""
        self._host = host

    @property
    def host(self) -> Host:
        """The machine."""
        assert self._host is not None  # noqa: S101  (trials come after `use`)
        return self._host

    @property
    def contract(self) -> ImageContract:
        """What the image says it keeps. Raises PluginNotFound, PluginBroken."""
        if self._contract is None:
            self._contract = images.find(self.contract_name)
        return self._contract

    # The machine

    def run(self, *argv: str) -> tuple[int, str]:
        """Run a command in it as root; return its exit status, and the end of what it said."""
        said = bytearray()
        status = self.host.channel().run(argv, stdout=said.extend, stderr=said.extend, timeout=CALL_SECONDS)
        return status, said.decode(errors="replace").strip()[-_MOST_SAID:]

    def has(self, path: str) -> bool:
        """Whether there is something at a path in it."""
        return self.host.channel().stat(path) is not None

    def lacks(self, programs: Sequence[str]) -> list[str]:
        """Return which programs it does not have."""
        script = 'for name in "$@"; do command -v "$name" >/dev/null 2>&1 || echo "$name"; done'
        status, said = self.run("sh", "-c", script, "sh", *programs)
        return said.split() if status == 0 else list(programs)

    def daemon(self) -> str:
        """Return its dockerd's process id, "" if that is not known."""
        status, said = self.run("cat", "/var/run/docker.pid")
        return said if status == 0 else ""

    def engine(self) -> Engine:
        """Return a client of its daemon, for a `with`."""
        return clients.engine(self.host, timeout=CALL_SECONDS)

    def answers(self) -> bool:
        """Whether its daemon answers to its owner now."""
        try:
            with self.engine() as engine:
                engine.ping(timeout=5)
        except TROUBLE:
            return False
        return True

    def is_well(self) -> bool:
        """Whether it answers, if need be in a while."""
        return self.wait(self.answers)

    def address(self) -> tuple[str, int]:
        """Return host and port of its daemon."""
        return of_url(self.host.known_url()) or ("", 0)

    def connect(self, certificate: str = "", key: str = "") -> ssl.SSLSocket:
        """Open a TLS connection to it, by the certificate and key in these files. Raises OSError."""
        directory = self.host.cert_path
        context = ssl.create_default_context(cafile=os.path.join(directory, "ca.pem"))
        if certificate:
            context.load_cert_chain(certificate, key)
        host, port = self.address()
        return context.wrap_socket(socket.create_connection((host, port), timeout=5), server_hostname=host)

    def connect_as_owner(self) -> ssl.SSLSocket:
        """Open one as its owner. Raises OSError."""
        directory = self.host.cert_path
        return self.connect(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))

    @staticmethod
    def wait(done: Callable[[], object], seconds: float = WAIT_SECONDS) -> bool:
        """Wait until `done` returns something true; return whether it did in time."""
        end = time.monotonic() + seconds
        while True:
            if done():
                return True
            if time.monotonic() >= end:
                return False
            time.sleep(0.1)

"""The world of a server's web at an address, for browsers and clients that are not of this process."""

from __future__ import annotations

import datetime as dt
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from own_certificates import CA, CLIENT, Own
from web_world import WebWorld

from dinv.server.models import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from dinv.server.database.database import Database
    from dinv.server.models import Machine
    from dinv.system.deadline import Deadline


class SigningAccess:
    """Signs as machines' CAs do, by one CA for all."""

    def __init__(self) -> None:
        self.ca = Own("the CA", CA)

    def certify(self, machine: Machine, holder: str, csr: bytes | None, lifetime: timedelta) -> Certificate:
        own = Own(holder)
        public = x509.load_pem_x509_csr(csr).public_key() if csr else own.key.public_key()
        now = dt.datetime.now(dt.UTC)
        signed = (
            x509.CertificateBuilder()
            .subject_name(own.name)
            .issuer_name(self.ca.name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + lifetime)
            .add_extension(CLIENT, critical=False)
            .sign(self.ca.key, hashes.SHA256())
        )
        return Certificate(
            machine.url or "tcp://127.0.0.1:1",
            self.ca.pem,
            signed.public_bytes(serialization.Encoding.PEM),
            f"{signed.serial_number:x}",
            signed.not_valid_after_utc,
            None if csr else own.key_pem(),
        )

    def log(self, machine: Machine, *, tail: int, follow: Deadline | None) -> Iterator[bytes]:
        yield f"{machine.name} says {tail} {follow is not None}\n".encode()
        while follow is not None and not follow.expired:  # it says no more
            time.sleep(0.01)


class Site:
    """A WebWorld at `url`: plain HTTP on this computer, which browsers take for as good as TLS."""

    def __init__(self, database: Database) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://localhost:{self._listening.getsockname()[1]}"
        self.world = WebWorld(database, public_url=self.url)
        self._server = uvicorn.Server(uvicorn.Config(self.world.app, log_level="error"))
        given = {"sockets": [self._listening]}
        self._thread = threading.Thread(target=self._server.run, kwargs=given, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        end = time.monotonic() + 60
        while not self._server.started:
            assert time.monotonic() < end
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.world.stopping.set()
        self._server.should_exit = True
        self._thread.join(20)
        self._listening.close()


class Working(Site):
    """A site whose operations are done as they come."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.world.fleet._access = SigningAccess()
        self._over = threading.Event()
        self._worker = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._over.wait(0.05):
            self.world.work()

    def __enter__(self) -> Working:  # noqa: PYI034  (it is final)
        super().__enter__()
        self._worker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._worker.join(20)
        super().__exit__()

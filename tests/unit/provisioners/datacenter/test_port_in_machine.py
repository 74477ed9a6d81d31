"""TLS to a port of a machine by the guest channel: the relay's own commands are run here."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from ucp_stand_in import keys

from dinv.engine.wire.tls_files import TLSFiles
from dinv.errors import DeadlineExceeded, EndpointTLSError, EndpointUnreachable
from dinv.provisioners.datacenter.port_in_machine import PortInMachine
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CA_KEY, CA = keys.new_ca()


class Here:
    """A channel that runs commands on this computer."""

    def run(
        self, argv: Sequence[str], *, stdin: Any, stdout: Any, stderr: Any, timeout: float, **_: object
    ) -> int:
        with subprocess.Popen(
            argv, stdin=stdin.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as p:
            assert p.stdout is not None
            assert p.stderr is not None
            while data := p.stdout.read1(65536):  # type: ignore[attr-defined]
                stdout(data)
            stderr(p.stderr.read())
            return p.wait(timeout)


@pytest.fixture
def echo() -> Iterator[int]:
    """A TLS server that answers what it is sent; its port."""
    key, certificate = keys.signed(CA_KEY, CA, "ucp", ["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(key + certificate)
        file.flush()
        context.load_cert_chain(file.name)
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection = server.accept()[0]
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    wrapped.sendall(wrapped.recv(100))
            except OSError:
                continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def port(number: int, ca: bytes = CA) -> PortInMachine:
    return PortInMachine(Here(), "127.0.0.1", number, TLSFiles(ca_text=ca.decode()))  # type: ignore[arg-type]


def test_both_ways(echo: int) -> None:
    stream = port(echo).connect("127.0.0.1", Deadline(10))
    stream.send_all(b"hello", Deadline(10), "test")
    assert stream.recv(100, Deadline(10), "test") == b"hello"
    stream.close()


def test_another_ca_and_another_name(echo: int) -> None:
    with pytest.raises(EndpointTLSError, match="another CA"):
        port(echo, keys.new_ca()[1]).connect("127.0.0.1", Deadline(10))
    with pytest.raises(EndpointTLSError, match="not for the name"):
        port(echo).connect("ucp.example", Deadline(10))


def test_a_port_where_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    with pytest.raises(EndpointUnreachable, match=r"refused|closed the connection"):
        port(closed).connect("127.0.0.1", Deadline(10))


def test_a_port_that_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(DeadlineExceeded):
            port(server.getsockname()[1]).connect("127.0.0.1", Deadline(0.3))
        server.accept()[0].close()


@pytest.mark.parametrize("waiting", [True, False])
def test_nothing_goes_on_after_the_end(echo: int, *, waiting: bool) -> None:
    """Neither the relay nor the server's end of it, whether something has come that nobody reads or not."""
    before = threading.active_count()
    stream = port(echo).connect("127.0.0.1", Deadline(10))
    if waiting:  # the server's session tickets
        select.select([stream.sock], [], [], 10)
    stream.close()
    end = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.01)
    assert threading.active_count() <= before

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from dinv.engine.wire.byte_stream import ByteStream
from dinv.testing.vch.wire.pump import pump

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ends:
    """A client's socket and an engine's, with the pump running between."""

    def __init__(self) -> None:
        self.client, inner_client = socket.socketpair()
        self.engine, inner_engine = socket.socketpair()
        self.client.settimeout(10)
        self.engine.settimeout(10)
        self._inner = [ByteStream(inner_client, "client"), ByteStream(inner_engine, "engine")]
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        client, engine = self._inner
        pump(client, engine, to_behind=b"up", to_client=b"down")
        client.close()
        engine.close()

    def close(self) -> None:
        self.client.close()
        self.engine.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def ends() -> Iterator[Ends]:
    made = Ends()
    yield made
    made.close()


def _read_to_end(sock: socket.socket) -> bytes:
    pieces = []
    while data := sock.recv(65536):
        pieces.append(data)
    return b"".join(pieces)


def test_what_came_early_goes_first(ends: Ends) -> None:
    ends.client.sendall(b"-more")
    ends.client.shutdown(socket.SHUT_WR)
    ends.engine.sendall(b"-more")
    assert _read_to_end(ends.engine) == b"up-more"
    ends.engine.close()
    assert _read_to_end(ends.client) == b"down-more"


def test_the_client_may_end_its_input_first(ends: Ends) -> None:
    ends.client.shutdown(socket.SHUT_WR)
    assert _read_to_end(ends.engine) == b"up"
    ends.engine.sendall(b" later")
    ends.engine.close()
    assert _read_to_end(ends.client) == b"down later"


def test_more_than_buffers_hold(ends: Ends) -> None:
    data = bytes(range(256)) * 20_000
    sender = threading.Thread(target=ends.engine.sendall, args=(data,))
    sender.start()
    found = b""
    while len(found) < len(data) + 4:
        found += ends.client.recv(65536)
    sender.join()
    assert found == b"down" + data


def test_a_client_that_goes_ends_it(ends: Ends) -> None:
    def send_on() -> None:
        while True:
            ends.engine.sendall(b"x" * 65536)

    ends.client.close()
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        send_on()

"""A server to try the client on: each connection is played by a function, in a thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

from dinv.engine.wire.transport import UnixTransport

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Script = Callable[["Peer"], object]

PING = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nOstype: linux\r\nContent-Length: 2\r\n\r\nOK"


def answer(body: bytes = b"", status: str = "200 OK", headers: str = "") -> bytes:
    """Return a whole answer."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


def frame(number: int, payload: bytes) -> bytes:
    """Return a frame of multiplexed output: 1 is stdout, 2 is stderr."""
    return bytes([number, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


class Request:
    """What came in."""

    def __init__(self, head: str, body: bytes) -> None:
        self.line, _, rest = head.partition("\r\n")
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in rest.split("\r\n"))
        }
        self.body = body


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._buffer = b""

    def read_until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(end)
        return found

    def read_exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = self.sock.recv(65536)
            if not data:
                raise EOFError
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def read_to_end(self) -> bytes:
        while data := self.sock.recv(65536):
            self._buffer += data
        found, self._buffer = self._buffer, b""
        return found

    def request(self) -> Request:
        request = Request(self.read_until(b"\r\n\r\n").decode(), b"")
        if request.headers.get("transfer-encoding") == "chunked":
            while size := int(self.read_until(b"\r\n"), 16):
                request.body += self.read_exactly(size)
                self.read_until(b"\r\n")
            self.read_until(b"\r\n")
        else:
            request.body = self.read_exactly(int(request.headers.get("content-length", "0")))
        return request

    def leave(self) -> None:
        """Hang up."""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)


class Server:
    """Plays one script for each connection, in order; `requests` is what `answers` scripts were asked."""

    def __init__(
        self, listener: socket.socket, scripts: list[Script], context: ssl.SSLContext | None
    ) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self._listener = listener
        self._scripts = scripts
        self._context = context
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            sock.settimeout(10)
            try:
                if self._context is not None:
                    sock = self._context.wrap_socket(sock, server_side=True)
                script(Peer(sock))
            except (EOFError, OSError):
                pass
            except BaseException as exc:  # noqa: BLE001 - shown by the test's own thread
                self.errors.append(exc)
            finally:
                sock.close()

    def stop(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(15)
        assert not self._thread.is_alive()
        if self.errors:
            raise self.errors[0]


def answers(server: list[Server], *replies: bytes) -> Script:
    """Return a script that gives these answers to so many requests, and notes the requests."""

    def play(peer: Peer) -> None:
        for reply in replies:
            server[0].requests.append(peer.request())
            peer.send(reply)
        # Stay open until the client leaves, as an engine does.
        peer.sock.recv(1)

    return play


@contextlib.contextmanager
def unix_server(directory: Path, *scripts: Script) -> Iterator[tuple[UnixTransport, Server]]:
    """Listen on a unix socket in `directory`."""
    path = str(directory / "s")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    server = Server(listener, list(scripts), None)
    try:
        yield UnixTransport(path), server
    finally:
        server.stop()


@contextlib.contextmanager
def tcp_server(*scripts: Script, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Listen on a port of 127.0.0.1, with TLS when there is a context; give the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(listener, list(scripts), context)
    try:
        yield listener.getsockname()[1]
    finally:
        server.stop()


@contextlib.contextmanager
def scripted(directory: Path, *conversations: list[bytes]) -> Iterator[tuple[UnixTransport, Server]]:
    """Listen on a unix socket; each connection gives its list of answers. Requests are noted."""
    holder: list[Server] = []
    scripts = [answers(holder, *replies) for replies in conversations]
    with unix_server(directory, *scripts) as (transport, server):
        holder.append(server)
        yield transport, server

"""HTTP/1.1 on one connection: only what the Engine API needs.

Not http.client: importing it costs 34 ms of e-mail parser at each start, it cannot hand over a connection
(101, exec and attach), and it cannot see an answer that arrives while the body is still being sent. RFC 9112.
"""

from __future__ import annotations

from dinv.engine.wire.http_syntax import SWITCHING_PROTOCOLS, body_decoder, parse_head
from dinv.errors import DinvError, EndpointTLSError, ProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Protocol, Self

    from dinv.engine.wire.byte_stream import ByteStream
    from dinv.engine.wire.http_syntax import Decoder, Head
    from dinv.system.deadline import Deadline

    class Readable(Protocol):
        """A body that is read piece by piece: an open file, a pipe, BytesIO."""

        def read(self, size: int, /) -> bytes:
            """Return at most `size` bytes, b"" at the end."""


_PIECE = 65536
_HEAD_LIMIT = 262144
_MOST_HEADS = 100
_OK = 200
_ERROR = 400
_STATUS_END = 12  # len("HTTP/1.1 200")
# A record of TLS's alert protocol, versions 3.0 and up: what a TLS server says to plain HTTP.
_TLS_ALERT = b"\x15\x03"


class Request:
    """A call as it is sent.

    `target` is path and query, percent-encoded; a `body` that is not bytes is read, and goes out in chunks.
    """

    __slots__ = ("body", "headers", "method", "target")

    def __init__(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes | Readable | None = None
    ) -> None:
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body

    @property
    def path(self) -> str:
        """The target without its query, for messages."""
        return self.target.partition("?")[0]

    @property
    def whole(self) -> bool:
        """Whether all of it is here, so that it can be sent again."""
        return self.body is None or isinstance(self.body, bytes)

    def unusable(self, what: str, why: str, status: int = 0) -> ProtocolError:
        """Return the error that the answer to `what`, this request somewhere, cannot be used."""
        return ProtocolError(
            f"The answer to {what} cannot be used: {why}", status=status, method=self.method, path=self.path
        )


class Response:
    """An answer. Its body is read with `read` or `read_some`; close it in any case.

    A body read to its end gives the connection back; anything else closes it. `deadline` applies to each
    wait during reading and may be replaced.
    """

    def __init__(
        self,
        connection: Connection,
        head: Head,
        decoder: Decoder,
        *,
        request: Request,
        deadline: Deadline,
        release: Callable[[Connection], None],
    ) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers = head.headers
        self.method = request.method
        self.path = request.path
        self.deadline = deadline
        self._request = request
        self._head = head
        self._connection: Connection | None = connection
        self._decoder = decoder
        self._release = release
        self._buffer = bytearray()
        self._what = connection.what
        if self.status != SWITCHING_PROTOCOLS:
            if connection.buffer:
                held = bytes(connection.buffer)
                connection.buffer.clear()
                self._take(held)
            self._finish_if_done()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def error(self, why: str) -> ProtocolError:
        """Return this call's ProtocolError with the reason `why`."""
        return self._request.unusable(self._what, why, self.status)

    def _take(self, data: bytes) -> None:
        try:
            self._buffer += self._decoder.feed(data)
        except ValueError as exc:
            self.close()
            raise self.error(str(exc)) from exc

    def _finish_if_done(self) -> None:
        connection = self._connection
        if connection is None or not self._decoder.finished:
            return
        self._connection = None
        if self._head.keep_alive and connection.reusable and not self._decoder.surplus:
            self._release(connection)
        else:
            connection.close()

    def _fill(self) -> bool:
        """Receive more of the body; return False at its end."""
        connection = self._connection
        if connection is None:
            return False
        try:
            data = connection.stream.recv(_PIECE, self.deadline, self._what)
            if data:
                self._take(data)
            else:
                self._decoder.end()
        except ValueError as exc:
            self.close()
            raise self.error(f"it is cut short, {exc}") from exc
        except BaseException:
            self.close()
            raise
        self._finish_if_done()
        return True

    def read_some(self, size: int = _PIECE) -> bytes:
        """Return the next bytes of the body, at most `size`; b"" at its end.

        Raises DeadlineExceeded, ProtocolError (cut short, or not HTTP), EndpointUnreachable.
        """
        while not self._buffer and self._fill():
            pass
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def read(self, size: int = -1) -> bytes:
        """Return exactly `size` bytes, fewer only at the body's end; all of it for -1.

        Raises as `read_some` does.
        """
        while (size < 0 or len(self._buffer) < size) and self._fill():
            pass
        end = len(self._buffer) if size < 0 else size
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        return data

    def hijack(self) -> tuple[ByteStream, bytes]:
        """Take over the connection: the stream, and what was already received of it (exec, attach)."""
        connection = self._connection
        if connection is None:
            raise self.error("the connection was closed where it should have gone on")
        self._connection = None
        early = bytes(self._buffer) + bytes(connection.buffer)
        return connection.stream, early

    def close(self) -> None:
        """Drop what was not read, and the connection with it. May be called again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class Connection:
    """One connection, one request at a time.

    `sent` counts the bytes of the current request that were sent; if 0, it may be repeated whatever its
    method. `reused` says whether there was an earlier answer on the connection.
    """

    def __init__(self, stream: ByteStream, host: str) -> None:
        self.stream = stream
        self.host = host
        self.buffer = bytearray()
        self.reused = False
        self.reusable = True
        self.sent = 0
        self.what = ""
        self._ended = False

    def stale(self) -> bool:
        """Whether the other side has closed the idle connection, or sent something unasked."""
        try:
            return self.stream.try_recv(1) is not None
        except (OSError, DinvError):
            return True

    def close(self) -> None:
        """Close the connection. May be called again."""
        self.stream.close()

    def exchange(
        self, request: Request, *, deadline: Deadline, release: Callable[[Connection], None]
    ) -> Response:
        """Send a request, return the answer with its body unread.

        Raises DeadlineExceeded, EndpointUnreachable, EndpointTLSError, ProtocolError; the
        connection is closed then.
        """
        self.sent = 0
        self.what = f"{request.method} {request.path} on {self.stream.address}"
        try:
            self._send_request(request, deadline)
            head = self._receive_head(request, deadline)
            self.reused = True
            try:
                decoder = body_decoder(request.method, head)
            except ValueError as exc:
                raise request.unusable(self.what, str(exc), head.status) from exc
            return Response(self, head, decoder, request=request, deadline=deadline, release=release)
        except BaseException:
            self.close()
            raise

    def _send_request(self, request: Request, deadline: Deadline) -> None:
        body = request.body
        lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {self.host}", "User-Agent: dinv"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if body is None:
            if request.method in ("POST", "PUT"):
                lines.append("Content-Length: 0")
        elif isinstance(body, bytes):
            lines.append(f"Content-Length: {len(body)}")
        else:
            lines.append("Transfer-Encoding: chunked")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line break in a header")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if body is None or isinstance(body, bytes):
            self._send(head + (body or b""), deadline, last=True)
            return
        more = self._send(head, deadline)
        while more and (piece := body.read(_PIECE)):
            more = self._send(b"%x\r\n%b\r\n" % (len(piece), piece), deadline)
        if more:
            self._send(b"0\r\n\r\n", deadline, last=True)

    def _send(self, data: bytes, deadline: Deadline, *, last: bool = False) -> bool:
        """Send `data`; return False if the answer is already an error, and no more need be sent.

        Incoming data is received meanwhile: two sides that both only send would wait for each other, and a
        server that rejects a body answers without reading it.
        """
        view = memoryview(data)
        stream = self.stream
        while view or not stream.flush():
            deadline.raise_if_expired(self.what)
            try:
                taken = stream.try_send(view) if view else 0
            except OSError as exc:
                # It closed its end, perhaps after saying why.
                if self.sent == 0 and self.reused:
                    raise stream.lost(self.what, exc) from exc
                self.reusable = False
                return False
            if taken:
                self.sent += taken
                view = view[taken:]
                deadline.progress()
                continue
            stream.wait(deadline, self.what, read=not self._ended, write=True)
            self._receive_early()
            if self._refused():
                self.reusable = False
                return False
        self._receive_early()
        if self._refused():
            self.reusable = self.reusable and last
            return False
        return True

    def _receive_early(self) -> None:
        try:
            data = None if self._ended else self.stream.try_recv(_PIECE)
        except OSError:
            self._ended = True
            return
        if data:
            self.buffer += data
        elif data is not None:
            self._ended = True

    def _refused(self) -> bool:
        """Whether an answer has already arrived, and is an error."""
        status = bytes(self.buffer[_STATUS_END - 3 : _STATUS_END])
        return len(status) == 3 and status.isdigit() and int(status) >= _ERROR

    def _receive_head(self, request: Request, deadline: Deadline) -> Head:
        for _ in range(_MOST_HEADS):
            while self.buffer.find(b"\r\n\r\n") < 0:
                self._receive_more(request, deadline)
            end = self.buffer.find(b"\r\n\r\n")
            if end > _HEAD_LIMIT:
                raise request.unusable(self.what, f"headers of {end} bytes")
            try:
                head = parse_head(bytes(self.buffer[:end]))
            except ValueError as exc:
                raise self._not_http(str(exc), request) from exc
            del self.buffer[: end + 4]
            # 100 Continue and the like: the answer is still to come.
            if head.status >= _OK or head.status == SWITCHING_PROTOCOLS:
                return head
        raise request.unusable(self.what, "it goes on saying that the answer is to come")

    def _receive_more(self, request: Request, deadline: Deadline) -> None:
        if self.buffer.startswith(_TLS_ALERT):
            raise EndpointTLSError(self.stream.address, "it speaks TLS only, and was spoken to without")
        if not b"HTTP/1.".startswith(bytes(self.buffer[:7])) or len(self.buffer) > _HEAD_LIMIT:
            raise self._not_http(f"not HTTP: {bytes(self.buffer[:80])!r}", request)
        data = self.stream.recv(_PIECE, deadline, self.what)
        if data:
            self.buffer += data
        elif self.buffer:
            raise request.unusable(self.what, "it is cut short in its headers")
        else:
            raise self.stream.lost(self.what)

    def _not_http(self, why: str, request: Request) -> DinvError:
        """Return the error that something else answered, if the stream knows it, else that it is not HTTP."""
        known = None if self.reused else self.stream.spoken_by_another(bytes(self.buffer))
        return known or request.unusable(self.what, why)

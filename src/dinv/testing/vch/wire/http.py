"""The server's side of HTTP/1.1: requests in, answers out, one connection.

Not http.server: it buffers what follows a request, but exec and attach take the connection over. Reading and
waiting is dinv's own (dinv.engine.wire.byte_stream), with a deadline for each wait.
"""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from dinv.engine.wire.byte_stream import ByteStream
from dinv.engine.wire.http_syntax import ChunkedDecoder, LengthDecoder
from dinv.errors import DinvError
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.engine.wire.http_syntax import Decoder

IDLE_SECONDS = 600.0
"""How long a connection may be idle, and a client take for each piece of a request or an answer."""

_PIECE = 65536
_HEAD_LIMIT = 262144
_DRAIN_LIMIT = 262144
"""The bytes that are read of an unread body before the answer is sent (Go's net/http)."""


class BadWire(Exception):
    """The input is not HTTP."""


class TLSServerStream(ByteStream):
    """The server's side of TLS, after the handshake."""

    sock: ssl.SSLSocket

    def pending(self) -> int:
        return self.sock.pending()

    def try_recv(self, size: int) -> bytes | None:
        try:
            return self.sock.recv(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None

    def try_send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0

    def close(self) -> None:
        # Go closes with TLS's own goodbye, and does not wait for its answer.
        try:
            self.sock.settimeout(0)
            self.sock.unwrap().close()
        except (OSError, ValueError):
            pass
        super().close()


class Body:
    """A request's body, read piece by piece."""

    def __init__(self, connection: Connection, decoder: Decoder, *, expected: bool) -> None:
        self._connection = connection
        self._decoder = decoder
        self._expected = expected

    def read(self, size: int = _PIECE, /) -> bytes:  # pieces are as they come
        """Return the next piece, b"" at the end. Raises DinvError if the client breaks off."""
        while not self._decoder.finished:
            if self._expected:
                self._expected = False
                self._connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            data = self._connection.take()
            if not data:
                raise BadWire("the body is cut short")
            try:
                piece = self._decoder.feed(data)
            except ValueError as error:
                raise BadWire(str(error)) from error
            if self._decoder.finished:
                self._connection.give_back(self._decoder.surplus)
            if piece:
                return piece
        return b""

    def read_all(self) -> bytes:
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)

    def drain(self) -> bool:
        """Read what is left; return False if that is too much, or if the client does not want that either."""
        if self._expected and not self._decoder.finished:
            return False
        left = _DRAIN_LIMIT
        while left > 0:
            piece = self.read()
            if not piece:
                return True
            left -= len(piece)
        return False

    def discard(self) -> None:
        """Read to the end, as far as the client sends it."""
        try:
            while not self._expected and self.read():
                pass
        except (OSError, DinvError, BadWire):
            return


class Request:
    """A request: `path` is decoded and without query, `headers` have names in lower case."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: Body) -> None:
        path, _, query = target.partition("?")
        self.method = method
        self.path = unquote(path)
        self.query = dict(parse_qsl(query, keep_blank_values=True))
        self.headers = headers
        self.body = body

    def flag(self, name: str) -> bool:
        """A boolean of the query (docker 1.13: api/server/httputils/form.go)."""
        return self.query.get(name, "").lower().strip() not in ("", "0", "no", "false", "none")

    def filters(self) -> dict[str, list[str]]:
        """`filters` of the query, in either of its two forms. Raises ValueError."""
        try:
            found = json.loads(self.query.get("filters") or "{}")
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
        if not isinstance(found, dict):
            raise ValueError("it is not an object")  # noqa: TRY004  (bad input, not a bad type of ours)
        return {key: _texts(values) for key, values in found.items() if values is not None}


def _texts(values: object) -> list[str]:
    """The values of one filter: a list of texts, or an object with them for keys. Raises ValueError."""
    if isinstance(values, dict) and all(isinstance(each, bool) for each in values.values()):
        return list(values)
    if isinstance(values, list) and all(isinstance(each, str) for each in values):
        return values
    raise ValueError("its values are not texts")


class Answer:
    """An answer. `body` is bytes, or pieces as they come; `hijack` takes the connection over.

    `release` is called at the end, whatever becomes of the answer.
    """

    def __init__(
        self,
        status: int = 200,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
        *,
        hijack: Callable[[Connection], None] | None = None,
        release: Callable[[], object] | None = None,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {}
        self.hijack = hijack
        self.release = release

    @classmethod
    def json(cls, value: object, status: int = 200) -> Answer:
        return cls(status, json.dumps(value).encode() + b"\n", {"Content-Type": "application/json"})


class Connection:
    """One client."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self._buffer = b""

    def take(self) -> bytes:
        """Return what has arrived and was not taken yet, b"" at the end."""
        data, self._buffer = self._buffer, b""
        return data or self.stream.recv(_PIECE, Deadline(IDLE_SECONDS), "a request")

    def take_now(self) -> bytes:
        """Return what has arrived already, for a caller that takes the connection over."""
        data, self._buffer = self._buffer, b""
        return data

    def give_back(self, data: bytes) -> None:
        self._buffer = data + self._buffer

    def send(self, data: bytes) -> None:
        self.stream.send_all(data, Deadline(IDLE_SECONDS), "an answer")

    def read_request(self) -> Request | None:
        """Return the next request, None at the end. Raises BadWire; DinvError if the client breaks off."""
        held = b""
        while b"\r\n\r\n" not in held:
            if len(held) > _HEAD_LIMIT:
                raise BadWire("the headers are too long")
            data = self.take()
            if not data:
                return None
            held += data
        head, _, rest = held.partition(b"\r\n\r\n")
        self.give_back(rest)
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or words[2] != "HTTP/1.1":
            raise BadWire("not HTTP/1.1")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        return Request(words[0], words[1], headers, self._body(headers))

    def _body(self, headers: dict[str, str]) -> Body:
        expected = headers.get("expect", "").lower() == "100-continue"
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return Body(self, ChunkedDecoder(), expected=expected)
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()):
            raise BadWire("not a length")
        return Body(self, LengthDecoder(int(length)), expected=expected)

    def answer(self, request: Request, answer: Answer, headers: dict[str, str]) -> bool:
        """Send an answer; return whether another may follow."""
        last = "close" in request.headers.get("connection", "").lower()
        lines = [f"HTTP/1.1 {answer.status} {_reason(answer.status)}"]
        lines += [f"{name}: {value}" for name, value in {**headers, **answer.headers}.items()]
        if answer.hijack is not None:
            self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
            answer.hijack(self)
            return False
        bodiless = request.method == "HEAD" or answer.status in (204, 304)
        body = b"" if answer.body is None or bodiless else answer.body
        pieces: Iterator[bytes] | None = None
        if isinstance(body, bytes):
            if not bodiless:
                lines.append(f"Content-Length: {len(body)}")
        else:
            pieces, body = body, b""
            lines.append("Transfer-Encoding: chunked")
        if last:
            lines.append("Connection: close")
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        if pieces is not None:
            for piece in pieces:
                self.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.send(b"0\r\n\r\n")
        return not last

    def close(self) -> None:
        self.stream.close()


def _reason(status: int) -> str:
    if status == 101:
        return "UPGRADED"
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


def is_connection_error(error: BaseException) -> bool:
    """Whether a client, or the engine behind, is gone: there is nobody to tell."""
    return isinstance(error, OSError | DinvError | BadWire)

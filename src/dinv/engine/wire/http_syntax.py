"""The syntax of HTTP/1.1: percent-encoding, status lines and headers, the ends of bodies. RFC 9112.

Nothing here reads from a connection: bytes are passed in, in whatever pieces they arrived.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Decoder(Protocol):
        """Takes the bytes of a connection, returns the bytes of a body."""

        finished: bool
        surplus: bytes

        def feed(self, data: bytes) -> bytes:
            """Return what `data` adds to the body; raises ValueError."""

        def end(self) -> None:
            """Note that the connection has ended; raises ValueError if the body is incomplete."""


SWITCHING_PROTOCOLS = 101
_NO_CONTENT = 204
_NOT_MODIFIED = 304
_CHUNK_LINE_LIMIT = 4096
_MOST_HEADERS = 1000

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def quote(text: str, keep: str = "") -> str:
    """Percent-encode for a path or a query (urllib.parse would cost 4 ms at each start)."""
    kept = _UNRESERVED.union(keep.encode())
    return "".join(
        chr(byte) if byte in kept else f"%{byte:02X}" for byte in text.encode("utf-8", "surrogateescape")
    )


class Head:
    """The status line and the headers of an answer. Header names are in lower case."""

    __slots__ = ("headers", "reason", "status", "version")

    def __init__(self, version: str, status: int, reason: str, headers: dict[str, str]) -> None:
        self.version = version
        self.status = status
        self.reason = reason
        self.headers = headers

    @property
    def keep_alive(self) -> bool:
        """Whether another request may follow on the connection."""
        return self.version == "HTTP/1.1" and "close" not in self.headers.get("connection", "").lower()


def parse_head(text: bytes) -> Head:
    """Parse a status line and headers, without the empty line at the end. Raises ValueError."""
    first, *lines = text.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status, _, reason = rest.partition(" ")
    if version not in ("HTTP/1.0", "HTTP/1.1") or len(status) != 3 or not status.isdecimal():
        raise ValueError(f"not HTTP: {first[:80]!r}")
    headers: dict[str, str] = {}
    if len(lines) > _MOST_HEADERS:
        raise ValueError(f"more than {_MOST_HEADERS} headers")
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise ValueError(f"not a header: {line[:80]!r}")
        name = name.lower()
        value = value.strip()
        if name == "content-length" and headers.get(name, value) != value:
            raise ValueError("two different lengths")
        headers[name] = (
            value if name not in headers or name == "content-length" else f"{headers[name]}, {value}"
        )
    return Head(version, int(status), reason, headers)


class LengthDecoder:
    """A body of a known length."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.finished = length == 0
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """Return the part of `data` that belongs to the body."""
        body, self.surplus = data[: self._left], data[self._left :]
        self._left -= len(body)
        self.finished = self._left == 0
        return body

    def end(self) -> None:
        """Raise ValueError: the body is cut short."""
        raise ValueError(f"{self._left} bytes are missing")


class UntilCloseDecoder:
    """A body that ends with the connection."""

    def __init__(self) -> None:
        self.finished = False
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """Return `data`."""
        return data

    def end(self) -> None:
        """End the body, as the connection did."""
        self.finished = True


class ChunkedDecoder:
    """A body in chunks, RFC 9112 section 7.1. Extensions and trailers are ignored."""

    def __init__(self) -> None:
        self.finished = False
        self.surplus = b""
        self._held = b""
        self._left = 0  # bytes of the chunk still to come
        self._state = "size"

    def feed(self, data: bytes) -> bytes:
        """Return what `data` adds to the body. Raises ValueError if it is not chunked."""
        out: list[bytes] = []
        data = self._held + data
        self._held = b""
        at = 0
        while not self.finished:
            if self._state == "data":
                piece = data[at : at + self._left]
                out.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
                self._state = "end"
            line_end = data.find(b"\r\n", at)
            if line_end < 0:
                self._held = data[at:]
                if len(self._held) > _CHUNK_LINE_LIMIT:
                    raise ValueError("the line of a chunk is too long")
                break
            self._line(data[at:line_end])
            at = line_end + 2
        if self.finished:
            self.surplus = data[at:]
        return b"".join(out)

    def _line(self, line: bytes) -> None:
        if self._state == "size":
            self._left = _chunk_size(line)
            self._state = "data" if self._left else "trailer"
        elif self._state == "end":
            if line:
                raise ValueError("a chunk is longer than its size")
            self._state = "size"
        elif not line:
            self.finished = True

    def end(self) -> None:
        """Raise ValueError: the body is cut short."""
        raise ValueError("the last chunk is missing")


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    # int() would take "+5", "0x5" and "1_0", too.
    if not digits or len(digits) > 16 or digits.strip(b"0123456789abcdefABCDEF"):
        raise ValueError(f"not the size of a chunk: {line[:40]!r}")
    return int(digits, 16)


def body_decoder(method: str, head: Head) -> Decoder:
    """Choose the decoder for the body of an answer, RFC 9112 section 6.3. Raises ValueError."""
    if method == "HEAD" or head.status in (_NO_CONTENT, _NOT_MODIFIED):
        return LengthDecoder(0)
    coding = head.headers.get("transfer-encoding", "").lower()
    if coding == "chunked":
        return ChunkedDecoder()
    if coding:
        raise ValueError(f"transfer encoding {coding!r} is not known")
    length = head.headers.get("content-length")
    if length is None:
        return UntilCloseDecoder()
    if not (length.isascii() and length.isdecimal()):
        raise ValueError(f"not a length: {length[:40]!r}")
    return LengthDecoder(int(length))

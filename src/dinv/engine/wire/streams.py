"""The content of bodies: output of containers, multiplexed or plain, and lines of JSON."""

from __future__ import annotations

from dinv.errors import ServerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol, Self

    from dinv.engine.wire.http import Response

    class OutputDecoder(Protocol):
        """Takes bytes of a body, returns (stream, bytes) pairs."""

        def feed(self, data: bytes) -> list[tuple[str, bytes]]:
            """Return what `data` completes; raises ValueError."""

        def end(self) -> None:
            """Raise ValueError if the stream must not end here."""


_HEADER = 8
# moby writes frames of 32 KiB at most; a longer one is not a frame.
_LONGEST_FRAME = 16 * 1024 * 1024
LONGEST_LINE = 4 * 1024 * 1024
"""Bytes of one message of a pull or a build; what a step prints comes in pieces of 32 KiB."""
_STREAMS = {0: "stdout", 1: "stdout", 2: "stderr"}
_SYSTEM_ERROR = 3


class Demultiplexer:
    """Output of a container without a TTY: frames of stream number, three zeros, length, payload.

    moby: pkg/stdcopy. Returns whole frames, however the bytes arrive.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return the frames that `data` completes, as ("stdout" or "stderr", payload).

        Raises ValueError if it is not a multiplexed stream, ServerError if the daemon reports in it that it
        cannot go on.
        """
        buffer = self._buffer
        buffer += data
        frames: list[tuple[str, bytes]] = []
        at = 0
        while len(buffer) - at >= _HEADER:
            number = buffer[at]
            length = int.from_bytes(buffer[at + 4 : at + _HEADER], "big")
            if number > _SYSTEM_ERROR or any(buffer[at + 1 : at + 4]) or length > _LONGEST_FRAME:
                raise ValueError(f"not a frame of output: {bytes(buffer[at : at + _HEADER])!r}")
            end = at + _HEADER + length
            if len(buffer) < end:
                break
            payload = bytes(buffer[at + _HEADER : end])
            at = end
            if number == _SYSTEM_ERROR:
                raise ServerError(payload.decode(errors="replace").strip())
            if payload:
                frames.append((_STREAMS[number], payload))
        del buffer[:at]
        return frames

    def end(self) -> None:
        """Raise ValueError when the stream ends within a frame."""
        if self._buffer:
            raise ValueError(f"output ends within a frame, after {len(self._buffer)} bytes of it")


class Plain:
    """Output of a container with a TTY: one stream, unframed."""

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """Return `data` as stdout."""
        return [("stdout", data)] if data else []

    def end(self) -> None:
        """Accept any end."""


class Output:
    """Output of a container as it arrives: an iterator of ("stdout" or "stderr", bytes).

    Close it if it is not read to its end. Reading raises DeadlineExceeded, ProtocolError,
    EndpointUnreachable.
    """

    def __init__(self, response: Response, decoder: OutputDecoder) -> None:
        self._response = response
        self._decoder = decoder
        self._ready: list[tuple[str, bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return self

    def __next__(self) -> tuple[str, bytes]:
        while not self._ready:
            data = self._response.read_some()
            try:
                if data:
                    self._ready = self._decoder.feed(data)[::-1]
                else:
                    self._decoder.end()
            except ValueError as exc:
                self.close()
                raise self._response.error(str(exc)) from exc
            except BaseException:
                self.close()
                raise
            if not data:
                raise StopIteration
        return self._ready.pop()

    def close(self) -> None:
        """Stop reading. May be called again."""
        self._response.close()


class JSONLines:
    """Objects one after the other, as pull, build and load send their progress."""

    def __init__(self) -> None:
        import json

        self._buffer = bytearray()
        self._decoder = json.JSONDecoder()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Return the objects of the lines that `data` completes. Raises ValueError on what is not JSON."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        self._buffer = rest
        if len(rest) > LONGEST_LINE:
            raise ValueError(f"a line of more than {LONGEST_LINE} bytes")
        return [found for line in lines for found in self._parse(line)]

    def end(self) -> list[dict[str, Any]]:
        """Return the objects of the last line, which need not end with a line break. Raises ValueError."""
        line, self._buffer = self._buffer, bytearray()
        return self._parse(line)

    def _parse(self, line: bytearray) -> list[dict[str, Any]]:
        text = line.decode(errors="replace").strip()
        found: list[dict[str, Any]] = []
        while text:
            try:
                value, end = self._decoder.raw_decode(text)
            except RecursionError as error:
                raise ValueError("nested too deep") from error
            if not isinstance(value, dict):
                raise ValueError(f"not an object: {text[:80]!r}")  # noqa: TRY004 - the data is wrong, not the call
            found.append(value)
            text = text[end:].lstrip()
        return found

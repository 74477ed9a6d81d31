"""A generator's bytes as a file to read from."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Protocol

    class Readable(Protocol):
        """A tar stream."""

        def read(self, size: int, /) -> bytes:
            """Return `size` bytes, fewer at the end."""


PIECE = 65536
"""Bytes of a file that are in memory at a time."""


class Stream:
    """A generator's bytes, as a file to read and close. `moved` is told how many bytes were read."""

    def __init__(self, pieces: Generator[bytes], moved: Callable[[int], object]) -> None:
        self._pieces = pieces
        self._moved = moved
        self._held = bytearray()

    def read(self, size: int, /) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        while len(self._held) < size:
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._held += piece
        data = bytes(self._held[:size])
        del self._held[:size]
        self._moved(len(data))
        return data

    def close(self) -> None:
        """Close what the generator holds open."""
        self._pieces.close()

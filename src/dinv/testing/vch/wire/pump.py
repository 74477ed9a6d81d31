"""Bytes to and fro between a client and the engine behind, once a connection is no longer HTTP."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

from dinv.errors import DinvError

if TYPE_CHECKING:
    from dinv.engine.wire.byte_stream import ByteStream

_PIECE = 65536
_ROUND_MILLISECONDS = 1000


class _Way:
    """One direction. What was read is sent before more is read: neither side is let run ahead."""

    def __init__(self, source: ByteStream, sink: ByteStream, early: bytes) -> None:
        self.source = source
        self.sink = sink
        self.held = memoryview(early)
        self.ended = False

    def move(self) -> bool:
        """Move what can be moved now; return whether anything was."""
        moved = False
        if not self.held and not self.ended:
            data = self.source.try_recv(_PIECE)
            if data is not None:
                moved = True
                self.ended = not data
                self.held = memoryview(data)
        if self.held:
            sent = self.sink.try_send(self.held)
            self.held = self.held[sent:]
            moved = moved or sent > 0
        return moved


def pump(client: ByteStream, behind: ByteStream, *, to_behind: bytes, to_client: bytes) -> None:
    """Move bytes until the engine behind has ended its output. The client may end its input before.

    `to_behind` and `to_client` were received already. Ends too when either breaks off; closes neither.
    """
    upwards = _Way(client, behind, to_behind)
    downwards = _Way(behind, client, to_client)
    told = False
    while not (downwards.ended and not downwards.held):
        try:
            moved = downwards.move()
            if not told:
                moved = upwards.move() or moved
                if upwards.ended and not upwards.held:
                    told = True
                    behind.close_write()
        except (OSError, DinvError):
            return
        if not moved:
            _wait(upwards, downwards)


def _wait(upwards: _Way, downwards: _Way) -> None:
    wanted: dict[int, int] = {}
    for way in (upwards, downwards):
        if way.held:
            wanted[way.sink.fileno()] = wanted.get(way.sink.fileno(), 0) | select.POLLOUT
        elif not way.ended:
            wanted[way.source.fileno()] = wanted.get(way.source.fileno(), 0) | select.POLLIN
    poll = select.poll()
    for descriptor, events in wanted.items():
        poll.register(descriptor, events)
    poll.poll(_ROUND_MILLISECONDS)

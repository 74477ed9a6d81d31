"""Ports for things that a test starts."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST, _LAST = 15_000, 23_000
"""dinv's own choices begin above them, and the kernel's above those."""


def free_port() -> int:
    """A port that nothing of this computer is bound to just now, by TCP or UDP.

    None that the kernel gives away by itself: any connection that somebody opens between the look and the use
    might have it. Nor one that this process was told of before.
    """
    return next(port for port in _PORTS if _is_free(port))


def free_ports(count: int) -> list[int]:
    """The same for several, all of them different."""
    return [free_port() for _ in range(count)]


def _ports() -> Iterator[int]:
    """All of them, over and over; processes that look at the same time begin far from each other."""
    number = os.getpid() * 101
    while True:
        yield _FIRST + number % (_LAST - _FIRST)
        number += 1


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with contextlib.closing(socket.socket(type=kind)) as sock:
            try:
                sock.bind(("", port))
            except OSError:
                return False
    return True


_PORTS = _ports()

"""Connections: how long somebody may take to say what they want, and how uvicorn is stopped.

uvicorn closes connections that are idle between requests. It keeps for ever one on which a request's headers
never end or never begin, on which a body never ends that nobody waits for (the answer was given), or whose
answer is not read. `Connection` closes those.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from dinv.server.problems import Problem

HEADER_SECONDS = 20.0
UNREAD_SECONDS = 120.0
"""Less than this, and somebody who looks through a log with a pager would lose it."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Connection(H11Protocol):
    """uvicorn's, with bounds on the time for headers, for the rest of a body, and for reading answers."""

    header_seconds = HEADER_SECONDS
    """From a request's first byte to the end of its headers; from its answer to the end of its body."""
    unread_seconds = UNREAD_SECONDS
    """Of an answer: for how long more of it waits than uvicorn has room for (64 KiB, until 16 are left)."""
    _waiting: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; go on waiting unless there is a request to answer."""
        super().data_received(data)
        if self._lacks_request():
            self._wait()
        else:
            self._end_wait()

    def shutdown(self) -> None:
        """End now if nothing is under way: a goodbye over TLS would be waited for, also from the idle."""
        idle = getattr(self.cycle, "response_complete", True)  # there is no cycle before the first request
        if idle and not self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget about it."""
        self._end_wait()
        self._end_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the other end to read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.unread_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """It has."""
        super().resume_writing()
        self._end_unread()

    def _lacks_request(self) -> bool:
        """Tell whether headers are awaited, or the rest of a body whose answer was given."""
        answered = getattr(self.cycle, "response_complete", False)
        return self.conn.their_state is h11.IDLE or (answered and self.conn.their_state is h11.SEND_BODY)

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.header_seconds, self._give_up)

    def _end_wait(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self._lacks_request() and not self.transport.is_closing():
            self.transport.abort()

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None


class Server(uvicorn.Server):
    """uvicorn's, which stops when the rest of the server does."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them to `ended_by_signals`."""
        yield

    async def on_tick(self, counter: int) -> bool:
        """Stop when the event is set."""
        self.should_exit = self.should_exit or self._stopping.is_set()
        return await super().on_tick(counter)


@contextlib.contextmanager
def ended_by_signals(stopping: threading.Event) -> Iterator[None]:
    """Set the event at the first SIGINT or SIGTERM; another one ends the process as if nobody handled it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}

    def handle(number: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, before[number])

    for each in _SIGNALS:
        before[each] = signal.signal(each, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises Problem."""
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found: list[Any] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
        family, _, _, _, address = found[0]
        both = family == socket.AF_INET6 and host == "::" and socket.has_dualstack_ipv6()
        made = socket.create_server(address[:2], family=family, backlog=2048, dualstack_ipv6=both)
    except OSError as error:
        # Python's own text for it says the address once more.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        help_ = {
            errno.EADDRINUSE: " Another program listens there: stop it, or choose another port.",
            errno.EACCES: " Ports below 1024 are for root, and for services that have CAP_NET_BIND_SERVICE.",
            errno.EADDRNOTAVAIL: " This computer does not have that address.",
        }.get(error.errno or 0, "")
        raise Problem(f"The server cannot listen at {shown}: {why}.{help_}") from error
    made.setblocking(False)  # noqa: FBT003
    return made

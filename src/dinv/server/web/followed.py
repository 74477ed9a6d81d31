"""A machine's log as it is written, for programs.

Reading it waits for the machine, perhaps for an hour, so each log has a thread of its own: those that answer
requests are few. Whether somebody still listens, and may, is looked at meanwhile; a thread whose reader has
gone ends within a second. There are bounds for one and for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import queue
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from dinv.server.problems import Problem, TooManyRequests, Unavailable
from dinv.system.deadline import Deadline

LONGEST_SECONDS = 3600.0
MOST = 64
MOST_OF_ONE = 8
LOOK_SECONDS = 0.2
HEARD_SECONDS = 1.0
"""How long the thread may go on when nobody listens any more."""
CHECK_SECONDS = 10.0
"""After so long it is looked again whether the reader may have it: a token may have been revoked."""
FIRST_SECONDS = 5.0
"""What is wrong with a log shows at once: after that the answer begins."""
_PIECES = 64


class Logs:
    """Those that a server follows. Threads may share one object."""

    def __init__(self, *, most: int = MOST, most_of_one: int = MOST_OF_ONE) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._lock = threading.Lock()
        self._open: Counter[str] = Counter()

    def follow(self, read: Callable[[Deadline], Iterator[bytes]], *, whose: str) -> Followed:
        """Follow the log that `read` returns until the deadline it is given.

        `read` is called in the log's own thread: what is first said may have to be waited for, too. `whose`
        is who counts for it. Raises TooManyRequests, and Unavailable.
        """
        with self._lock:
            if self._open[whose] >= self._most_of_one or self._open.total() >= self._most:
                raise TooManyRequests(
                    "Too many logs are followed. End one of them, and try again.", retry_after=5
                )
            self._open[whose] += 1
        ended = functools.partial(self._ended, whose)
        try:
            return Followed(read, ended)
        except RuntimeError as error:  # threading's
            ended()
            raise Unavailable("The server cannot start another thread. Try again.", retry_after=5) from error

    def open(self) -> dict[str, int]:
        """How many each person has."""
        with self._lock:
            return dict(+self._open)

    def _ended(self, whose: str) -> None:
        with self._lock:
            self._open[whose] -= 1
            if not self._open[whose]:
                del self._open[whose]


class Followed:
    """One log that is followed; it has to be closed. `ended` is called when its thread ends."""

    def __init__(self, read: Callable[[Deadline], Iterator[bytes]], ended: Callable[[], None]) -> None:
        self._log = read
        self._ended = ended
        self._queue: queue.Queue[bytes | Exception | None] = queue.Queue(_PIECES)
        self._over = threading.Event()
        threading.Thread(target=self._read, name="log", daemon=True).start()

    def close(self) -> None:
        """Nobody reads on."""
        self._over.set()

    async def pieces(self, may: Callable[[], object], stopping: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield it until it ends, `may` raises a Problem, or the server stops."""
        checked = time.monotonic()
        try:
            while not stopping():
                if time.monotonic() - checked > CHECK_SECONDS:
                    if not await run_in_threadpool(_allowed, may):
                        return
                    checked = time.monotonic()
                try:
                    piece = self._queue.get_nowait()
                except queue.Empty:
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                if not isinstance(piece, bytes):
                    return
                yield piece
        finally:
            self.close()

    async def begin(self) -> None:
        """Wait until it begins, for some seconds at most. Raises what reading it raises."""
        end = time.monotonic() + FIRST_SECONDS
        while self._queue.empty() and time.monotonic() < end:  # noqa: ASYNC110  (a thread fills it)
            await asyncio.sleep(0.02)
        with contextlib.suppress(IndexError):
            first = self._queue.queue[0]
            if isinstance(first, Exception):
                self.close()
                raise first

    def _read(self) -> None:
        try:
            lines = self._log(_WhileHeard(self._over))
            with contextlib.closing(lines):  # type: ignore[type-var]  # a generator
                for piece in lines:
                    if not self._put(piece):
                        return
            self._put(None)
        except Exception as error:  # noqa: BLE001  # `begin` raises it
            self._put(error)
        finally:
            self._ended()

    def _put(self, piece: bytes | Exception | None) -> bool:
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(piece, timeout=LOOK_SECONDS)
                return True
        return False


class _WhileHeard(Deadline):
    """An hour at most, and no longer than somebody listens."""

    __slots__ = ("_over",)

    def __init__(self, over: threading.Event) -> None:
        super().__init__(LONGEST_SECONDS)
        self._over = over

    def remaining(self) -> float:
        """Look again after a while whether it is over."""
        if self._over.is_set():
            return 0.0
        return min(HEARD_SECONDS, super().remaining() or 0.0)

    @property
    def expired(self) -> bool:
        """Whether nobody listens, or it has been long enough."""
        return self._over.is_set() or super().expired


def _allowed(may: Callable[[], object]) -> bool:
    """Whether it raises nothing; a database that is gone for a while takes nothing away."""
    try:
        may()
    except Problem as problem:
        return problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return True

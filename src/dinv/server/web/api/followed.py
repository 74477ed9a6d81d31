"""A machine's log as it is written, for programs.

Reading it waits for the machine, perhaps for an hour, so each log has a thread of its own: those that answer
requests are few. Whether somebody still listens, and may, is looked at meanwhile. A thread whose reader has
gone ends with the next line of the log, and counts until then: so there are bounds for one and for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from http import HTTPStatus

from starlette.concurrency import run_in_threadpool

from dinv.server.problems import Problem, TooManyRequests

MOST = 64
MOST_OF_ONE = 8
LOOK_SECONDS = 0.2
CHECK_SECONDS = 10.0
"""After so long it is looked again whether the reader may have it: a token may have been revoked."""
FIRST_SECONDS = 5.0
"""What is wrong with a log shows at once: after that the answer begins."""
_PIECES = 64

_lock = threading.Lock()
_open: Counter[str] = Counter()


class Followed:
    """One log that is followed. Raises TooManyRequests; once made, it has to be closed."""

    def __init__(self, lines: Iterator[bytes], *, whose: str) -> None:
        """`whose` is who counts for it."""
        self._lines = lines
        self._whose = whose
        self._queue: queue.Queue[bytes | Exception | None] = queue.Queue(_PIECES)
        self._over = threading.Event()
        with _lock:
            if _open[whose] >= MOST_OF_ONE or _open.total() >= MOST:
                raise TooManyRequests(
                    "Too many logs are followed. One that nobody reads any more ends with its next line.",
                    retry_after=30,
                )
            _open[whose] += 1
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
            with contextlib.closing(self._lines):  # type: ignore[type-var]  # a generator
                for piece in self._lines:
                    if not self._put(piece):
                        return
            self._put(None)
        except Exception as error:  # noqa: BLE001  # `begin` raises it
            self._put(error)
        finally:
            with _lock:
                _open[self._whose] -= 1
                if not _open[self._whose]:
                    del _open[self._whose]

    def _put(self, piece: bytes | Exception | None) -> bool:
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(piece, timeout=LOOK_SECONDS)
                return True
        return False


def _allowed(may: Callable[[], object]) -> bool:
    """Whether it raises nothing; a database that is gone for a while takes nothing away."""
    try:
        may()
    except Problem as problem:
        return problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return True

"""Which machines have changed: asked once a moment, for all streams that are open.

The database is looked at, and nobody is told, so several servers can share one. What is looked at are the
events: whatever people see of a machine changes with one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from dinv.server.fleet.service import Fleet
from dinv.server.problems import Problem
from dinv.server.web.log import LOG

LOOK_SECONDS = 0.5
OVERLAP_SECONDS = 5.0
"""How long an event may come late: PostgreSQL numbers it when it is written, not when it is committed."""

LATE = 100
"""How many there may be of these when the first stream begins."""


class Watch:
    """What one stream waits by. Belongs to the event loop that made it."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.anything = False
        """Whether changes of other machines count too, as they do for a place in the queue."""
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    async def changed(self, seconds: float) -> bool:
        """Wait for a change since the last call returned; return False when there is none for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        changed = self._event.is_set()
        self._event.clear()
        return changed

    def wake(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # its loop has ended
            self._loop.call_soon_threadsafe(self._event.set)


class Changes:
    """Wakes streams. One thread asks, while there are any."""

    def __init__(self, fleet: Fleet, stopping: threading.Event) -> None:
        """`stopping` wakes all of them for the last time."""
        self._fleet = fleet
        self._stopping = stopping
        self._lock = threading.Lock()
        self._watches: set[Watch] = set()
        self._asks = False

    @contextmanager
    def watch(self, key: str) -> Iterator[Watch]:
        """Be woken when the machine with the id `key` changes, or one that this person has.

        Look after this has begun: what changes from then on is not missed.
        """
        watch = Watch(key)
        with self._lock:
            self._watches.add(watch)
            if not self._asks:
                self._asks = True
                threading.Thread(target=self._ask, name="dinv-changes", daemon=True).start()
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.discard(watch)

    def _ask(self) -> None:
        seen: _Seen | None = None
        while not self._stopping.is_set():
            with self._lock:
                if not self._watches:
                    self._asks = False
                    return
            try:
                if seen is None:
                    # What has changed before this, and after somebody's first look, nobody knows.
                    seen = _Seen(self._fleet.latest_event())
                    self._wake(None)
                else:
                    self._wake(seen.new(self._fleet))
            except Problem:
                pass  # the database is gone, and is asked again; what happens meanwhile is there then
            except Exception:  # noqa: BLE001  # whatever it is: streams go on, and look by themselves
                LOG.exception("changes")
            self._stopping.wait(LOOK_SECONDS)
        self._wake(None)

    def _wake(self, touched: set[str] | None) -> None:
        """Wake those whom it concerns; None: all."""
        if touched is not None and not touched:
            return
        with self._lock:
            watches = list(self._watches)
        for watch in watches:
            if touched is None or watch.anything or watch.key in touched:
                watch.wake()


class _Seen:
    """Which events are known already."""

    def __init__(self, latest: int) -> None:
        self._floor = max(0, latest - LATE)
        self._ids: set[int] = set()
        self._tops: deque[tuple[float, int]] = deque([(time.monotonic(), latest)])

    def new(self, fleet: Fleet) -> set[str] | None:
        """Return the ids of machines, and of their owners, that something has happened to; None: too many."""
        found, is_all = fleet.happened(self._floor)
        touched = {key for event, *keys in found if event not in self._ids for key in keys if key}
        self._ids = {event for event, *_ in found}
        now = time.monotonic()
        self._tops.append((now, max(self._ids, default=self._floor)))
        while self._tops[0][0] < now - OVERLAP_SECONDS:
            self._floor = max(self._floor, self._tops.popleft()[1])
        if is_all:
            return touched
        self._floor = max(self._ids)
        return None

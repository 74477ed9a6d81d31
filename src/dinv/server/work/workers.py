"""The threads: one that takes operations, one for each that is done, and one that beats for all of them.

An operation whose thread hangs in a call, long after it should have been stopped, is given up: its heartbeat
is not written any more, so it is taken over, by this server or another; what the thread still writes is
refused. Its place is taken by another.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

import dinv
from dinv.server.database.database import Database
from dinv.server.database.schema import servers
from dinv.server.problems import Problem
from dinv.server.settings import Settings
from dinv.server.work.doing import DEADLINE, DEADLINES
from dinv.server.work.reporting import Stopped
from dinv.server.work.taking import Operations, Taken

LOG = logging.getLogger("dinv.server.work")
POLL_SECONDS = 0.5
GRACE = 120.0
"""Seconds past its deadline after which an operation's thread is not waited for any more."""


class _Running:
    """An operation that a thread does."""

    def __init__(self, taken: Taken) -> None:
        self.taken = taken
        self.until = time.monotonic() + DEADLINES.get(taken.kind, DEADLINE) + GRACE
        self.stopped: Stopped | None = None


class Workers:
    """`do` does an operation; `after` is called when one has ended."""

    def __init__(
        self,
        database: Database,
        operations: Operations,
        settings: Settings,
        *,
        server: str,
        do: Callable[[Taken], None],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._operations = operations
        self._settings = settings
        self._server = server
        self._do = do
        self._after = after
        self._running: dict[str, _Running] = {}
        self._guard = threading.Lock()
        self._wake = threading.Event()
        self._ending = threading.Event()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; what an earlier run of this server was doing is done again."""
        self._announce()
        resumed = self._operations.resume()
        if resumed:
            LOG.warning("%d operations that an earlier run of this server has left are done again", resumed)
        for work in (self._dispatch, self._beat):
            thread = threading.Thread(target=work, name=f"dinv{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout: float) -> None:
        """Take no more, wait for those under way, then stop them at their next step and wait for that."""
        self._ending.set()
        self._wake.set()
        end = time.monotonic() + timeout
        self._wait(until=time.monotonic() + timeout * 0.75)
        with self._guard:
            for running in self._running.values():
                running.stopped = Stopped("The server ends.", "server")
        self._wait(until=end)
        self._ended.set()
        for thread in self._threads:
            thread.join(max(0.1, end - time.monotonic()))

    def _wait(self, *, until: float) -> None:
        while self._running and time.monotonic() < until:
            time.sleep(0.02)

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def stopped(self, token: str) -> Stopped | None:
        """Return why this operation is to end early, or None."""
        running = self._running.get(token)
        return running.stopped if running is not None else None

    def run_one(self) -> bool:
        """Do one operation in this thread; return whether there was one."""
        taken = self._operations.take()
        if taken is None:
            return False
        self._run(_Running(taken))
        return True

    # Threads

    def _dispatch(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            try:
                while not self._ending.is_set() and len(self._running) < self._settings.workers:
                    taken = self._operations.take()
                    if taken is None:
                        break
                    running = _Running(taken)
                    with self._guard:
                        self._running[taken.token] = running
                    name = f"dinv-{taken.kind}-{taken.name}"
                    threading.Thread(target=self._run, args=(running,), name=name, daemon=True).start()
            except Problem as error:
                LOG.warning("No operations can be taken: %s", error.detail)
                self._ending.wait(1)
            except Exception:
                LOG.exception("taking operations")
                self._ending.wait(1)
            self._wake.wait(POLL_SECONDS)

    def _run(self, running: _Running) -> None:
        with self._guard:
            self._running[running.taken.token] = running
        try:
            self._do_with_what_follows(running.taken)
        finally:
            # Its heartbeat ends here: if it has failed, it is done again once it is stale. Not before what
            # follows it is done: `stop` waits for what is here, and the database may be closed then.
            with self._guard:
                self._running.pop(running.taken.token, None)
            self._wake.set()

    def _do_with_what_follows(self, taken: Taken) -> None:
        try:
            self._do(taken)
        except Exception:
            LOG.exception("%s of %s", taken.kind, taken.name)
        try:
            self._after()
        except Exception:
            LOG.exception("after %s of %s", taken.kind, taken.name)

    def _beat(self) -> None:
        while not self._ended.wait(self._settings.heartbeat_seconds):
            try:
                self.beat()
            except Problem as error:
                LOG.warning("No heartbeat can be written: %s", error.detail)
            except Exception:
                LOG.exception("heartbeat")

    def beat(self) -> None:
        """Say that this server is there and works, and take over from those that are not heard of."""
        now = time.monotonic()
        with self._guard:
            for token in [token for token, running in self._running.items() if running.until < now]:
                running = self._running.pop(token)
                LOG.error("%s of %s hangs, and is given up", running.taken.kind, running.taken.name)
            running_now = dict(self._running)
        for token in self._operations.beat(set(running_now)):
            running_now[token].stopped = Stopped("Another server has taken it over.", "lost")
        self._announce()
        taken_over = self._operations.take_over(timedelta(seconds=self._settings.stale_seconds))
        if taken_over:
            LOG.warning("%d operations of servers that are not heard of are taken over", taken_over)
            self._wake.set()

    def _announce(self) -> None:
        def work(connection: sa.Connection) -> None:
            now = self._database.now(connection)
            mine = servers.c.id == self._server
            done = connection.execute(
                servers.update().where(mine).values(seen_at=now, version=dinv.__version__)
            )
            if not done.rowcount:
                row = {"id": self._server, "version": dinv.__version__, "started_at": now, "seen_at": now}
                connection.execute(servers.insert().values(row))

        self._database.write(work)

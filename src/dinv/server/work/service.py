"""The part of a server that works: takes operations and does them, and has its duties.

A server that is killed at any moment finishes or undoes what it was doing when it is back, or another does
when its heartbeat has lapsed.
"""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import machines
from dinv.server.problems import Problem, Unavailable
from dinv.server.settings import Settings
from dinv.server.work.access import MachineAccess
from dinv.server.work.copies import Copies
from dinv.server.work.doing import Doing
from dinv.server.work.duties.duty import Duty
from dinv.server.work.duties.reap import Reaper
from dinv.server.work.duties.reconcile import Reconciler
from dinv.server.work.duties.sweep import sweep
from dinv.server.work.duties.watch import Watcher
from dinv.server.work.elsewhere import Elsewhere
from dinv.server.work.hosts import Hosts
from dinv.server.work.library import LibraryHosts
from dinv.server.work.outcomes import Outcomes
from dinv.server.work.records import Records, Secret
from dinv.server.work.reporting import Stopped
from dinv.server.work.taking import Operations
from dinv.server.work.workers import Workers
from dinv.system import files, locks

LOG = logging.getLogger("dinv.server.work")
SWEEP_SECONDS = 3600.0
_MOST_PASSES = 1000


@dataclass(frozen=True)
class Place:
    """This server's own directory, and what is kept there of machines."""

    hosts: Hosts
    copies: Copies
    records: Records

    @classmethod
    def opened(cls, database: Database, settings: Settings, hosts: Hosts | None = None) -> Place:
        """`hosts` is for tests; without one they are those of dinv's library."""
        hosts = hosts or LibraryHosts(os.path.join(settings.state, "store"))
        records = Records(database, Secret.opened(settings))
        return cls(hosts, Copies(database, records, hosts, settings.state), records)

    @property
    def access(self) -> MachineAccess:
        """What `dinv.server.fleet` is given."""
        return MachineAccess(self.hosts, self.copies)


class Work:
    """Threads that do operations (`workers` of them), and one for each duty; see `duties`.

    `place` is shared with whoever gives out certificates: both use the same working copies.
    """

    def __init__(self, database: Database, audit: Audit, settings: Settings, *, place: Place) -> None:
        self._database = database
        self._settings = settings
        self._place = place
        self.server = _identity(settings.state)
        operations = Operations(database, self.server, together=max(1, settings.workers // 2))
        elsewhere = Elsewhere(database, audit, place.copies)
        outcomes = Outcomes(database, audit)
        doing = Doing(database, outcomes, elsewhere, place.hosts, place.copies, stopping=self._stopped)
        self.workers = Workers(
            database, operations, settings, server=self.server, do=doing.do, after=self._after
        )
        self._operations = operations
        self.reconciler = Reconciler(database, audit)
        self.watcher = Watcher(database, audit, place.hosts)
        self.reaper = Reaper(database, audit, place.hosts, place.copies)
        seconds = settings.reconcile_seconds
        self._reconciling = Duty(database, self.server, name="reconcile", seconds=seconds, do=self._reconcile)
        self._duties = (
            self._reconciling,
            Duty(database, self.server, name="watch", seconds=2 * seconds, do=self.watcher.once),
            Duty(database, self.server, name="reap", seconds=seconds, do=self._reap),
            Duty(database, self.server, name="sweep", seconds=SWEEP_SECONDS, do=self._sweep),
        )
        self._lock: int | None = None

    def start(self) -> None:
        """Finish what an earlier run of this server has left, and begin.

        Raises Problem if the database's servers have another secret, or one runs with this directory.
        """
        self._begin()
        self.workers.start()
        for duty in self._duties:
            duty.start()

    def _begin(self) -> None:
        path = os.path.join(self._settings.state, "work.lock")
        try:
            self._lock = locks.open_locked(path)
        except BlockingIOError as error:
            raise Problem(
                f"A server runs already with the directory {self._settings.state}. Each has one of its own."
            ) from error
        self._place.records.check()
        self.forget_copies()

    def stop(self, *, timeout: float) -> None:
        """Take no more operations, and wait for those under way, `timeout` seconds at most."""
        for duty in self._duties:
            duty.stop()
        self.workers.stop(timeout)
        for duty in self._duties:
            duty.join(1.0)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def wake(self) -> None:
        """There are new operations, or there may be: have a look now."""
        self.workers.wake()

    def once(self) -> int:
        """Do every operation that is due and every duty once, in this thread; return how many: for tests."""
        count = 0
        self._operations.resume()
        for duty in self._duties:
            count += duty.once()
        while count < _MOST_PASSES and self.workers.run_one():
            count += 1
        return count

    def forget_copies(self) -> int:
        """Remove working copies whose machines are gone by another server's doing; return how many.

        A machine that the database does not know stays: it may be an older one, restored from a backup.
        """
        names = self._place.hosts.names()
        gone = []
        with self._database.read() as connection:
            for start in range(0, len(names), 500):
                some = names[start : start + 500]
                query = sa.select(machines.c.host_name, machines.c.state).where(
                    machines.c.host_name.in_(some)
                )
                states = {row.host_name: row.state for row in connection.execute(query)}
                gone += [name for name in some if states.get(name) in ("removed", "parked", "failed")]
        for name in gone:
            try:
                with self._place.copies.holding(name, seconds=0.1):
                    self._place.copies.forget(name)
            except Unavailable:
                LOG.info("the copy of %s is in use, and goes later", name)
        return len(gone)

    def _stopped(self, token: str) -> Stopped | None:
        return self.workers.stopped(token)

    def _after(self) -> None:
        """Something has ended: perhaps there is room for somebody who waits."""
        self.reconciler.serve_queue()

    def _reconcile(self) -> None:
        self.reconciler.once()
        self.workers.wake()

    def _reap(self) -> None:
        self.reaper.once()
        self.workers.wake()

    def _sweep(self) -> None:
        sweep(self._database, self._settings)
        self.forget_copies()


def _identity(state: str) -> str:
    """Return what this server is called in the database: for ever, by a file in its directory."""
    path = os.path.join(state, "server-id")
    try:
        return files.read(path, largest=64).decode("ascii").strip()
    except FileNotFoundError:
        os.makedirs(state, mode=0o700, exist_ok=True)
        made = secrets.token_hex(10)
        files.write(path, made.encode(), mode=0o600)
        return made

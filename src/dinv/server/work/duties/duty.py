"""Holding a duty: by a row that lapses unless renewed, so that a server that died holds nothing for long."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import duties
from dinv.server.problems import Problem

LOG = logging.getLogger("dinv.server.work")
HELD = timedelta(seconds=60)
"""How long a duty stays with a server that is not heard of; longer than a pass takes between renewals."""


class Duty:
    """One duty of this server: `do` is called every `seconds`, on one server at a time."""

    def __init__(
        self, database: Database, server: str, *, name: str, seconds: float, do: Callable[[], None]
    ) -> None:
        self.name = name
        self._database = database
        self._server = server
        self._seconds = seconds
        self._do = do
        self._due = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread = threading.Thread(target=self._go_on, name=f"dinv-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End after the pass under way, and let another server have it at once."""
        self._ended.set()
        self._due.set()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    def wake(self) -> None:
        """Have a pass made now."""
        self._due.set()

    def once(self) -> bool:
        """Make a pass, if this server has the duty; return whether it has."""
        if not self.hold():
            return False
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(done,), daemon=True)
        renewing.start()
        try:
            self._do()
        finally:
            done.set()
        return True

    def hold(self) -> bool:
        """Take the duty, or keep it; return whether this server has it."""
        with self._database.read() as connection:
            # Most of the time another has it, and nothing needs to be written.
            if self._is_anothers(connection):
                return False

        def work(connection: sa.Connection) -> bool:
            self._database.lock(connection, f"duty-{self.name}")
            if self._is_anothers(connection):
                return False
            values = {"server": self._server, "until": self._database.now(connection) + HELD}
            done = connection.execute(duties.update().where(duties.c.name == self.name).values(values))
            if not done.rowcount:
                connection.execute(duties.insert().values(name=self.name, **values))
            return True

        return self._database.write(work)

    def _is_anothers(self, connection: sa.Connection) -> bool:
        row = connection.execute(sa.select(duties).where(duties.c.name == self.name)).first()
        if row is None or row.server == self._server:
            return False
        now = self._database.now(connection)
        # One that is held for longer is from before the clock was set back, and may be of one that is gone.
        return bool(now < row.until <= now + HELD)

    def let_go(self) -> None:
        """Let another server have it."""
        mine = (duties.c.name == self.name, duties.c.server == self._server)
        self._database.write(lambda connection: connection.execute(duties.delete().where(*mine)))

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(HELD.total_seconds() / 4):
            try:
                self.hold()
            except Problem as error:
                LOG.warning("The duty %s cannot be kept: %s", self.name, error.detail)

    def _go_on(self) -> None:
        while not self._ended.is_set():
            self._due.clear()
            try:
                self.once()
            except Problem as error:
                LOG.warning("%s: %s", self.name, error.detail)
            except Exception:
                LOG.exception("%s", self.name)
            self._due.wait(self._seconds)
        try:
            self.let_go()
        except Problem as error:
            LOG.warning("The duty %s lapses by itself: %s", self.name, error.detail)

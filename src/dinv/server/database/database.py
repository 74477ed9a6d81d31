"""Transactions, on SQLite and PostgreSQL."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from dinv.server.database.backends import backend
from dinv.server.database.turns import NoTurn
from dinv.server.problems import Problem, Unavailable

Result = TypeVar("Result")
PATIENCE = 5.0
"""How long a transaction is tried again, in seconds, where the database is gone or others are in the way."""
RETRY_AFTER = 5.0
BUSY = "The database is busy with other changes. Try again."


class Database:
    """A pool of connections. Threads may share one object."""

    def __init__(self, url: str) -> None:
        """`url` is SQLAlchemy's: sqlite:////PATH or postgresql://. Nothing is opened yet. Raises Invalid."""
        self._backend = backend(url)
        self._engine = self._backend.engine()
        self._reading = self._backend.reading(self._engine)
        self._gone = _Gone()

    @property
    def is_shared(self) -> bool:
        """Whether several servers may use it at a time."""
        return self._backend.is_shared

    def upgrade(self) -> None:
        """Bring the schema up to date; one server at a time. Raises Unavailable; Problem for a newer one."""
        from dinv.server.database.upgrade import bring_up_to_date

        def work(connection: sa.Connection) -> None:
            self._backend.upgrading(connection)
            bring_up_to_date(connection)

        try:
            self._write(work, patience=60.0)
        except Unavailable as error:
            raise self._with_reason(error) from error

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A transaction that only reads, and sees one state of everything. Raises Unavailable."""
        connection = self._connected()
        try:
            with connection, connection.begin():
                yield connection
        except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
            raise self._explained(error) from error

    def _connected(self) -> sa.Connection:
        trying = _Trying(self._gone.patience(PATIENCE))
        while True:
            try:
                connection = self._reading.connect()
            except (sa.exc.DBAPIError, sa.exc.TimeoutError) as error:
                failure = "" if isinstance(error, sa.exc.TimeoutError) else self._backend.failure(error)
                if failure == "lost":
                    self._gone.seen()
                if not failure or not trying.again():
                    raise self._explained(error) from error
            else:
                self._gone.over()
                return connection

    def write(self, work: Callable[[sa.Connection], Result]) -> Result:
        """Run `work` in a transaction and return its result; again where another was in the way.

        On SQLite it holds the one write lock from its beginning (BEGIN IMMEDIATE). On PostgreSQL it runs at
        READ COMMITTED: what is read to decide by is locked, by `claimable`, `with_for_update` or `lock`.
        `work` may run more than once and has no other effects. Raises Unavailable, and whatever `work`
        raises, with all undone.
        """
        return self._write(work, patience=PATIENCE)

    def attempt(self, work: Callable[[sa.Connection], object]) -> None:
        """Run `work` as `write` does, once, and leave it where the database does not take it now.

        For what is good to know, and no more: with its disk full, people can still look.
        """
        with suppress(Unavailable):
            self._write(work, patience=0.0)

    def _write(self, work: Callable[[sa.Connection], Result], *, patience: float) -> Result:
        trying = _Trying(self._gone.patience(patience))
        while True:
            committing = False
            try:
                with self._backend.turn(), self._engine.connect() as connection, connection.begin():
                    self._gone.over()
                    result = work(connection)
                    committing = True
            except NoTurn as error:
                raise Unavailable(BUSY, retry_after=1.0) from error
            except sa.exc.TimeoutError as error:
                raise self._explained(error) from error
            except sa.exc.DBAPIError as error:
                failure = self._backend.failure(error)
                if failure == "lost":
                    self._gone.seen()
                if failure == "lost" and committing:
                    raise Unavailable(
                        "The connection to the database broke as the change was being written. "
                        "Look whether it was made before you ask for it again.",
                        retry_after=RETRY_AFTER,
                    ) from error
                if failure in ("", "full") or not trying.again():
                    raise self._explained(error) from error
            else:
                return result

    def _explained(self, error: sa.exc.DBAPIError | sa.exc.TimeoutError) -> Exception:
        """Return what to raise: itself for what is a mistake in this program."""
        if isinstance(error, sa.exc.TimeoutError):
            return Unavailable(
                "All connections to the database are in use. Try again.", retry_after=RETRY_AFTER
            )
        failure = self._backend.failure(error)
        if failure == "again":
            return Unavailable(BUSY, retry_after=1.0)
        if failure == "lost":
            return Unavailable("The database does not answer. Try again.", retry_after=RETRY_AFTER)
        if failure == "full":
            return Unavailable(
                "The disk that the database is on is full. Nothing was changed, and nothing can be until an "
                "operator of the server has made room there.",
                retry_after=RETRY_AFTER,
            )
        return error

    def now(self, connection: sa.Connection) -> datetime:
        """The time, UTC: the database's, so that all servers have one clock."""
        return self._backend.now(connection)

    def claimable(self, query: sa.Select[Any], *tables: sa.Table) -> sa.Select[Any]:
        """`query` for rows that are to be changed, passing over those that another transaction has.

        Only rows of `tables`, where some are named. (SQLite needs none of it, and its dialect leaves it out.)
        """
        return query.with_for_update(skip_locked=True, of=tables or None)

    def lock(self, connection: sa.Connection, name: str) -> None:
        """Hold the lock of this name until the transaction of `connection`, one of `write`, ends."""
        self._backend.lock(connection, name)

    def check(self, *, in_its_words: bool = False) -> None:
        """Raise Problem unless the database answers and its schema is the one of this program.

        `in_its_words`: with what the database says, which names its host and user: not for everybody.
        """
        from dinv.server.database.upgrade import behind

        try:
            with self.read() as connection:
                missing = behind(connection)
        except Unavailable as error:
            raise (self._with_reason(error) if in_its_words else error) from error
        if missing:
            raise Problem(missing)

    def _with_reason(self, error: Unavailable) -> Unavailable:
        cause = error.__cause__
        words = self._backend.words(cause) if isinstance(cause, sa.exc.DBAPIError) else ""
        if not words:
            return error
        return Unavailable(
            f"The database does not let this server in, or does not answer. It says: {words}",
            retry_after=RETRY_AFTER,
        )

    def close(self) -> None:
        self._engine.dispose()


class _Gone:
    """Since when the database is gone: the first who find that wait for it, those after them do not.

    Else all threads of the server would be waiting, for seconds each, as long as it is away.
    """

    def __init__(self) -> None:
        self._since: float | None = None

    def seen(self) -> None:
        """It did not answer."""
        if self._since is None:
            self._since = time.monotonic()

    def over(self) -> None:
        """It answered."""
        self._since = None

    def patience(self, usual: float) -> float:
        """Return how many seconds to try; one attempt is made in any case."""
        since = self._since
        return usual if since is None else max(0.0, since + usual - time.monotonic())


class _Trying:
    """Pauses between attempts, growing and random so that those who collided do not do so again."""

    def __init__(self, patience: float) -> None:
        self._end = time.monotonic() + patience
        self._pause = 0.005

    def again(self) -> bool:
        """Pause, and return True; False when the time is over."""
        if time.monotonic() + self._pause > self._end:
            return False
        time.sleep(self._pause * random.uniform(0.5, 1.0))  # noqa: S311
        self._pause = min(self._pause * 2, 0.5)
        return True

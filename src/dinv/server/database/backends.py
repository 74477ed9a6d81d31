"""What differs between SQLite and PostgreSQL."""

from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import sqlalchemy as sa

from dinv.errors import DinvError
from dinv.server.database.turns import Turns
from dinv.server.problems import Invalid, Problem

CONNECTIONS = 64
"""Most of one server: its threads for requests and for operations, and some for duties."""
KEPT = 16
WAIT_FOR_CONNECTION = 10
WAIT_FOR_TURN = 10.0
CACHE_KB = 512
"""Of SQLite's file, that one connection keeps. It forgets that as soon as another one has written, and the
system has the file in its memory once for all: by the usual 2 MB for each of them, a server would grow."""
Failure = Literal["again", "lost", "full", ""]
"""Another was in the way, and the transaction may be tried again; the database is gone; its disk is full, and
the transaction undone, also at its commit; anything else."""


class Backend(Protocol):
    """How one kind of database is spoken to."""

    is_shared: bool
    """Whether several servers may use it at a time."""

    def engine(self) -> sa.Engine:
        """Make the pool of connections. Nothing is opened yet."""

    def reading(self, engine: sa.Engine) -> sa.Engine:
        """Return the same pool, for transactions that only read, and see one state of everything."""

    def turn(self) -> AbstractContextManager[None]:
        """What is around a transaction that writes. Raises NoTurn."""

    def failure(self, error: sa.exc.DBAPIError) -> Failure:
        """Tell what an error means for the transaction."""

    def words(self, error: sa.exc.DBAPIError) -> str:
        """What the database, or its library, says of an error, on one line."""

    def now(self, connection: sa.Connection) -> datetime:
        """The time, UTC."""

    def lock(self, connection: sa.Connection, name: str) -> None:
        """Wait for, and hold, the lock of this name until the transaction ends."""

    def upgrading(self, connection: sa.Connection) -> None:
        """Begin a change of the schema: one server at a time, with time to do it."""


def backend(url: str) -> Backend:
    """Return that of the URL. Raises Invalid."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        # The text is not shown: there may be a password in it.
        raise Invalid(
            "The database's URL cannot be read. It is sqlite:////PATH or postgresql://USER@HOST/DATABASE."
        ) from None
    kind = parsed.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return PostgreSQL(parsed.set(drivername="postgresql+psycopg"))
    if kind == "sqlite":
        return SQLite(parsed.set(drivername="sqlite"))
    raise Invalid(f"A database of the kind {kind!r} cannot be used. PostgreSQL and SQLite can.")


class SQLite:
    """A file: one server. Writes take turns, readers never wait (WAL).

    https://www.sqlite.org/wal.html, https://www.sqlite.org/lang_transaction.html
    """

    is_shared = False

    def __init__(self, url: sa.URL) -> None:
        if not url.database or url.database == ":memory:" or url.query:
            raise Invalid("SQLite's database is a file: sqlite:////PATH, without options.")
        self._url = url
        self._file = url.database
        # SQLite itself makes those who wait sleep, up to 100 ms at a time, and is fair to none of them.
        self._turns = Turns()

    def engine(self) -> sa.Engine:
        engine = sa.create_engine(
            self._url,
            pool_size=KEPT,
            max_overflow=CONNECTIONS - KEPT,
            pool_timeout=WAIT_FOR_CONNECTION,
            pool_use_lifo=True,  # a connection that was just used has its statements prepared
            # Python's module begins transactions by rules of its own, and too late.
            connect_args={"isolation_level": None, "timeout": 5.0},
        )
        sa.event.listen(engine, "do_connect", self._before_connecting)
        sa.event.listen(engine, "connect", self._connected)
        sa.event.listen(engine, "begin", self._begin)
        return engine

    def reading(self, engine: sa.Engine) -> sa.Engine:
        return engine.execution_options(dinv_reads=True)

    def _before_connecting(self, *_: object) -> None:
        """Make the file such that only its owner reads it; SQLite's files beside it follow it in that."""
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EIO):
                return  # SQLite meets the same, and its error is one that passes.
            raise Problem(f"The database {self._file} cannot be opened: {error.strerror}.") from error

    @staticmethod
    def _connected(connection: sqlite3.Connection, _: object) -> None:
        # The order counts: without the wait, the change to WAL fails where another has the file open.
        for setting in (
            "busy_timeout=5000",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            f"cache_size=-{CACHE_KB}",
        ):
            connection.execute(f"PRAGMA {setting}").close()

    @staticmethod
    def _begin(connection: sa.Connection) -> None:
        reads = connection.get_execution_options().get("dinv_reads", False)
        connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reads else 'OFF'}")
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    def turn(self) -> AbstractContextManager[None]:
        return self._turns.next(WAIT_FOR_TURN)

    def failure(self, error: sa.exc.DBAPIError) -> Failure:
        code = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return "again"
        if code == sqlite3.SQLITE_FULL:
            return "full"
        lost = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM)
        return "lost" if code in lost else ""

    def words(self, error: sa.exc.DBAPIError) -> str:
        return f"{self._file}: {error.orig}"

    def now(self, connection: sa.Connection) -> datetime:
        return datetime.now(UTC)

    def lock(self, connection: sa.Connection, name: str) -> None:
        """Nothing is to be done: whoever writes has the only lock there is."""

    def upgrading(self, connection: sa.Connection) -> None:
        """BEGIN IMMEDIATE has done it."""


class PostgreSQL:
    """A server of its own: any number of ours. Transactions that write run at READ COMMITTED and lock rows.

    At SERIALIZABLE all that are audited would be in each other's way, and SKIP LOCKED fails for rows that
    were changed since the snapshot.
    """

    is_shared = True
    _SETTINGS = (
        "statement_timeout=30s",
        "lock_timeout=10s",
        "idle_in_transaction_session_timeout=60s",
        "timezone=UTC",
    )

    def __init__(self, url: sa.URL) -> None:
        self._url = url

    def engine(self) -> sa.Engine:
        given = self._url.query.get("options", "")
        options = [f"-c {setting}" for setting in self._SETTINGS]
        options += [given] if isinstance(given, str) else given
        try:
            engine = sa.create_engine(
                self._url,
                pool_size=KEPT,
                max_overflow=CONNECTIONS - KEPT,
                pool_timeout=WAIT_FOR_CONNECTION,
                pool_pre_ping=True,
                pool_recycle=1800,
                isolation_level="READ COMMITTED",
                connect_args={
                    "options": " ".join(options),
                    "connect_timeout": 5,
                    "application_name": "dinv",
                    "client_encoding": "UTF8",  # of SQL_ASCII, psycopg would give bytes
                    "keepalives_idle": 30,
                    "keepalives_interval": 5,
                    "keepalives_count": 3,
                    "tcp_user_timeout": 30000,
                },
            )
        except ModuleNotFoundError as error:
            raise DinvError(
                "PostgreSQL needs psycopg, which is not installed. "
                "Install it with: pip install 'dinv[postgresql]'"
            ) from error
        sa.event.listen(engine, "connect", self._connected)
        return engine

    @staticmethod
    def _connected(connection: Any, _: object) -> None:
        """Refuse what would not keep every name, or take bytes that are not text."""
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise Problem(
                f"The database {connection.info.dbname} has the encoding {encoding}, and dinv needs UTF8. "
                "Make another one: CREATE DATABASE NAME ENCODING 'UTF8' TEMPLATE template0 LOCALE 'C.UTF-8'."
            )

    def reading(self, engine: sa.Engine) -> sa.Engine:
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def turn(self) -> AbstractContextManager[None]:
        return nullcontext()

    def failure(self, error: sa.exc.DBAPIError) -> Failure:
        # https://www.postgresql.org/docs/current/errcodes-appendix.html
        state = getattr(error.orig, "sqlstate", None) or ""
        # serialization_failure, deadlock_detected, lock_not_available
        if state in ("40001", "40P01", "55P03"):
            return "again"
        if state == "53100":  # disk_full
            return "full"
        # Class 08: connections; 53: resources; 57P: shut down, starting up.
        if error.connection_invalidated or state[:2] in ("08", "53") or state[:3] == "57P":
            return "lost"
        # A connection that could not be made, or broke, has no state, as no server has spoken.
        return "lost" if isinstance(error, sa.exc.OperationalError) and not state else ""

    def words(self, error: sa.exc.DBAPIError) -> str:
        # libpq names host, port, user and database, and no password. With several addresses for a host it
        # has a line for each; psycopg adds one that says so.
        lines = [line.strip() for line in str(error.orig).splitlines()]
        told = [line.removeprefix("- ") for line in lines if line and not line.startswith("Multiple ")]
        return " ".join(told)[:1000]

    def now(self, connection: sa.Connection) -> datetime:
        # Not now(), which is when the transaction began: it may have waited since.
        clock = sa.func.clock_timestamp(type_=sa.DateTime(timezone=True))
        return connection.execute(sa.select(clock)).scalar_one().astimezone(UTC)

    def lock(self, connection: sa.Connection, name: str) -> None:
        digest = hashlib.sha256(f"dinv {name}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))

    def upgrading(self, connection: sa.Connection) -> None:
        for setting in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
            connection.execute(sa.select(sa.func.set_config(setting, "10min", sa.true())))
        self.lock(connection, "upgrade")

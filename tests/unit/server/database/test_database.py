from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from time import sleep
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
import sqlalchemy as sa

from dinv.server.database import backends
from dinv.server.database import database as module
from dinv.server.database.backends import backend
from dinv.server.database.database import Database
from dinv.server.database.schema import new_id, servers, teams
from dinv.server.problems import Invalid, Problem, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgresql import PostgreSQL


def add_team(database: Database, name: str) -> None:
    database.write(lambda connection: connection.execute(teams.insert().values(name=name)))


def team_names(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(teams.c.name).order_by(teams.c.name)))


def test_what_is_written_is_read(database: Database) -> None:
    add_team(database, "a")
    assert team_names(database) == ["a"]


def test_what_raises_leaves_nothing(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        connection.execute(teams.insert().values(name="a"))
        raise KeyError

    with pytest.raises(KeyError):
        database.write(work)
    assert team_names(database) == []


def test_a_read_writes_nothing(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as connection:
        connection.execute(teams.insert().values(name="a"))
    add_team(database, "b")
    assert team_names(database) == ["b"]


def test_a_read_sees_one_state(database: Database) -> None:
    count = sa.select(sa.func.count()).select_from(teams)
    with database.read() as connection:
        before = connection.scalar(count)
        add_team(database, "a")
        assert connection.scalar(count) == before == 0
    assert team_names(database) == ["a"]


def test_two_who_count_up_lose_nothing(database: Database) -> None:
    add_team(database, "0")

    def more(_: int) -> None:
        def work(connection: sa.Connection) -> None:
            row = connection.execute(sa.select(teams).with_for_update()).one()
            connection.execute(teams.update().values(name=str(int(row.name) + 1)))

        database.write(work)

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(more, range(50)))
    assert team_names(database) == ["50"]


def test_a_lock_is_one_holders(database: Database) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(connection: sa.Connection) -> None:
        database.lock(connection, "a")
        inside.append(1)
        most.append(len(inside))
        database.now(connection)
        inside.pop()

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(lambda _: database.write(work), range(30)))
    assert max(most) == 1


def test_claims_take_each_row_once(database: Database) -> None:
    for number in range(10):
        add_team(database, f"{number:02}")
    taken: list[str] = []

    def claim(_: int) -> None:
        def work(connection: sa.Connection) -> str | None:
            query = sa.select(teams.c.id).where(~teams.c.name.startswith("x")).order_by(teams.c.name).limit(1)
            row = connection.execute(database.claimable(query)).first()
            if row is None:
                return None
            connection.execute(teams.update().where(teams.c.id == row.id).values(name=f"x{row.id}"))
            return str(row.id)

        if got := database.write(work):
            taken.append(got)

    with ThreadPoolExecutor(20) as threads:
        list(threads.map(claim, range(20)))
    # On PostgreSQL one that skips what others hold may find none: it never takes what is another's.
    assert len(set(taken)) == len(taken)
    assert len(taken) == 10


def test_a_deadlock_is_tried_again(database: Database) -> None:
    add_team(database, "a")
    add_team(database, "b")
    both = threading.Barrier(2)
    tries = []

    def work(first: str, second: str) -> None:
        def change(connection: sa.Connection) -> None:
            tries.append(first)
            connection.execute(teams.update().where(teams.c.name == first).values(name=first))
            if len(tries) <= 2 and database.is_shared:
                both.wait(60)
            connection.execute(teams.update().where(teams.c.name == second).values(name=second))

        database.write(change)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, "ab", "ba"))
    # The one that gives way may be back before the other goes on, and meet it once more.
    assert len(tries) >= 3 if database.is_shared else len(tries) == 2


def test_times_are_utc(database: Database) -> None:
    there = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    values = {"id": "a", "version": "1", "started_at": there, "seen_at": there}
    database.write(lambda connection: connection.execute(servers.insert().values(values)))
    with database.read() as connection:
        time = connection.scalar(sa.select(servers.c.seen_at).where(servers.c.seen_at == there))
    assert time == there
    assert time.tzinfo is UTC
    naive = there.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError, match="without a zone"):
        database.write(lambda connection: connection.execute(sa.select(servers.c.seen_at == naive)))


def test_the_clock_goes_on_within_a_transaction(database: Database) -> None:
    def work(connection: sa.Connection) -> tuple[datetime, datetime]:
        before = database.now(connection)
        sleep(0.001)
        return before, database.now(connection)

    first, second = database.write(work)
    assert first < second
    assert abs(second - datetime.now(UTC)) < timedelta(minutes=1)


def test_foreign_keys_hold(database: Database) -> None:
    from dinv.server.database.schema import members

    with pytest.raises(sa.exc.IntegrityError):
        database.write(
            lambda connection: connection.execute(
                members.insert().values(team_id=new_id(), person_id=new_id())
            )
        )


def test_sqlites_file_is_its_owners(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "dinv.db")
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    add_team(database, "a")
    modes = {
        file: stat.S_IMODE(os.stat(os.path.join(tmp_path, file)).st_mode) for file in os.listdir(tmp_path)
    }
    database.close()
    assert modes == {"dinv.db": 0o600, "dinv.db-wal": 0o600, "dinv.db-shm": 0o600}


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "no url", "sqlite://", "sqlite:///:memory:", "sqlite:///a?mode=ro"]
)
def test_what_cannot_be_used_is_said(url: str) -> None:
    with pytest.raises(Invalid):
        Database(url)


def test_a_directory_that_is_gone_is_said(tmp_path: os.PathLike[str]) -> None:
    database = Database(f"sqlite:///{tmp_path}/no/dinv.db")
    with pytest.raises(Exception, match="cannot be opened: No such file"):
        add_team(database, "a")


def test_a_server_that_is_restarted_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, postgresql: PostgreSQL
) -> None:
    """Those that come meanwhile are told; what comes after works, with connections made anew."""
    database = Database(postgresql.create("restart", template="current"))
    add_team(database, "a")
    with database.read() as connection:
        assert team_names(database) == ["a"]  # two connections are in the pool
        connection.scalar(sa.select(1))
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    postgresql.stop()
    try:
        with pytest.raises(Unavailable, match="does not answer") as problem:
            add_team(database, "b")
        assert problem.value.retry_after == 5
        with pytest.raises(Unavailable, match="does not answer"):
            team_names(database)
        monkeypatch.setattr(module, "PATIENCE", 60.0)
        starting = threading.Timer(0.1, postgresql.start)
        starting.start()
        add_team(database, "c")
        starting.join()
    finally:
        if postgresql._process is None:
            postgresql.start()
    assert team_names(database) == ["a", "c"]
    database.close()
    postgresql.drop("restart")


def test_a_commit_whose_answer_is_lost_is_not_done_twice(postgresql: PostgreSQL) -> None:
    database = Database(postgresql.create("commit", template="current"))
    tries = []

    def work(connection: sa.Connection) -> None:
        tries.append(1)
        connection.execute(teams.insert().values(name="a"))
        own = connection.scalar(sa.select(sa.func.pg_backend_pid()))
        with database._engine.connect() as other:
            other.scalar(sa.select(sa.func.pg_terminate_backend(own)))

    with pytest.raises(Unavailable, match="Look whether it was made"):
        database.write(work)
    assert tries == [1]
    database.close()
    postgresql.drop("commit")


def test_only_the_first_wait_for_a_database_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    # Its clock stands still but for its pauses: how long it takes to find nobody there is no matter.
    clock = SimpleNamespace(monotonic=lambda: sum(waited), sleep=waited.append)
    monkeypatch.setattr(module, "time", clock)
    with contextlib.closing(Database("postgresql://dinv@/dinv?host=/nowhere")) as database:
        with pytest.raises(Unavailable, match=r"^The database does not answer. Try again.$"):
            add_team(database, "a")
        assert sum(waited) > module.PATIENCE / 2
        waited.append(module.PATIENCE)
        before = len(waited)
        with pytest.raises(Unavailable):
            add_team(database, "a")
        with pytest.raises(Unavailable):
            team_names(database)
    assert len(waited) == before


def test_whoever_runs_the_server_is_told_what_the_database_says(
    monkeypatch: pytest.MonkeyPatch, postgresql: PostgreSQL
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    with contextlib.closing(Database(postgresql.url("nosuch"))) as database:
        with pytest.raises(Unavailable, match=r'It says: .*database "nosuch" does not exist'):
            database.check(in_its_words=True)
        with pytest.raises(Unavailable, match=r"^The database does not answer. Try again.$"):
            database.check()


def test_an_encoding_that_does_not_have_all_names_is_refused(postgresql: PostgreSQL) -> None:
    plain = postgresql.create("ascii", options="ENCODING 'SQL_ASCII'")
    try:
        database = Database(plain)
        with pytest.raises(Problem, match="ascii has the encoding SQL_ASCII, and dinv needs UTF8"):
            database.upgrade()
        database.close()
    finally:
        postgresql.drop("ascii")


def test_a_disk_that_is_full_is_said(new_sqlite: Database) -> None:
    def work(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count=1")  # as many as there are, then
        connection.execute(teams.insert(), [{"name": f"{number:01000}"} for number in range(100)])

    add_team(new_sqlite, "a")
    with pytest.raises(Unavailable, match="disk that the database is on is full"):
        new_sqlite.write(work)
    assert team_names(new_sqlite) == ["a"]


def test_others_are_not_waited_for_without_end(new_sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "WAIT_FOR_TURN", 0.01)

    def another(_: sa.Connection) -> None:
        with pytest.raises(Unavailable, match="busy with other changes"):
            add_team(new_sqlite, "a")
        new_sqlite.attempt(lambda connection: connection.execute(teams.insert(), [{"name": "b"}]))

    # In this thread, which has its turn: a transaction within a transaction never gets one.
    new_sqlite.write(another)
    new_sqlite.attempt(lambda connection: connection.execute(teams.insert(), [{"name": "c"}]))
    assert team_names(new_sqlite) == ["c"]


def test_a_full_disk_at_the_commit_leaves_no_doubt() -> None:
    for kind, full in (
        ("sqlite", sqlite_error(sqlite3.SQLITE_FULL)),
        ("postgresql", psycopg.errors.DiskFull()),
    ):
        spoken = backend(f"{kind}:///x")
        assert spoken.failure(sa.exc.OperationalError("COMMIT", {}, full)) == "full"


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = code
    return error


@pytest.fixture
def new_sqlite(sqlite_template: Path, tmp_path: Path) -> Iterator[Database]:
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'full.db')}")
    yield database
    database.close()

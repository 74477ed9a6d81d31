"""What tests of the server share: each runs on both databases."""

from __future__ import annotations

import itertools
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from postgresql import PostgreSQL, programs

from dinv.server.database.database import Database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A cluster, one for all tests; its database `current` has the tables, for copies."""
    if not programs():
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    with PostgreSQL() as cluster:
        database = Database(cluster.create("current"))
        database.upgrade()
        database.close()
        yield cluster


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    database.close()
    return path


NewDatabase = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDatabase]:
    """Makes databases with all tables and no rows; returns their URLs. For tests of several."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")

        def copy() -> str:
            path = tmp_path / f"dinv-{next(_numbers)}.db"
            shutil.copy(template, path)
            return f"sqlite:///{path}"

        yield copy
        return
    cluster: PostgreSQL = request.getfixturevalue("postgresql")
    made: list[str] = []

    def lend() -> str:
        made.append(cluster.lend("current"))
        return cluster.url(made[-1])

    yield lend
    for name in made:
        cluster.take_back(name, "current")


@pytest.fixture
def database_url(new_database_url: NewDatabase) -> str:
    """The test's own database, with all tables, as a URL; a new `Database` of it is a second server's."""
    return new_database_url()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """The test's own database, with all tables and no rows: SQLite once, PostgreSQL once."""
    with opened(database_url) as database:
        yield database


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        # What asks for the streams of a page, and a server that works, end a moment later than they are told
        # to: a connection that one of them takes out of a database that is closed would never be closed.
        end = time.monotonic() + 10
        for thread in threading.enumerate():
            if thread.name.startswith("dinv"):
                thread.join(max(0.0, end - time.monotonic()))
        database.close()

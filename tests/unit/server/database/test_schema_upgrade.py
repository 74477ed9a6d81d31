"""The migrations make exactly what schema.py says, and several servers may start at once."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from dinv.server.database import migrations
from dinv.server.database.database import Database
from dinv.server.database.schema import metadata
from dinv.server.problems import Problem, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgresql import PostgreSQL

HELP = "schema.py has changed: python scripts/migration.py (--first before the first release)"


def made_by_schema(url: str) -> None:
    database = Database(url)
    database.write(metadata.create_all)
    database.close()


def made_by_migrations(url: str) -> None:
    database = Database(url)
    database.upgrade()
    database.upgrade()
    database.check()
    database.close()


def sqlite_statements(path: Path) -> list[str]:
    database = Database(f"sqlite:///{path}")
    with database.read() as connection:
        rows = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
        found = sorted(_sorted_lines(row.sql) for row in rows if row.name != "alembic_version")
    database.close()
    return found


def _sorted_lines(statement: str) -> str:
    """The order of constraints within a table is another, and means nothing."""
    return "\n".join(sorted(line.strip().rstrip(",") for line in statement.splitlines()))


def test_sqlite_has_what_the_schema_says(tmp_path: Path) -> None:
    made_by_schema(f"sqlite:///{tmp_path}/schema.db")
    made_by_migrations(f"sqlite:///{tmp_path}/migrations.db")
    assert sqlite_statements(tmp_path / "migrations.db") == sqlite_statements(tmp_path / "schema.db"), HELP


def test_postgresql_has_what_the_schema_says(postgresql: PostgreSQL) -> None:
    dumps = []
    for name, make in (("by_schema", made_by_schema), ("by_migrations", made_by_migrations)):
        make(postgresql.create(name))
        command = [
            os.path.join(postgresql.programs, "pg_dump"),
            "--schema-only",
            "--exclude-table=alembic_version",
        ]
        done = subprocess.run(
            [*command, "-h", postgresql.directory, "-U", "dinv", name],
            check=True,
            capture_output=True,
            text=True,
        )
        # Newer versions of pg_dump write a random word (CVE-2025-8714).
        dumps.append(
            [line for line in done.stdout.splitlines() if not line.startswith(("\\restrict", "\\unres"))]
        )
        postgresql.drop(name)
    assert dumps[0] == dumps[1], HELP


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
        return
    cluster: PostgreSQL = request.getfixturevalue("postgresql")
    yield cluster.create("empty")
    cluster.drop("empty")


def test_servers_may_start_at_once(empty_url: str) -> None:
    program = (
        "import sys; from dinv.server.database.database import Database; Database(sys.argv[1]).upgrade()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, empty_url], stderr=subprocess.PIPE) for _ in range(3)
    ]
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda _: made_by_migrations(empty_url), range(3)))
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said.decode()


def test_a_database_without_tables_is_not_ready(empty_url: str) -> None:
    database = Database(empty_url)
    with pytest.raises(Problem, match="not up to date"):
        database.check()
    database.close()


def test_a_newer_schema_is_left_alone(database: Database) -> None:
    version = sa.table("alembic_version", sa.column("version_num"))
    database.write(lambda connection: connection.execute(version.update().values(version_num="9999")))
    with pytest.raises(Problem, match=r"newer dinv .*'9999'.*restore a backup") as problem:
        database.upgrade()
    assert not isinstance(problem.value, Unavailable)
    with pytest.raises(Problem, match="newer dinv"):
        database.check()


def test_steps_are_numbered_as_their_files_are() -> None:
    """What is up to date is told without alembic: by the names of files."""
    scripts = ScriptDirectory(migrations.directory())
    assert migrations.revisions() == sorted(script.revision for script in scripts.walk_revisions())
    assert scripts.get_current_head() == migrations.revisions()[-1]


def test_a_server_whose_schema_is_right_loads_no_alembic(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/dinv.db"
    code = (
        "import sys; from dinv.server.database.database import Database; "
        f"database = Database({url!r}); database.upgrade(); database.check(); database.close(); "
        "print('alembic' in sys.modules)"
    )
    said = [
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    ]
    assert said == ["True\n", "False\n"]

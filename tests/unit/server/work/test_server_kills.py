"""A server killed at any moment: once it is back, or another has taken over, all is finished or undone.

Nothing is left on an endpoint that the database does not have, nothing is given to two, no sum is wrong.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import server_kills
import sqlalchemy as sa
from fake_machines import World
from working_server import Server

from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, idempotency, machines, operations, usage

if TYPE_CHECKING:
    from pathlib import Path


def run(url: str, directory: Path, mode: str, rounds: int) -> list[str]:
    """Prepare a team, and kill its servers."""
    (directory / "secret").write_text(secrets.token_hex(32))
    seed = secrets.randbelow(1 << 30)
    print(f"seed {seed}")  # noqa: T201  (shown where the test fails)
    first = Server(
        Database(url), World(str(directory / "world")), directory / "first", secret=str(directory / "secret")
    )
    first.endpoint()
    first.endpoint("there", max_machines=4)
    first.template(is_default=True, pool_size=2, cpus=1.0)
    for name in ("ann", "bob", "cid"):
        first.person(name)
    first.working.once()
    first.database.close()
    found = subprocess.run(
        [
            sys.executable,
            server_kills.__file__,
            url,
            str(directory / "world"),
            str(directory),
            str(seed),
            mode,
            str(rounds),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert "failed" not in found.stdout, found.stderr
    return lines


def check(url: str, directory: Path) -> None:
    """Let a server come back, and look at what there is."""
    last = Server(
        Database(url), World(str(directory / "world")), directory / "one", secret=str(directory / "secret")
    )
    last.working._begin()
    last.database.write(lambda c: c.execute(operations.update().values(heartbeat_at=None)))
    for _ in range(5):
        last.due()
        last.working._operations._requeue(sa.true())
        last.working.once()
    with last.database.read() as connection:
        rows = connection.execute(
            sa.select(machines.c.id, machines.c.host_name, machines.c.state, machines.c.endpoint_id)
        ).all()
        taken = {row.id: row.machines for row in connection.execute(sa.select(endpoints))}
        twice = connection.execute(
            sa.select(usage.c.machine_id).group_by(usage.c.machine_id).having(sa.func.count() > 1)
        ).all()
        keys = connection.scalar(sa.select(sa.func.count()).select_from(idempotency))
        open_ = connection.execute(
            sa.select(operations.c.kind, operations.c.state, operations.c.error).where(
                operations.c.state.in_(("queued", "running"))
            )
        ).all()
    assert open_ == []
    there = {row.host_name: row for row in rows if row.state in ("ready", "stopped")}
    under_way = [
        row for row in rows if row.state not in ("ready", "stopped", "removed", "failed", "parked", "waiting")
    ]
    assert under_way == []
    assert last.world.things() == sorted(there), "orphans, or machines that are not there"
    assert {name: last.world.state(name) for name in there} == {
        name: "running" if row.state == "ready" else "stopped" for name, row in there.items()
    }
    assert twice == [], "one was given to two"
    assert taken == {each: sum(row.endpoint_id == each for row in there.values()) for each in taken}
    assert keys is not None
    last.database.close()


@pytest.mark.timeout(300)
def test_a_server_is_killed_at_sixty_moments(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "server.db"
    path.write_bytes(sqlite_template.read_bytes())
    url = f"sqlite:///{path}"
    lines = run(url, tmp_path, "alone", 60)
    assert len(lines) == 60
    assert sum(line != "survived" for line in lines) >= 40, lines
    check(url, tmp_path)


@pytest.mark.timeout(300)
def test_one_of_two_servers_is_killed(
    tmp_path: Path, postgresql: object, request: pytest.FixtureRequest
) -> None:
    cluster = request.getfixturevalue("postgresql")
    name = f"kills_{os.getpid()}"
    url = cluster.create(name, template="current")
    try:
        lines = run(url, tmp_path, "pair", 3)
        assert all(line.endswith("survived") for line in lines)
        assert any(not line.startswith("survived") for line in lines), lines
        check(url, tmp_path)
    finally:
        cluster.drop(name)

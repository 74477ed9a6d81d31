"""The server's duties on many machines: one pass of each, and the memory of the process that makes them.

    python -m benchmarks.server_reconcile [--machines 10000] [--endpoints 100] [--database URL]

The database is real: SQLite in a new file, or the one named, which has to be empty. Endpoints are those of
the tests (`tests/support/fake_machines.py`), in memory, so that what is measured is the server.
"""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa
from fake_machines import World
from working_server import Server

from benchmarks.report import Figure, row, table
from dinv.server.database.database import Database
from dinv.server.database.schema import machines, new_id, usage
from dinv.server.fleet import capacity

RECONCILE = Figure(5)
"""Seconds, for what a server does about 10,000 machines each time: reconcile, watch, and reap."""
MEMORY = Figure(150)
"""MB, 10^6 bytes."""
PASSES = 5


def fill(server: Server, count: int, endpoints: list[str]) -> None:
    """Let there be machines as after a long time: most are somebody's, some of a pool."""
    names = dict(zip(endpoints, server_names(len(endpoints)), strict=True))
    template = server.template(is_default=True, pool_size=count // 20, options={"memory": "2g"})
    people = [server.person(f"person-{number}").person.id for number in range(200)]
    with server.database.read() as connection:
        now = server.database.now(connection)
    rows, used = [], []
    for number in range(count):
        owned, machine = number >= count // 20, new_id()
        rows.append(
            {
                "id": machine,
                "name": f"m{number}" if owned else "",
                "host_name": f"docker-{number}",
                "owner_id": people[number % len(people)] if owned else None,
                "template_id": template,
                "generation": "1",
                "endpoint_id": endpoints[number % len(endpoints)],
                "state": "ready",
                "options": {"memory": "2g"},
                "pooled": True,
                "cpus": 1.0,
                "memory": 2 << 30,
                "url": "tcp://192.0.2.1:2376",
                "created_at": now,
                "ready_at": now,
            }
        )
        if owned:
            used.append(
                {"machine_id": machine, "person_id": rows[-1]["owner_id"], "team": "", "begun_at": now}
            )
    server.database.write(lambda c: c.execute(machines.insert(), rows))
    server.database.write(lambda c: c.execute(usage.insert(), used))
    server.database.write(capacity.recount)
    server.world.run("BEGIN")
    for made in rows:
        server.world.put(names[str(made["endpoint_id"])], str(made["host_name"]), identity="x")
    server.world.run("COMMIT")


def server_names(count: int) -> list[str]:
    """Names of endpoints."""
    return [f"endpoint-{number:04}" for number in range(count)]


def passes(server: Server, tell: bool) -> list[float]:  # noqa: FBT001  (a benchmark's)
    """Make passes of all duties; return how long each took, in seconds."""
    found = []
    for number in range(PASSES):
        begin = time.monotonic()
        steps = []
        for what in (server.working.reconciler, server.working.watcher, server.working.reaper):
            before = time.monotonic()
            what.once()
            steps.append(time.monotonic() - before)
        found.append(time.monotonic() - begin)
        if tell:
            shown = ", ".join(f"{each:.2f}" for each in steps)
            sys.stderr.write(f"pass {number + 1}: {found[-1]:.2f} s (reconcile, watch, reap: {shown})\n")
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--endpoints", type=int, default=100)
    parser.add_argument("--database", default="")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    # What the whole server loads counts for its memory.
    import dinv.server.web.app  # noqa: F401

    with tempfile.TemporaryDirectory() as directory:
        database = Database(arguments.database or f"sqlite:///{directory}/server.db")
        database.upgrade()
        server = Server(database, World(), Path(directory) / "server")
        endpoints = [server.endpoint(name) for name in server_names(arguments.endpoints)]
        fill(server, arguments.machines, endpoints)
        took = passes(server, tell=True)
        with database.read() as connection:
            ready = connection.scalar(
                sa.select(sa.func.count()).select_from(machines).where(machines.c.state == "ready")
            )
        database.close()
    assert ready == arguments.machines, f"{ready} are ready"
    # Linux counts it in KiB. The world of the tests is in the same process, and counted too.
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    what = f"a pass over {arguments.machines:,} machines on {arguments.endpoints} endpoints"
    rows = [
        row(what, took, "s", RECONCILE),
        row("memory of the process, at its largest", [megabytes], "MB", MEMORY),
    ]
    print(table(rows))


if __name__ == "__main__":
    main()

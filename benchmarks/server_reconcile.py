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

from benchmarks import fleet
from benchmarks.report import Figure, row, table
from dinv.server.database.database import Database
from dinv.server.database.schema import machines

RECONCILE = Figure(5)
"""Seconds, for what a server does about 10,000 machines each time: reconcile, watch, and reap."""
MEMORY = Figure(150)
"""MB, 10^6 bytes."""
PASSES = 5


def fill(server: Server, count: int, endpoints: int) -> None:
    """Let there be machines as after a long time: most are somebody's, some of a pool."""
    names = [f"endpoint-{number:04}" for number in range(endpoints)]
    places = [{"name": name, "options": server.world.add_endpoint(name)} for name in names]
    pool = count // 20
    fleet.fill(server, count=count - pool, places=places, persons=200, pool=pool, kept=pool)
    server.world.run("BEGIN")
    for host_name, number in fleet.hosts(count - pool, pool, endpoints):
        server.world.put(names[number], host_name, identity="x")
    server.world.run("COMMIT")


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
        fill(server, arguments.machines, arguments.endpoints)
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

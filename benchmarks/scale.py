"""How the server behaves as its fleet grows: `python -m benchmarks.scale`, docs/scale.md.

    python -m benchmarks.scale [--sizes 1000,10000,100000] [--databases SQLite,PostgreSQL]

The database is real, and as in production (what is committed is on the disk); endpoints are those of the
tests, in a file of their own, 100 machines on each. For each size there is a new database, filled by one
process and measured by another, so that its memory is what the server needs.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from fake_machines import FakeHosts, World
from working_server import Server

from benchmarks import fleet, running
from benchmarks.report import table
from benchmarks.server_claims import CLIENTS, databases, timed, wait
from dinv.server.database.database import Database
from dinv.server.database.schema import people
from dinv.server.fleet import capacity
from dinv.server.fleet.placement import Need, ranked
from dinv.server.models import Actor, Person
from dinv.server.people import sessions
from dinv.server.people.service import People
from dinv.server.serving import interpreter
from dinv.server.settings import Settings
from dinv.server.web.parts import Parts
from dinv.server.work.duties.watch import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.server.work.hosts import Look, Options

ON_EACH = 100
"""Machines on one endpoint."""
OF_EACH = 10
"""Machines of one person."""
CLAIMS = 200
WAITING = 1000
ANSWER_SECONDS = 0.05
"""How long an endpoint takes to list its containers, where that is measured."""
URL = "https://dinv.example.com"
MB = 1_000_000


def main() -> int:
    """Measure, and print a table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000", help="machines (1000,10000,100000)")
    parser.add_argument("--databases", default="SQLite,PostgreSQL", help="which (SQLite,PostgreSQL)")
    parser.add_argument("--part", choices=("fill", "measure"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--directory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    if options.part:
        if options.part == "fill":
            print(json.dumps(fill(options.url, options.directory, sizes[0])))
        else:
            print(json.dumps(measure(options.url, options.directory)))
        return 0
    found: dict[str, dict[str, str]] = {}
    for name in dict(databases()):
        for size in sizes if name in options.databases.split(",") else ():
            found[f"{name}, {size:,}"] = one(name, size)
    print(table(lines(found), ("machines", *found)))
    return 0


def lines(found: dict[str, dict[str, str]]) -> list[list[str]]:
    """Return what was measured, with a column for each size of each database."""
    names = list(dict.fromkeys(name for column in found.values() for name in column))
    return [[name, *(column.get(name, "") for column in found.values())] for name in names]


def one(name: str, size: int) -> dict[str, str]:
    """Measure one size on one database, by programs of their own."""
    opened = dict(databases())[name]
    with opened as url, tempfile.TemporaryDirectory(prefix="dinv-scale-") as directory:
        measured: dict[str, str] = {}
        for part in ("fill", "measure"):
            begun = time.monotonic()
            command = [sys.executable, "-m", "benchmarks.scale", "--part", part, "--sizes", str(size)]
            command += ["--url", url, "--directory", directory]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=1800)
            measured |= json.loads(said.stdout)
            print(f"{name}, {size:,}: {part}, {time.monotonic() - begun:.0f} s", file=sys.stderr, flush=True)
        return measured


def fill(url: str, directory: str, size: int) -> dict[str, str]:
    """Let there be machines, in the database and on endpoints."""
    database = Database(url)
    database.upgrade()
    with contextlib.closing(database):
        world = World(f"{directory}/world.db")
        server = Server(database, world, Path(directory) / "server")
        names = [f"endpoint-{number:04}" for number in range(max(1, size // ON_EACH))]
        places = [
            {"name": name, "options": world.add_endpoint(name), "max_machines": 2 * ON_EACH, "cpus": 1e6}
            for name in names
        ]
        fleet.fill(
            server, count=size, places=places, persons=max(CLIENTS, size // OF_EACH), pool=CLAIMS, kept=CLAIMS
        )
        on_disk = fleet.size(database)
        world.run("BEGIN")
        for host_name, number in fleet.hosts(size, CLAIMS, len(names)):
            world.put(names[number], host_name, identity="x")
        world.run("COMMIT")
    return {
        "database, MB": f"{on_disk / MB:.1f}",
        "database, bytes a machine": f"{on_disk / size:,.0f}",
    }


class SlowHosts(FakeHosts):
    """Endpoints that take as long as real ones do."""

    def look(self, endpoint: Options) -> Look:
        time.sleep(ANSWER_SECONDS)
        return super().look(endpoint)


class Timing:
    """Calls things, and keeps how long that took."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}

    def one(self, what: str, function: Callable[[], object], count: int = 3) -> None:
        """Call it `count` times, one after the other; keep the quickest, in ms."""
        took = []
        for _ in range(count):
            begun = time.perf_counter()
            function()
            took.append(time.perf_counter() - begun)
        self.found[f"{what}, ms"] = f"{1000 * min(took):.1f}"

    def many(self, what: str, function: Callable[[int], object], count: int) -> None:
        """Call it `count` times by CLIENTS threads; keep p95 in ms, and how many a second."""
        took, whole = timed(function, count, CLIENTS)
        self.found[f"{what}, {CLIENTS} at a time, p95 ms"] = f"{1000 * took[int(0.95 * count)]:.0f}"
        self.found[f"{what}, a second"] = f"{count / whole:.0f}"


def measure(url: str, directory: str) -> dict[str, str]:
    """Return what was measured, by what it is."""
    interpreter.prepare()
    database = Database(url)
    with contextlib.closing(database):
        server = Server(database, World(f"{directory}/world.db"), Path(directory) / "server")
        operator = server.person("operator", role="operator")
        actors = [
            Actor(Person(row.id, row.name, "", "", "user"), "session")
            for row in fleet.rows_of(database, people)
            if row.role == "user"
        ][:2000]
        times = Timing()
        pages(times, server, actors[0], operator)
        times.found["memory after pages, MB"] = f"{running.resident(os.getpid()) / MB:.0f}"
        duties(times, server)
        lists(times, server, actors, operator)
        changes(times, server, actors)
        # Linux counts it in KiB.
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        times.found["memory at its largest, MB"] = f"{most / MB:.0f}"
    return times.found


def pages(times: Timing, server: Server, somebody: Actor, operator: Actor) -> None:
    """The page, asked by one browser at a time."""
    from starlette.testclient import TestClient

    from dinv.server.web.app import make_app

    database = server.database
    settings = Settings("", public_url=URL)
    people = People(database, server.audit, settings)
    parts = Parts(settings, database, server.audit, people, server.fleet, threading.Event())
    app = make_app(parts)
    for what, actor, path in (
        ("somebody's page", somebody, "/"),
        ("operators: overview", operator, "/operate"),
        ("operators: machines", operator, "/operate/machines"),
        ("operators: endpoints", operator, "/operate/endpoints"),
    ):
        secret = database.write(
            lambda connection, actor=actor: sessions.begin(database, connection, actor.person.id, "127.0.0.1")  # type: ignore[misc]
        )
        headers = {"Cookie": f"__Host-dinv={secret}", "Accept": "text/html"}
        with TestClient(app, base_url=URL, headers=headers) as client:

            def look(client: TestClient = client, path: str = path) -> None:
                answer = client.get(path)
                assert answer.status_code == 200, answer.text[:300]

            look()
            times.one(what, look, 9)


def duties(times: Timing, server: Server) -> None:
    """A pass of each duty."""
    working = server.working
    times.one("a pass: reconcile", working.reconciler.once)
    times.one("a pass: watch", working.watcher.once)
    hosts = SlowHosts(server.world, "slow")
    slow = Watcher(server.database, server.audit, hosts)
    times.one(f"a pass: watch, answers after {1000 * ANSWER_SECONDS:.0f} ms", slow.once, 1)
    times.one("a pass: reap", working.reaper.once)


def lists(times: Timing, server: Server, actors: list[Actor], operator: Actor) -> None:
    """What is looked at."""
    found = server.fleet
    times.one("list: own", lambda: found.machines(actors[0]), 21)
    times.one("list: everybody's, 100", lambda: found.machines(operator, everybody=True), 9)
    times.one(
        "list: everybody's, searched", lambda: found.machines(operator, everybody=True, search="h99"), 5
    )
    times.one("list: nothing found", lambda: found.machines(operator, everybody=True, search="nobody"), 5)
    times.one("counts by state", lambda: found.counts(operator), 5)
    times.one("pools", lambda: found.pools(operator), 5)

    def place() -> None:
        with server.database.read() as connection:
            assert ranked(capacity.places(connection).values(), Need(1.0, 1 << 30))

    times.one("placement, among all endpoints", place, 9)


def changes(times: Timing, server: Server, actors: list[Actor]) -> None:
    """What is written."""

    def whose(number: int) -> Actor:
        return actors[number % len(actors)]

    taken = []

    def claim(number: int) -> None:
        machine = server.fleet.request(whose(number), "pooled")
        assert machine.state == "ready", machine.state
        taken.append(machine.id)

    before = fleet.size(server.database)
    half = CLAIMS // 2
    times.one("claim, one at a time", lambda: claim(0), 20)
    times.many("claim", claim, half)
    assert len(set(taken)) == len(taken)
    more = fleet.size(server.database) - before
    times.found["database, bytes a claim"] = f"{more / len(taken):,.0f}"
    times.one("request that has one made, one at a time", lambda: server.fleet.request(whose(1)), 20)
    times.many("request that has one made", lambda number: server.fleet.request(whose(number)), half)
    hour = timedelta(hours=1)
    times.many("small changes", lambda number: server.fleet.extend(whose(number), "m0", hour), 2 * CLAIMS)
    waiting = min(WAITING, 10 * len(actors))
    wait(server, actors, waiting)
    times.one(
        f"the queue of {waiting} served, nothing free", lambda: server.database.write(server.queue.serve)
    )
    behind = f"request behind {waiting} that wait"
    times.one(behind, lambda: server.fleet.request(whose(2)))


if __name__ == "__main__":
    sys.exit(main())

"""What the server's database takes for the button: `python -m benchmarks.server_claims`, docs/benchmarks.md.

On SQLite and on a PostgreSQL of its own, both as in production (what is committed is on the disk), with a
fleet that is there already: claims by 20 clients at a time, requests that have one made, lists, the queue.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from fleet_world import World
from postgresql import PostgreSQL, programs

from benchmarks import fleet
from dinv.server.database.database import Database
from dinv.server.database.schema import endpoints, machines, new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import sqlalchemy as sa

    from dinv.server.models import Actor

CLIENTS = 20


def main() -> int:
    """Measure, and print a table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server_claims", description=__doc__)
    parser.add_argument("--machines", type=int, default=1000, help="that are there already (1000)")
    parser.add_argument("--endpoints", type=int, default=20, help="that they are on (20)")
    parser.add_argument("--people", type=int, default=200, help="who have them (200)")
    parser.add_argument("--claims", type=int, default=400, help="and requests (400)")
    parser.add_argument("--waiting", type=int, default=1000, help="in the queue (1000)")
    options = parser.parse_args()
    print(
        f"{options.machines} machines of {options.people} people on {options.endpoints} endpoints; "
        f"{CLIENTS} clients at a time\n"
    )
    print("| | database | p50 ms | p95 ms | most ms | a second |\n|---|---|---|---|---|---|")
    for name, url in databases():
        with url as found:
            measure(name, found, options)
    return 0


def databases() -> Iterator[tuple[str, contextlib.AbstractContextManager[str]]]:
    """Return names, and URLs that are good while their context lasts."""
    yield "SQLite", sqlite()
    if programs():
        yield "PostgreSQL", postgresql()


@contextlib.contextmanager
def sqlite() -> Iterator[str]:
    """A file in a directory that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dinv-benchmark-") as directory:
        yield f"sqlite:///{directory}/dinv.db"


@contextlib.contextmanager
def postgresql() -> Iterator[str]:
    """A cluster that is gone afterwards."""
    with PostgreSQL(durable=True) as cluster:
        yield cluster.create("benchmark")


def timed(function: Callable[[int], object], count: int, clients: int = CLIENTS) -> tuple[list[float], float]:
    """Call it so often, by so many threads; return how long each call took, sorted, and all of them together.

    Seconds.
    """

    def one(number: int) -> float:
        begun = time.perf_counter()
        function(number)
        return time.perf_counter() - begun

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as threads:
        took = sorted(threads.map(one, range(count)))
    return took, time.perf_counter() - begun


def measure(name: str, url: str, options: argparse.Namespace) -> None:
    """Print the lines of one database."""
    database = Database(url)
    database.upgrade()
    world = World(database)
    actors = fill(world, options)
    operator = world.person("operator", role="operator")
    jane = actors[0]

    def line(what: str, function: Callable[[int], object], count: int, clients: int = CLIENTS) -> None:
        """Call it so often, by so many threads, and print how long each call took."""
        took, whole = timed(function, count, clients)
        shown = [took[count // 2], took[int(count * 0.95)], took[-1]]
        cells = [f"{1000 * seconds:.1f}" for seconds in shown]
        print(f"| {what} | {name} | {' | '.join(cells)} | {count / whole:.0f} |", flush=True)

    claimed: list[str] = []

    def claim(number: int) -> None:
        machine = world.fleet.request(actors[number % len(actors)], "pooled")
        assert machine.state == "ready", machine.state
        claimed.append(machine.id)

    line("claim from a pool", claim, options.claims)
    assert len(set(claimed)) == options.claims
    line(
        "request that has one made",
        lambda number: world.fleet.request(actors[number % len(actors)]),
        options.claims,
    )
    line("own machines", lambda number: world.fleet.machines(actors[number % len(actors)]), 400)
    line("one machine", lambda _: world.fleet.machine(jane, "m0"), 400)
    line("everybody's, a page of 100", lambda _: world.fleet.machines(operator, everybody=True), 100)
    line("everybody's, searched", lambda _: world.fleet.machines(operator, everybody=True, search="m99"), 40)
    line("pools", lambda _: world.fleet.pools(operator), 40)
    wait(world, actors, options.waiting)
    line("request behind so many that wait", lambda number: world.fleet.request(actors[number]), 40)
    line("one machine that waits", lambda number: world.fleet.machine(actors[number], "w0"), 40)
    line("the queue served, nothing free", lambda _: database.write(world.queue.serve), 10, clients=1)
    database.close()


def fill(world: World, options: argparse.Namespace) -> list[Actor]:
    """Make the people, the endpoints, their machines, and the pool."""
    places = [{"name": f"e{number}", "cpus": 10.0**6} for number in range(options.endpoints)]
    return fleet.fill(
        world, count=options.machines, places=places, persons=options.people, pool=options.claims
    )


def wait(world: World, actors: list[Actor], count: int) -> None:
    """Fill all endpoints, and put so many machines into the queue."""
    world.database.write(
        lambda connection: connection.execute(endpoints.update().values(max_machines=endpoints.c.machines))
    )
    template = fleet.ids(world.database)["docker"]

    def work(connection: sa.Connection) -> None:
        now = world.database.now(connection)
        values = [
            {
                "id": new_id(),
                "name": f"w{number // len(actors)}",
                "host_name": f"w{number}",
                "owner_id": actors[number % len(actors)].person.id,
                "template_id": template,
                "generation": "1",
                "state": "waiting",
                "options": {},
                "cpus": 1.0,
                "memory": 2**30,
                "created_at": now,
            }
            for number in range(count)
        ]
        connection.execute(machines.insert(), values)

    world.database.write(work)


if __name__ == "__main__":
    sys.exit(main())

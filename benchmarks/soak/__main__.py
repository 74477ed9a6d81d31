"""Begin, wait, end and judge: `python -m benchmarks.soak [--seconds 3600] [--people 50] [--database URL]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import ssl
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fake_machines import World

from benchmarks import fleet
from benchmarks.soak import machines, process, samples, showing, team
from benchmarks.soak.machines import Passing
from benchmarks.soak.people import Crowd
from benchmarks.soak.samples import Samples
from benchmarks.soak.weather import Weather
from dinv.server.database.database import Database

if TYPE_CHECKING:
    import subprocess

    from benchmarks.soak.samples import Sample
    from benchmarks.soak.team import Somebody

SETTLE_SECONDS = 900.0
"""How long after the last request everything may take until it is done."""
IDLE_SECONDS = 30.0
"""Nobody is there: a third of it before people come, and all of it when they have gone."""


def main() -> int:
    """Measure, and print tables; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0, help="for how long people are there (3600)")
    parser.add_argument("--people", type=int, default=50, help="how many (50)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two samples (10)")
    parser.add_argument("--database", default="", help="of a PostgreSQL, empty (SQLite)")
    parser.add_argument("--seed", type=int, default=0, help="of the dice (by chance)")
    parser.add_argument("--samples", metavar="FILE", help="write all samples there, as lines of JSON")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = options.seed or random.SystemRandom().randrange(1, 1 << 30)
    _tell(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="dinv-soak-") as directory:
        faults = soak(options, directory, random.Random(seed))  # noqa: S311
    print("\n" + ("\n".join(f"**wrong**: {fault}" for fault in faults) or "Nothing is wrong."))
    return 1 if faults else 0


@dataclass(frozen=True)
class Soak:
    """What goes on at the same time."""

    server: subprocess.Popen[str]
    crowd: Crowd
    weather: Weather
    looks: Samples
    passing: Passing


def soak(options: argparse.Namespace, directory: str, dice: random.Random) -> list[str]:
    """Run it, and print what was seen; return sentences about what is wrong."""
    os.mkdir(f"{directory}/server", mode=0o700)
    world = World(f"{directory}/world.db")
    database = Database(options.database or f"sqlite:///{directory}/server/dinv.db")
    database.upgrade()
    people, operator = team.prepare(database, world, options.people)
    with process.server(directory, options.database) as (server, url):
        tls = ssl.create_default_context(cafile=f"{directory}/server/tls/ca.pem")
        crowd = Crowd(url, tls, options.seconds + IDLE_SECONDS / 3, dice)
        weather = Weather(world, team.ENDPOINTS, dice)
        one = Soak(
            server, crowd, weather, Samples(server.pid, lambda: fleet.size(database)), Passing(database)
        )
        asyncio.run(_use(one, options, people, operator))
        faults = machines.wrong(database, world)
        faults += process.ended(server)
    idle, *busy, after = one.looks.every
    faults += samples.wrong(busy) + samples.wrong_when_idle(idle, after)
    faults += [f"A machine was {words}" for words in one.passing.stuck.values()]
    faults += [f"{count} times {what}" for what, count in crowd.wrong.most_common(10)]
    faults += process.complaints(directory)
    database.close()
    longest = ", ".join(f"{state} {seconds:.0f} s" for state, seconds in sorted(one.passing.longest.items()))
    print(showing.process(idle, busy, after))
    print(f"{weather.changes} changes of endpoints, {weather.touched} machines touched from outside.\n")
    print(showing.answers(crowd))
    print(f"\nLongest in a state that passes: {longest}")
    if options.samples:
        _write(options.samples, one.looks.every)
    return faults


async def _use(one: Soak, options: argparse.Namespace, people: list[Somebody], operator: Somebody) -> None:
    """Let people be there for the time, then leave."""
    await asyncio.sleep(IDLE_SECONDS / 3)
    one.looks.take()
    tasks = [asyncio.create_task(one.crowd.live(people, operator))]
    tasks.append(asyncio.create_task(one.weather.blow(options.seconds)))
    while not all(task.done() for task in tasks):
        assert one.server.poll() is None, f"the server has ended, {one.server.returncode}"
        there = await asyncio.to_thread(one.passing.look)
        sample = await asyncio.to_thread(one.looks.take)
        if len(one.looks.every) % 6 == 2:
            count = sum(one.crowd.answers.values())
            _tell(f"{showing.words(sample)}; {there} machines, {count} answers")
        await asyncio.wait(tasks, timeout=options.every)
    for task in tasks:
        task.result()
    one.weather.clear()
    await _leave(one, operator)
    await asyncio.sleep(IDLE_SECONDS)
    one.looks.take()


async def _leave(one: Soak, operator: Somebody) -> None:
    """Remove everybody's machines, and wait until they are gone, within a bound."""
    end = time.monotonic() + SETTLE_SECONDS
    async with one.crowd.client({"Authorization": f"Bearer {operator.token}"}) as client:
        while True:
            answer = await client.get("/api/v1/machines", params={"everybody": "true", "limit": "500"})
            for machine in answer.json()["machines"]:
                if machine["owner"] and machine["state"] != "removing":
                    await client.delete(f"/api/v1/machines/{machine['id']}")
            await asyncio.to_thread(one.passing.look)
            if time.monotonic() > end or await asyncio.to_thread(one.passing.settled):
                return
            await asyncio.sleep(1)


def _write(path: str, every: list[Sample]) -> None:
    with open(path, "w") as file:
        file.writelines(json.dumps(vars(sample)) + "\n" for sample in every)


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

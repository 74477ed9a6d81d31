"""A server's working half, killed with SIGKILL at random moments: run as a program of its own, which forks.

    python server_kills.py DATABASE WORLD DIRECTORY SEED alone ROUNDS
    python server_kills.py DATABASE WORLD DIRECTORY SEED pair ROUNDS

A moment is before an SQL statement, at a commit, or at a step of what is done on an endpoint, in any thread.
`alone`: a child requests, claims and removes machines and does all duties, and is killed somewhere in that.
`pair`: two servers of one database do so with threads; one of them is killed, and the other goes on.
Prints one line a round: the number of the moment, or "survived".
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from fake_machines import World
from working_server import Server

from dinv.server.database.database import Database
from dinv.server.models import Actor, Person
from dinv.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 2.0
MOST_SECONDS = 30.0
"""How long a server of a pair lives at most: on a slow computer it takes long to the moment of its end."""
TOTAL = 450
"""About how many moments there are in one child's life."""


class Moments:
    """Counts, and kills this process at the chosen one."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._count = 0
        self._lock = threading.Lock()

    def pass_one(self, *_: object, **__: object) -> None:
        with self._lock:
            self._count += 1
            if self._count == self._last:
                os.kill(os.getpid(), signal.SIGKILL)


def server(url: str, world: str, directory: Path, name: str, last: int) -> Server:
    moments = Moments(last)
    if last:
        sa.event.listen(sa.engine.Engine, "before_cursor_execute", moments.pass_one)
        sa.event.listen(sa.engine.Engine, "commit", moments.pass_one)
    there = World(world)
    there.on_step = moments.pass_one
    return Server(
        Database(url),
        there,
        directory / name,
        secret=str(directory / "secret"),
        heartbeat_seconds=0.1,
        stale_seconds=1.0,
        reconcile_seconds=0.3,
        workers=4,
    )


def people(one: Server) -> list[Actor]:
    with one.database.read() as connection:
        rows = connection.execute(sa.text("SELECT id, name FROM people ORDER BY name")).all()
    return [Actor(Person(row.id, row.name, row.name, "", "user"), "session") for row in rows]


def ask(one: Server, dice: random.Random) -> None:
    """Do what somebody may do at a page."""
    with contextlib.suppress(Problem):
        who = dice.choice(people(one))
        mine = one.fleet.machines(who)[0]
        if mine and dice.random() < 0.5:
            chosen = dice.choice(mine)
            verb = dice.choice(["remove", "remove", "stop", "start", "restart"])
            getattr(one.fleet, verb)(who, chosen.id)
        else:
            one.fleet.request(who, key=dice.randbytes(8).hex())


def alone(url: str, world: str, directory: Path, seed: int, last: int) -> None:
    """The life of one child."""
    dice = random.Random(seed)  # noqa: S311
    one = server(url, world, directory, dice.choice(["one", "two"]), last)
    one.working._begin()
    # Nobody else lives: what the one before was doing is taken over, from whichever directory that was.
    one.working._operations.take_over(timedelta(seconds=-60))
    for _ in range(2):
        for _ in range(3):
            ask(one, dice)
        one.due()
        one.working.once()


def threads(
    url: str, world: str, directory: Path, seed: int, last: int, *, name: str, beside: int = 0
) -> None:
    """The same with all threads of a server: until it is killed, or for SECONDS and until `beside` was."""
    dice = random.Random(seed)  # noqa: S311
    one = server(url, world, directory, name, last)
    one.world.step_seconds = 0.002
    one.working.start()
    begun = time.monotonic()
    while (lived := time.monotonic() - begun) < MOST_SECONDS and (
        last or lived < SECONDS or os.path.exists(f"/proc/{beside}")
    ):
        ask(one, dice)
        with contextlib.suppress(Problem):
            one.due()
        time.sleep(0.03)
    one.working.stop(timeout=10)


def forked(work: Callable[..., None], *arguments: object) -> int:
    """Run it in a child; return its pid."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work(*arguments)
        status = 0
    finally:
        os._exit(status)


def outcome(pid: int, last: int) -> str:
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return str(last)
    return "survived" if os.WEXITSTATUS(status) == 0 else "failed"


def main() -> None:
    url, world, directory, seed, mode, rounds = sys.argv[1:]
    dice = random.Random(int(seed))  # noqa: S311
    for _ in range(int(rounds)):
        last = dice.randrange(1, TOTAL)
        if mode == "alone":
            pid = forked(alone, url, world, Path(directory), dice.randrange(1 << 30), last)
            print(outcome(pid, last), flush=True)  # noqa: T201
            continue
        one, two = dice.randrange(1 << 30), dice.randrange(1 << 30)
        killed = forked(partial(threads, name="one"), url, world, Path(directory), one, last)
        other = forked(partial(threads, name="two", beside=killed), url, world, Path(directory), two, 0)
        print(outcome(killed, last), outcome(other, 0), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()

"""Logs that are followed: each by a thread of its own, for as long as somebody reads, and may."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import TYPE_CHECKING

import pytest

from dinv.server.problems import Conflict, NotSignedIn, TooManyRequests, Unavailable
from dinv.server.web import followed
from dinv.server.web.followed import Followed, Logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.server.problems import Problem
    from dinv.system.deadline import Deadline


class Machine:
    """One that says a line whenever `says` is set, and is quiet else."""

    def __init__(self) -> None:
        self.says = threading.Event()
        self.closed = threading.Event()

    def log(self, until: Deadline) -> Iterator[bytes]:
        try:
            yield b"first\n"
            while True:
                while not self.says.wait(0.01):
                    until.raise_if_expired("more")
                yield b"more\n"
        finally:
            self.closed.set()


@pytest.fixture
def logs() -> Logs:
    return Logs()


@pytest.fixture
def machine(logs: Logs) -> Iterator[Machine]:
    made = Machine()
    yield made
    made.says.set()
    end = time.monotonic() + 20
    while logs.open() and time.monotonic() < end:
        time.sleep(0.01)
    assert not logs.open()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(followed, "CHECK_SECONDS", 0.02)


async def _all(log: Followed, may: Callable[[], object] = bool, stopping: Callable[[], bool] = bool) -> bytes:
    await log.begin()
    return b"".join([piece async for piece in log.pieces(may, stopping)])


def test_it_is_read_to_its_end() -> None:
    lines = (b"%d\n" % number for number in range(200))
    assert asyncio.run(_all(Logs().follow(lambda _: lines, whose="jane"))).count(b"\n") == 200


def _failing(problem: Problem) -> Iterator[bytes]:
    yield from ()
    raise problem


def test_what_is_wrong_with_it_is_said_before_the_answer_begins() -> None:
    log = Logs().follow(lambda _: _failing(Conflict("it is gone")), whose="jane")
    with pytest.raises(Conflict, match="it is gone"):
        asyncio.run(log.begin())


def test_it_ends_when_the_server_stops(machine: Machine, logs: Logs) -> None:
    stopping = threading.Event()

    async def read() -> list[bytes]:
        pieces = logs.follow(machine.log, whose="jane").pieces(bool, stopping.is_set)
        first = await anext(pieces)
        stopping.set()
        return [first, *[piece async for piece in pieces]]

    assert asyncio.run(asyncio.wait_for(read(), 30)) == [b"first\n"]


def test_a_token_that_is_revoked_ends_it(machine: Machine, logs: Logs) -> None:
    asked: list[None] = []

    def may() -> None:
        asked.append(None)
        if len(asked) == 2:
            raise Unavailable("the database is gone for a moment")
        if len(asked) > 2:
            raise NotSignedIn("revoked")

    assert asyncio.run(_all(logs.follow(machine.log, whose="jane"), may)) == b"first\n"
    assert len(asked) == 3


def test_one_that_never_rests_is_looked_at_too() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"x"

    def may() -> None:
        raise NotSignedIn("revoked")

    assert asyncio.run(_all(Logs().follow(lambda _: endless(), whose="jane"), may)).startswith(b"x")


def test_a_reader_who_goes_keeps_nothing(machine: Machine, logs: Logs) -> None:
    async def read() -> None:
        log = logs.follow(machine.log, whose="jane")
        pieces = log.pieces(bool, bool)
        assert await anext(pieces) == b"first\n"
        await pieces.aclose()  # type: ignore[attr-defined]  # what starlette does when the client has gone

    asyncio.run(asyncio.wait_for(read(), 10))
    assert machine.closed.wait(20)  # and it has said nothing more


def test_one_is_followed_for_an_hour_at_most(
    machine: Machine, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followed, "LONGEST_SECONDS", 0.05)
    assert asyncio.run(_all(logs.follow(machine.log, whose="jane"))) == b"first\n"


def test_there_are_bounds_for_one_and_for_all(machine: Machine) -> None:
    logs = Logs(most=3, most_of_one=2)
    with contextlib.ExitStack() as stack:
        for whose in ("jane", "jane", "bo"):
            stack.callback(logs.follow(machine.log, whose=whose).close)
        for whose in ("jane", "cy"):
            with pytest.raises(TooManyRequests, match="End one of them"):
                logs.follow(machine.log, whose=whose)


def test_one_that_cannot_begin_does_not_count(
    machine: Machine, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(Unavailable, match="Try again"):
        logs.follow(machine.log, whose="jane")
    assert logs.open() == {}

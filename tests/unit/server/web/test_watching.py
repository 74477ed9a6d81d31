"""Streams are woken by what changes, by one question for all of them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.server.problems import Unavailable
from dinv.server.web import watching
from dinv.server.web.watching import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from dinv.server.fleet.service import Fleet

SOON = 10.0


class Events:
    """A fleet, of which events are looked at."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, str | None]] = []
        self.asked = 0
        self.askers: set[threading.Thread] = set()
        self.most = 1000
        self.problem: Exception | None = None

    def latest_event(self) -> int:
        return max((event for event, *_ in self.found), default=0)

    def happened(self, after: int) -> tuple[list[tuple[int, str, str | None]], bool]:
        self.asked += 1
        self.askers.add(threading.current_thread())
        if self.problem:
            problem, self.problem = self.problem, None
            raise problem
        new = sorted(each for each in self.found if each[0] > after)
        return new[: self.most], len(new) < self.most


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> Events:
    monkeypatch.setattr(watching, "LOOK_SECONDS", 0.01)
    return Events()


@pytest.fixture
def stopping() -> threading.Event:
    return threading.Event()


@pytest.fixture
def changes(fleet: Events, stopping: threading.Event) -> Changes:
    return Changes(cast("Fleet", fleet), stopping)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(work(), 60))


async def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not condition() and time.monotonic() < end:  # noqa: ASYNC110  (another thread makes it so)
        await asyncio.sleep(0.01)
    assert condition()


async def quiet(fleet: Events) -> None:
    """Until what is there has been asked for twice: then everybody who is to be woken has been."""
    asked = fleet.asked
    await until(lambda: fleet.asked >= asked + 2)


def test_those_are_woken_whom_it_concerns(fleet: Events, changes: Changes) -> None:
    async def work() -> None:
        with changes.watch("m1") as machine, changes.watch("jane") as owner, changes.watch("john") as other:
            await quiet(fleet)
            for watch in (machine, owner, other):
                await watch.changed(0)
            fleet.found.append((1, "m1", "jane"))
            assert await machine.changed(SOON)
            assert await owner.changed(SOON)
            await quiet(fleet)
            assert not await other.changed(0)
            other.anything = True
            fleet.found.append((2, "m1", None))
            assert await other.changed(SOON)

    run(work)


def test_once_for_an_event(fleet: Events, changes: Changes) -> None:
    async def work() -> None:
        with changes.watch("m1") as watch:
            fleet.found.append((1, "m1", None))
            await quiet(fleet)
            await watch.changed(SOON)
            await quiet(fleet)
            assert not await watch.changed(0.05)

    run(work)


def test_an_event_that_is_committed_late_is_not_missed(
    fleet: Events, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "OVERLAP_SECONDS", 60)

    async def work() -> None:
        with changes.watch("m1") as watch:
            fleet.found.append((7, "m2", None))
            await quiet(fleet)
            await watch.changed(0)
            fleet.found.append((6, "m1", None))
            assert await watch.changed(SOON)

    run(work)


def test_events_are_let_go_of(fleet: Events, changes: Changes, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for does not grow: after a while an event is behind the floor."""
    monkeypatch.setattr(watching, "OVERLAP_SECONDS", 0.05)
    asked: list[int] = []

    class Noting(Events):
        def happened(self, after: int) -> tuple[list[tuple[int, str, str | None]], bool]:
            asked.append(after)
            return super().happened(after)

    fleet.__class__ = Noting

    async def work() -> None:
        with changes.watch("m1"):
            await quiet(fleet)
            fleet.found.append((500, "m1", None))
            await until(lambda: asked[-1] == 500)

    run(work)


def test_where_there_are_too_many_everybody_looks(fleet: Events, changes: Changes) -> None:
    async def work() -> None:
        fleet.most = 5
        with changes.watch("nobody") as watch:
            await quiet(fleet)
            await watch.changed(0)
            fleet.found += [(number, "m1", None) for number in range(1000, 1100)]
            assert await watch.changed(SOON)
            # And it catches up with them, rather than to ask for the same ones for ever.
            fleet.found.append((2000, "nobody", None))
            await quiet(fleet)
            await watch.changed(0)
            fleet.found.append((2001, "nobody", None))
            assert await watch.changed(SOON)

    run(work)


@pytest.mark.parametrize("problem", [Unavailable("gone"), ValueError("a mistake")])
def test_it_goes_on_after(fleet: Events, changes: Changes, problem: Exception) -> None:
    async def work() -> None:
        with changes.watch("m1") as watch:
            await quiet(fleet)
            await watch.changed(0)
            fleet.problem = problem
            fleet.found.append((1, "m1", None))
            assert await watch.changed(SOON)

    run(work)


def test_all_are_woken_when_the_server_stops(
    fleet: Events, changes: Changes, stopping: threading.Event
) -> None:
    async def work() -> None:
        with changes.watch("m1") as watch:
            await quiet(fleet)
            await watch.changed(0)
            stopping.set()
            assert await watch.changed(SOON)

    run(work)


def test_nobody_asks_while_nobody_watches(fleet: Events, changes: Changes) -> None:
    async def once() -> None:
        fleet.askers.clear()
        with changes.watch("m1"), changes.watch("m2"):
            await quiet(fleet)
            (asker,) = fleet.askers
        await until(lambda: not asker.is_alive())

    run(once)
    # And again, in another loop.
    run(once)

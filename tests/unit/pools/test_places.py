"""A pool with a maximum: however many make machines for it at once, it never has more."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from forks import forking
from pool_world import pool_of

from dinv import open as open_store
from dinv.errors import MachineBusy, PoolFull, PoolNotFound
from dinv.pools import places
from dinv.pools.records import PoolStore
from dinv.store.store import Store

if TYPE_CHECKING:
    import contextlib

    from fake_driver import World

    from dinv.machines import Machines


def test_parallel_creates_do_not_pass_the_maximum(machines: Machines, store: Store, world: World) -> None:
    """None of them is ready: each makes one, with as many under way at a time as there are places."""
    machines.pools.create("ci", size=1, maximum=3, driver="fake")
    meeting = threading.Barrier(4)
    problems: list[Exception] = []

    def make(name: str) -> None:
        try:
            open_store(store.path).create(name, pool="ci", context=False)
        except Exception as error:  # noqa: BLE001
            problems.append(error)
            meeting.wait(30)

    def at(step: str) -> None:
        if step == "configure":  # before there is a record of it
            meeting.wait(30)

    world.at = at
    threads = [threading.Thread(target=make, args=(f"m{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [type(problem) for problem in problems] == [PoolFull]
    assert machines.pools.get("ci").claimed == 3


def test_a_reconciler_leaves_places_to_those_that_have_them(
    machines: Machines, store: Store, world: World
) -> None:
    pool_of(machines, 1, maximum=1)
    machines.create("dev", pool="ci")
    machines.remove("dev")
    pools = PoolStore(store.path)
    with places.taken(pools, store, "ci", places.OWNERS, "dev"):
        (status,) = machines.pools.reconcile()
        assert (status.ready, status.claimed) == (0, 1)
        with pytest.raises(PoolFull), places.taken(pools, store, "ci", places.POOLS, "ci-1"):
            pass
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.claimed) == (1, 0)


def test_a_place_that_is_taken_between_the_plan_and_the_making(
    machines: Machines, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.pools.create("ci", size=1, maximum=1, driver="fake")
    real = places.found
    looks = []

    def found(*arguments: object) -> object:
        looks.append(arguments)
        monkeypatch.setattr(places, "found", real)
        return []  # what the plan has seen

    with places.taken(PoolStore(store.path), store, "ci", places.OWNERS, "dev"):
        monkeypatch.setattr(places, "found", found)
        (status,) = machines.pools.reconcile()
    assert looks
    assert (status.ready, status.claimed, status.failures) == (0, 1, 0)


def hold(path: str, ready: multiprocessing.synchronize.Event) -> None:
    pools = PoolStore(path)
    with places.taken(pools, Store(path), "ci", places.OWNERS, "dev"):
        ready.set()
        signal.pause()


def test_a_kill_gives_the_place_back(machines: Machines, store: Store) -> None:
    machines.pools.create("ci", size=1, maximum=1, driver="fake")
    pools = PoolStore(store.path)
    fork = multiprocessing.get_context("fork")
    ready = fork.Event()
    other = fork.Process(target=hold, args=(store.path, ready))
    with forking():
        other.start()
    assert ready.wait(30)
    assert machines.pools.get("ci").claimed == 1
    os.kill(other.pid or 0, signal.SIGKILL)
    other.join(30)
    assert machines.pools.get("ci").claimed == 0
    with places.taken(pools, store, "ci", places.OWNERS, "other"):
        assert os.listdir(os.path.join(pools.directory("ci"), "places")) == ["store-other"]
    assert os.listdir(os.path.join(pools.directory("ci"), "places")) == []


def test_one_name_has_one_place(machines: Machines, store: Store) -> None:
    machines.pools.create("ci", size=1, maximum=2, driver="fake")
    pools = PoolStore(store.path)
    with (
        places.taken(pools, store, "ci", places.OWNERS, "dev"),
        pytest.raises(MachineBusy),
        places.taken(pools, store, "ci", places.OWNERS, "dev"),
    ):
        pass


@pytest.mark.parametrize("maximum", [0, 2])
def test_one_whose_ready_hooks_run_still_counts_as_being_made(
    machines: Machines, store: Store, monkeypatch: pytest.MonkeyPatch, maximum: int
) -> None:
    """Between the create, which lets go of its lock, and the mark that it is ready."""
    machines.pools.create("ci", size=1, maximum=maximum, driver="fake")
    seen: list[tuple[int, int]] = []

    def look(machines: Store, key: str, doing: str) -> contextlib.AbstractContextManager[None]:
        if doing == "making it ready":
            status = open_store(store.path).pools.get("ci")
            seen.append((status.creating, status.failed))
        return lock(machines, key, doing)

    lock = Store.lock
    monkeypatch.setattr(Store, "lock", look)
    machines.pools.reconcile()
    assert seen == [(1, 0)]


def test_there_are_no_places_in_a_pool_that_goes(machines: Machines, store: Store) -> None:
    pools = PoolStore(store.path)
    with pytest.raises(PoolNotFound), places.taken(pools, store, "ci", places.OWNERS, "dev"):
        pass
    machines.pools.create("ci", size=1, driver="fake")
    with pools.lock("ci"):
        record = pools.load("ci")
        record.removing = True
        pools.save(record)
    with pytest.raises(PoolNotFound), places.taken(pools, store, "ci", places.OWNERS, "dev"):
        pass

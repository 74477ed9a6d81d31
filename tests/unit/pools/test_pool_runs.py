"""A command with a machine of a pool: gone afterwards, and whatever kills the run, nobody's for long."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import FakeDriver
from pool_world import places, pool_of

from dinv.errors import InputError, PoolNotFound
from dinv.lifecycle.host import leasing
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from fake_driver import World

    from dinv.machines import Machines
    from dinv.store.store import Store


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        FakeDriver, "system_time", lambda *_, **__: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    )
    monkeypatch.setattr(FakeDriver, "features", frozenset({"activity"}))
    monkeypatch.setattr(leasing, "tell", lambda *_: None)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def run(machines: Machines, script: str, **more: Any) -> int:
    return machines.run(["sh", "-c", script], name="r", pool="ci", **more)


def test_it_has_one_that_was_ready(
    machines: Machines, store: Store, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    pool_of(machines, 1, idle_ttl="2h", on_expiry="stop")
    world.steps.clear()
    assert run(machines, f"cat {store.path}/machines/r/config.json; exit 7") == 7
    assert "create container" not in world.steps
    said = capfd.readouterr().out
    # A run's lease, and not the pool's.
    assert all(each in said for each in ('"Run": true', '"TTL": 600', '"IdleTTL": 0', '"OnExpiry": "remove"'))
    assert (machines.names(), world.things(), places(store.path)) == ([], {}, {})


def test_where_none_is_ready_one_is_made(
    machines: Machines, store: Store, world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    machines.pools.create("ci", size=1, driver="fake", ttl="8h")
    assert run(machines, f"cat {store.path}/machines/r/config.json", ttl="20m") == 0
    said = capfd.readouterr().out
    assert '"Run": true' in said
    assert '"TTL": 1200' in said
    assert (machines.names(), world.things()) == ([], {})


def test_pools_and_options_that_do_not_fit(machines: Machines, world: World) -> None:
    with pytest.raises(PoolNotFound) as failed:
        run(machines, "true")
    assert failed.value.exit_code == 125
    pool_of(machines, 1)
    with pytest.raises(InputError, match="caches of their own"):
        run(machines, "true", keep_cache="a")
    assert len(world.things()) == 2


def test_a_run_that_is_killed_anywhere(machines: Machines, store: Store, world: World) -> None:
    """Its machine is in the pool still, or the next run removes it."""
    outcomes = set()
    for number in range(0, 200, 5):
        if "ci" not in machines.pools.names():
            pool_of(machines, 1)
        else:
            machines.pools.reconcile()
        finished = True
        with killed_at_change(number) as changes, pytest.MonkeyPatch.context() as patched:
            patched.setattr(world, "at", changes.step)
            try:
                run(machines, "true")
            except Killed:
                finished = False
        left = [place for found in places(store.path).values() for place in found]
        outcomes.add((*left, finished))
        assert machines.run(["true"], driver="fake", name="next") == 0
        assert machines.names() == []
        assert [place for found in places(store.path).values() for place in found] == [
            place for place in left if place == "pool"
        ]
        assert len(world.things()) == 2 * left.count("pool")
        if finished:
            break
    assert outcomes == {("pool", False), ("store", False), (False,), (True,)}

"""Killed before each of their changes, `reap` and `extend` lose nothing and leave nothing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, install, without_keys

import dinv
from dinv.endpoints import contexts
from dinv.leases import activity
from dinv.leases.activity import Activity
from dinv.lifecycle.host import leasing, telling
from dinv.store.lease import later
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from fake_driver import World

    from dinv.leases.reaped import Reaped
    from dinv.machines import Machines

HOUR = 3600


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How far the endpoint's clock is from now."""
    ahead = [0.0]

    def says(*_: object, **__: object) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + ahead[0] * HOUR))

    monkeypatch.setattr(FakeDriver, "system_time", says)
    return ahead


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: list[float]) -> World:
    without_keys(monkeypatch)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(FakeDriver, "features", frozenset({"activity"}))
    monkeypatch.setattr(activity, "of", lambda _: Activity(0, 0, 100 * 60))
    world = install(monkeypatch, str(tmp_path / "endpoint"))

    # The file of an extension is a thing of the container.
    def tell(channel: str, expires: str) -> None:
        world.step(f"tell {channel}")
        world.put(channel, expires)

    monkeypatch.setattr(FakeDriver, "channel", lambda self: f"lease-{self.config.name}")
    monkeypatch.setattr(leasing, "tell", tell)
    monkeypatch.setattr(leasing, "told", lambda channel: later(world.things().get(channel, "")))
    return world


@pytest.fixture
def machines(tmp_path: Path, world: World) -> Machines:
    return dinv.open(str(tmp_path / "store"))


def killed(world: World, number: int, work: Callable[[], object]) -> bool:
    """Do it, and be killed before the change of this number (the first is 0); False when it was done."""
    with killed_at_change(number) as changes:
        world.at = changes.step
        try:
            work()
        except Killed:
            return True
        finally:
            world.at = lambda _step: None
    return False


def one(machines: Machines) -> Reaped:
    (found,) = machines.reap()
    assert found.error is None
    return found


def test_a_reap_that_is_killed_while_it_removes_is_finished_by_the_next(
    world: World, machines: Machines, hours: list[float]
) -> None:
    number = -1
    while True:
        number += 1
        keep = number % 2 == 1
        hours[0] = 0
        machines.create("dev", driver="fake", ttl="4h", keep_cache_on_expiry=keep)
        assert contexts.read("dev") is not None
        hours[0] = 5
        done = not killed(world, number, machines.reap)
        # Where the record is gone, all that it tells of is.
        left = machines.names()
        assert left == ["dev"] or set(world.things()) <= {"volume-dev"}
        assert [each.action for each in machines.reap()] == ["removed"] * len(left)
        assert (machines.names(), contexts.read("dev")) == ([], None)
        assert set(world.things()) == ({"volume-dev"} if keep else set())
        world.take("volume-dev", world.things().get("volume-dev", ""))
        assert machines.reap() == []
        if done:
            break
    assert number > 6


def test_a_reap_that_is_killed_while_it_stops_is_finished_by_the_next(
    world: World, machines: Machines, hours: list[float]
) -> None:
    machines.create("dev", driver="fake", ttl="4h", on_expiry="stop", context=False)
    hours[0] = 5
    number = 0
    while killed(world, number, machines.reap):
        assert one(machines).action in ("stopped", "kept")
        assert machines.get("dev").status().state == "Stopped"
        assert machines.get("dev").config.stopped
        machines.get("dev").start()
        number += 1
    assert number > 3
    assert set(world.things()) == {"container-dev", "volume-dev"}


@pytest.mark.parametrize("lease", [{"ttl": "2h"}, {"idle_ttl": "2h"}])
def test_a_warning_is_given_once_or_not_at_all_but_noted_as_a_whole(
    world: World,
    machines: Machines,
    hours: list[float],
    monkeypatch: pytest.MonkeyPatch,
    lease: dict[str, Any],
) -> None:
    told: list[str] = []
    monkeypatch.setattr(telling, "tell", lambda _host, event, _, **__: told.append(event))
    number, done = -1, False
    while not done:
        number += 1
        hours[0] = 0
        machines.create("dev", driver="fake", context=False, **lease)
        hours[0] = 1.75
        told.clear()
        done = not killed(world, number, machines.reap)
        machines.reap()
        assert told.count("lease-expiring") <= 1
        assert one(machines).action == "kept"
        machines.remove("dev")
    assert number > 1
    assert world.things() == {}


def test_an_extension_that_is_killed_counts_or_was_none(
    world: World, machines: Machines, hours: list[float]
) -> None:
    number, done = -1, False
    kept = 0
    while not done:
        number += 1
        hours[0] = 0
        machine = machines.create("dev", driver="fake", context=False, ttl="4h")
        done = not killed(world, number, lambda machine=machine: machine.extend("8h"))  # type: ignore[misc]
        said, lease = world.things().get("lease-dev", ""), machines.get("dev").lease
        assert lease is not None
        # What the record says, the container says: others go by that.
        assert lease.expires <= said or not said
        hours[0] = 5
        (found,) = machines.reap(dry_run=True)
        assert (found.action == "kept") is bool(said)
        kept += found.action == "kept"
        hours[0] = 0
        machines.get("dev").extend("8h")
        lease = machines.get("dev").lease
        assert lease is not None
        assert lease.expires == world.things()["lease-dev"]
        hours[0] = 9
        assert one(machines).action == "removed"
        world.take("lease-dev", world.things()["lease-dev"])
    assert number > 2
    assert kept > 1
    assert world.things() == {}

"""A lease begins by the endpoint's clock, and is refused where nobody could keep it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, FakeProvisioner, install, without_keys

from dinv.drivers import none
from dinv.errors import OptionError, PreCreateCheckFailed
from dinv.lifecycle.create import CreateOptions, create
from dinv.progress import Progress
from dinv.store.lease import Lease

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    without_keys(monkeypatch)
    monkeypatch.setattr(FakeDriver, "system_time", lambda *_, **__: "2031-01-01T00:00:00.123456789Z")
    return world


def made(store: Store, lease: Lease, *, run: bool = False) -> MachineConfig:
    create(store, "dev", CreateOptions(driver="fake", lease=lease, run=run, context=False), Progress())
    return store.load("dev")


def test_its_end_is_by_the_clock_of_the_endpoint(world: World, store: Store) -> None:
    found = made(store, Lease(ttl=28800, on_expiry="stop", keep_cache=True))
    assert found.lease == Lease(ttl=28800, expires="2031-01-01T08:00:00Z", on_expiry="stop", keep_cache=True)
    assert not found.run


def test_a_machine_of_a_run_is_known_for_one(world: World, store: Store) -> None:
    assert made(store, Lease(ttl=600), run=True).run


def test_without_a_clock_there_is_no_end(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDriver, "system_time", lambda *_, **__: "")
    with pytest.raises(OptionError, match="the endpoint's clock"):
        made(store, Lease(ttl=28800))
    assert store.names() == []


def test_an_image_that_does_not_tell_its_use_cannot_end_by_it(world: World, store: Store) -> None:
    with pytest.raises(PreCreateCheckFailed, match='lacks the feature "activity"'):
        made(store, Lease(idle_ttl=7200))
    assert (store.names(), world.things()) == ([], {})


def test_one_that_does_can(world: World, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDriver, "features", frozenset({"activity"}))
    found = made(store, Lease(idle_ttl=7200)).lease
    assert found == Lease(idle_ttl=7200)


def test_a_member_of_a_cluster_is_never_unused(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeDriver, "features", frozenset({"activity"}))
    world.members = {}
    with pytest.raises(PreCreateCheckFailed, match="a member of a cluster"):
        made(store, Lease(idle_ttl=7200))
    assert FakeProvisioner.name == "docker"


def test_what_dinv_does_not_make_it_does_not_end(store: Store) -> None:
    options = CreateOptions(
        driver=none.NoneDriver.name, driver_values={"url": "tcp://192.0.2.1:2375"}, lease=Lease(ttl=60)
    )
    with pytest.raises(OptionError, match="neither stops nor removes"):
        create(store, "dev", options, Progress())

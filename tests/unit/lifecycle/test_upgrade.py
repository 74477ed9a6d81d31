"""Upgrades: done, refused, failed, and killed at each of their steps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import lifecycle_page
import pytest
from fake_driver import FakeDriver, install, write_certificates
from walk import Walk, at

from dinv.errors import (
    AlreadyRunning,
    DinvError,
    Interrupted,
    MachineGone,
    MachineNotFound,
    MachineUnfinished,
    NotSupported,
)
from dinv.lifecycle import upgrade as upgrade_module
from dinv.lifecycle.host import Host
from dinv.lifecycle.provision import provision
from dinv.lifecycle.remove import remove
from dinv.lifecycle.upgrade import STEPS, upgrade
from dinv.machine import Machine
from dinv.progress import Progress
from dinv.states import RUNNING, STOPPED
from dinv.store.record import READY, MachineConfig
from kills import Killed

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World
    from walk import Moment

    from dinv.store.store import Store

SILENT = Progress()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> World:
    """A running machine, dev, and a newer image."""
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # nothing has to outlast a power cut
    add(store, world)
    world.newer = True
    return world


def add(store: Store, world: World) -> None:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(
        URL="tcp://127.0.0.1:1000", IPAddress="127.0.0.1", Port=1000, Container="dinv-dev", Image="old"
    )
    config.ours.update(Phase=READY, DockerVersion="25.0.0", Unknown="kept")
    Host(config, store).use_contract("dinv")
    config.swarm_options["Discovery"] = "token://kept"
    with store.claim("dev", "creating it"):
        write_certificates(config.directory)
        store.save(config)
    world.put("container-dev", "x")
    world.put("volume-dev", "x")
    world.states["dev"] = RUNNING


@pytest.fixture
def walk(world: World, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """The steps themselves, and what of the world they come to."""
    return Walk(monkeypatch, world, upgrade_module)


def again(store: Store, world: World) -> None:
    """The machine as it is at the beginning of each test."""
    for thing in world.things():
        world.take(thing, "x")
    if store.exists("dev"):
        with store.lock("dev", "test"):
            store.remove("dev")
    add(store, world)


def moments(walk: Walk, store: Store, world: World) -> list[Moment]:
    """All that an upgrade comes to, at each of which another one can fail or be killed."""
    found = walk.moments(lambda: upgrade(store, "dev", SILENT, image="new"))
    again(store, world)
    assert {f"before {step.name}" for step in STEPS} <= {label for label, _ in found}
    return found


def test_it_is_made_anew_and_the_old_one_is_gone(store: Store, world: World) -> None:
    assert upgrade(store, "dev", SILENT, image="new")
    config = store.load("dev")
    assert config.driver["Image"] == "new"
    assert config.ours["DockerVersion"] == "26.1.5"
    assert "Upgrade" not in config.ours
    assert set(world.things()) == {"container-dev", "volume-dev"}
    assert world.states["dev"] == RUNNING
    order = ["create container", "set aside", "provision", "start", "health", "let go"]
    assert [step for step in world.steps if step in order] == order
    assert config.ours["Unknown"] == "kept"
    assert config.swarm_options["Discovery"] == "token://kept"
    assert world.open == set()


def test_a_stopped_one_runs_afterwards(store: Store, world: World) -> None:
    world.states["dev"] = STOPPED
    assert upgrade(store, "dev", SILENT)
    assert world.states["dev"] == RUNNING


def test_a_stopped_one_runs_afterwards_also_from_the_image_it_has(store: Store, world: World) -> None:
    world.newer = False
    world.states["dev"] = STOPPED
    assert not upgrade(store, "dev", SILENT)
    assert world.states["dev"] == RUNNING
    assert "set aside" not in world.steps


def test_the_image_it_has_is_no_reason(store: Store, world: World) -> None:
    world.newer = False
    assert not upgrade(store, "dev", SILENT)
    assert world.steps == ["offer", "state"]
    assert upgrade(store, "dev", SILENT, force=True)


def test_a_driver_that_has_no_way_to_do_it_says_so(
    store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(FakeDriver, "replacement")
    with pytest.raises(NotSupported, match=r'"dev" cannot be made anew.* "fake" .*dinv rm dev'):
        upgrade(store, "dev", SILENT)
    assert world.steps == []
    assert "Upgrade" not in store.load("dev").ours


@pytest.mark.parametrize("before", [RUNNING, STOPPED])
@pytest.mark.parametrize(
    "error",
    [DinvError("broken"), KeyboardInterrupt(), Interrupted(15)],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_at_any_moment_is_undone(
    *, store: Store, world: World, walk: Walk, before: str, error: BaseException
) -> None:
    found = moments(walk, store, world)
    final = found.index(("after conclude", 1))
    for number, moment in enumerate(found):
        again(store, world)
        world.states["dev"] = before
        untouched = store.load("dev").document()
        with at(moment):
            with pytest.raises(type(error)) as caught:
                walk.fail(lambda: upgrade(store, "dev", SILENT, image="new"), moment, error)
            assert caught.value is error
            notes = list(getattr(error, "__notes__", ()))
            vars(error).pop("__notes__", None)
            recorded = number > found.index(("after record", 1))
            assert notes == (['Machine "dev" is as it was before.'] if recorded and number <= final else [])
            if number > final:
                # It has answered: the next one goes on with what is left to do.
                assert store.load("dev").driver["Image"] == "new"
                assert world.states["dev"] == RUNNING
                continue
            now = store.load("dev").document()
            if now["Dinv"].pop("Upgrade", None) is not None:
                assert moment == ("after record", 1)
            if recorded and before == RUNNING:
                untouched["Dinv"]["DockerVersion"] = "26.1.5"
            assert now == untouched
            assert set(world.things()) == {"container-dev", "volume-dev"}
            assert world.states["dev"] == before


def test_what_undoes_it_can_fail_at_any_moment_too(store: Store, world: World, walk: Walk) -> None:
    """Then the error says so, and the next command settles it."""
    broken, failing = DinvError("broken"), ("before conclude", 1)

    def fail() -> None:
        walk.fail(lambda: upgrade(store, "dev", SILENT, image="new"), failing, broken)

    with pytest.raises(DinvError):
        fail()
    undoing = walk.seen[walk.seen.index(failing) + 1 :]
    assert ("after undo of record", 1) in undoing
    for moment in undoing:
        again(store, world)
        with at(moment):
            vars(broken).pop("__notes__", None)
            with pytest.raises(DinvError) as caught:
                walk.fail_twice(
                    lambda: upgrade(store, "dev", SILENT, image="new"),
                    failing,
                    broken,
                    moment,
                    DinvError("gone"),
                )
            assert caught.value is broken
            said = "The machine as it was could not be put back (gone). Try again: dinv start dev"
            assert broken.__notes__ == [said]
            if "Upgrade" in store.load("dev").ours:
                with Machine.recorded(store.load("dev"), store) as machine:
                    machine.start(SILENT)
            assert "Upgrade" not in store.load("dev").ours
            assert store.load("dev").driver["Image"] == "old"
            assert set(world.things()) == {"container-dev", "volume-dev"}
            assert world.states["dev"] == RUNNING


def test_what_cannot_be_undone_says_how_to_finish(store: Store, world: World) -> None:
    def at(step: str) -> None:
        if step in ("health", "take back"):
            raise DinvError(f"broken at {step}")

    world.at = at
    with pytest.raises(DinvError, match="broken at health") as caught:
        upgrade(store, "dev", SILENT)
    assert "broken at take back" in caught.value.__notes__[0]
    assert "dinv start dev" in caught.value.__notes__[0]
    world.at = lambda _step: None
    assert store.load("dev").ours["Upgrade"]
    assert upgrade(store, "dev", SILENT)
    assert "Upgrade" not in store.load("dev").ours


@pytest.mark.parametrize("then", ["start", "upgrade", "restart", "stop", "kill", "rm"])
def test_killed_at_any_moment_the_next_one_finishes_as_the_page_says(
    store: Store, world: World, walk: Walk, then: str
) -> None:
    settled = {row.step: row.settled for row in lifecycle_page.rows("upgrade")}
    for moment in moments(walk, store, world):
        again(store, world)
        with at(moment):
            walk.die(lambda: upgrade(store, "dev", SILENT, image="new"), moment)
            if "Upgrade" in store.load("dev").ours:
                assert then in settled[walk.steps[moment]]
            finish(store, world, then)


def finish(store: Store, world: World, then: str) -> None:
    """Do what a user does next, and see that all is well."""
    if then == "rm":
        remove(store, "dev")
        assert world.things() == {}
        return
    if then == "upgrade":
        assert upgrade(store, "dev", SILENT, image="new")
    elif then == "provision":
        provision(store, "dev", SILENT)
    else:
        with Machine.recorded(store.load("dev"), store) as machine:
            if then == "start" and "Upgrade" not in machine.config.ours:
                with pytest.raises(AlreadyRunning, match="already running"):
                    machine.start(SILENT)
            elif then == "start":
                machine.start(SILENT)
            elif then == "restart":
                machine.restart(SILENT)
            elif then == "kill":
                machine.kill()
            else:
                machine.stop()
    config = store.load("dev")
    assert "Upgrade" not in config.ours
    assert set(world.things()) == {"container-dev", "volume-dev"}
    assert world.states["dev"] == (STOPPED if then in ("stop", "kill") else RUNNING)
    if then == "upgrade":
        assert config.driver["Image"] == "new"


def test_a_record_of_an_upgrade_by_an_earlier_dinv_is_settled(store: Store, world: World, walk: Walk) -> None:
    """Those of 0.1.0 and 0.2 have no Step in it."""
    walk.die(lambda: upgrade(store, "dev", SILENT, image="new"), ("before serve", 1))
    config = store.load("dev")
    assert config.ours["Upgrade"].pop("Step") == "record"
    assert set(config.ours["Upgrade"]) == {"Driver", "ImageContract", "DockerVersion", "Running", "Answers"}
    with store.lock("dev", "test"):
        store.save(config)
    finish(store, world, "restart")
    assert store.load("dev").driver["Image"] == "old"


def test_once_it_has_answered_it_is_not_undone(store: Store, world: World) -> None:
    world.at = lambda step: (_ for _ in ()).throw(Killed()) if step == "let go" else None
    with pytest.raises(Killed):
        upgrade(store, "dev", SILENT, image="new")
    world.at = lambda _step: None
    with Machine.recorded(store.load("dev"), store) as machine:
        machine.start(SILENT)
    assert store.load("dev").driver["Image"] == "new"
    assert "take back" not in world.steps
    assert "aside-dev" not in world.things()


def test_with_nothing_to_go_back_to_it_is_gone(store: Store, world: World, walk: Walk) -> None:
    walk.die(lambda: upgrade(store, "dev", SILENT, image="new"), ("stop old", 1))
    for thing in list(world.things()):
        if thing != "volume-dev":
            world.take(thing, "x")
    with (
        Machine.recorded(store.load("dev"), store) as machine,
        pytest.raises(MachineGone, match="dinv rm dev"),
    ):
        machine.start(SILENT)
    remove(store, "dev")
    assert world.things() == {}


def test_machines_that_dinv_does_not_look_after(store: Store, world: World) -> None:
    config = store.load("dev")
    config.document()["DriverName"] = "none"
    with store.lock("dev", "test"):
        store.save(config)
    with pytest.raises(NotSupported, match="somebody else looks after it"):
        upgrade(store, "dev", SILENT)
    del config.document()["Dinv"]
    with store.lock("dev", "test"):
        store.save(config)
    with pytest.raises(NotSupported, match="docker-machine"):
        upgrade(store, "dev", SILENT)
    with pytest.raises(MachineNotFound):
        upgrade(store, "nosuch", SILENT)


def test_half_made_ones_are_not_upgraded(store: Store, world: World) -> None:
    config = store.load("dev")
    config.ours["Phase"] = "creating"
    with store.lock("dev", "test"):
        store.save(config)
    with pytest.raises(MachineUnfinished, match="create did not finish"):
        upgrade(store, "dev", SILENT)

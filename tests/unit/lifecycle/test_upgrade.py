"""Upgrades: done, refused, failed, and killed at each of their steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, install, write_certificates
from kills import Killed

from dinv.errors import (
    AlreadyRunning,
    DinvError,
    MachineGone,
    MachineNotFound,
    MachineUnfinished,
    NotSupported,
)
from dinv.lifecycle.host import Host
from dinv.lifecycle.remove import remove
from dinv.lifecycle.upgrade import upgrade
from dinv.machine import Machine
from dinv.progress import Progress
from dinv.states import RUNNING, STOPPED
from dinv.store.record import READY, MachineConfig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fake_driver import World

    from dinv.store.store import Store

SILENT = Progress()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> World:
    """A running machine, dev, and a newer image."""
    world = install(monkeypatch, str(tmp_path / "endpoint"))
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
    world.newer = True
    return world


def killed_from(step: int) -> Callable[[str], None]:
    """Dies at the step of this number, and is dead ever after."""
    count = 0

    def at(_: str) -> None:
        nonlocal count
        count += 1
        if count >= step:
            raise Killed

    return at


def failing_at(name: str) -> Callable[[str], None]:
    """Fails at this step, the first time."""
    failed: list[str] = []

    def at(step: str) -> None:
        if step == name and not failed:
            failed.append(step)
            raise DinvError("broken")

    return at


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


@pytest.mark.parametrize("step", ["stop old", "set aside", "create container", "start", "health"])
@pytest.mark.parametrize("before", [RUNNING, STOPPED])
def test_what_fails_is_undone(store: Store, world: World, step: str, before: str) -> None:
    world.states["dev"] = before
    untouched = store.load("dev").document()
    world.at = failing_at(step)
    with pytest.raises(DinvError, match="broken") as caught:
        upgrade(store, "dev", SILENT, image="new")
    assert "as it was before" in caught.value.__notes__[0]
    now = store.load("dev").document()
    if before == RUNNING:
        untouched["Dinv"]["DockerVersion"] = "26.1.5"
    assert now == untouched
    assert set(world.things()) == {"container-dev", "volume-dev"}
    assert world.states["dev"] == before


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


def _kill(store: Store, world: World, step: int) -> bool:
    """Kill an upgrade at its step of this number; False when it has no so many."""
    world.at = killed_from(step)
    try:
        upgrade(store, "dev", SILENT, image="new")
    except Killed:
        return True
    finally:
        world.at = lambda _step: None
    return False


@pytest.mark.parametrize("step", range(1, 13))
@pytest.mark.parametrize("then", ["start", "upgrade", "restart", "stop", "rm"])
def test_killed_anywhere_the_next_one_finishes(store: Store, world: World, step: int, then: str) -> None:
    if not _kill(store, world, step):
        assert step > 11, "an upgrade has become shorter than this test thinks"
        return
    if then == "rm":
        remove(store, "dev")
        assert world.things() == {}
        return
    if then == "upgrade":
        assert upgrade(store, "dev", SILENT, image="new")
    else:
        with Machine.recorded(store.load("dev"), store) as machine:
            if then == "start" and "Upgrade" not in machine.config.ours:
                with pytest.raises(AlreadyRunning, match="already running"):
                    machine.start(SILENT)
            elif then == "start":
                machine.start(SILENT)
            elif then == "restart":
                machine.restart(SILENT)
            else:
                machine.stop()
    config = store.load("dev")
    assert "Upgrade" not in config.ours
    assert set(world.things()) == {"container-dev", "volume-dev"}
    assert world.states["dev"] == (STOPPED if then == "stop" else RUNNING)
    if then == "upgrade":
        assert config.driver["Image"] == "new"


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


def test_with_nothing_to_go_back_to_it_is_gone(store: Store, world: World) -> None:
    assert _kill(store, world, 5)
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

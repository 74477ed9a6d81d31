"""Removing: whole, half made, gone, unreadable machines, and what is told of what stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fake_driver import install

from dinv import drivers
from dinv.endpoints import contexts
from dinv.errors import (
    ConfigTooNew,
    ContextError,
    DeadlineExceeded,
    EndpointUnreachable,
    InputError,
    MachineBusy,
    MachineNotFound,
    NotDone,
    NotSupported,
    PluginsClash,
    ServerError,
    StoreError,
)
from dinv.lifecycle.remove import remove
from dinv.store.record import CREATING, READY, MachineConfig

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from fake_driver import World

    from dinv.store.store import Store


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return install(monkeypatch, str(tmp_path / "endpoint"))


def add(world: World, store: Store, *, phase: str = READY) -> MachineConfig:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.ours.update(Phase=phase, Context="dev")
    with store.claim("dev", "creating it"):
        store.save(config)
    world.put("container-dev", "x")
    world.put("volume-dev", "x")
    contexts.write("dev", host="tcp://h:1", description="", owner="x", ca=b"", cert=b"", key=b"")
    return config


def spoil(store: Store, content: bytes) -> None:
    with open(os.path.join(store.directory("dev"), "config.json"), "wb") as file:
        file.write(content)


def fail(world: World, error: BaseException) -> None:
    def attempt(step: str) -> None:
        if step == "remove":
            raise error

    world.at = attempt


@pytest.mark.parametrize("phase", [READY, CREATING])
def test_nothing_is_left(world: World, store: Store, phase: str) -> None:
    add(world, store, phase=phase)
    assert remove(store, "dev") == []
    assert world.things() == {}
    assert os.listdir(store.machines_directory) == []
    assert contexts.read("dev") is None
    assert world.open == set()


def test_the_cache_can_stay(world: World, store: Store) -> None:
    add(world, store)
    assert remove(store, "dev", keep_cache=True) == ["The volume stays"]
    assert world.things() == {"volume-dev": "x"}
    assert store.names() == []


def test_what_belongs_to_others_stays(world: World, store: Store) -> None:
    add(world, store)
    world.put("container-dev", "somebody else's")
    contexts.remove("dev", "x")
    contexts.write("dev", host="tcp://h:1", description="", owner="y", ca=b"", cert=b"", key=b"")
    remove(store, "dev")
    assert world.things() == {"container-dev": "somebody else's"}
    assert contexts.read("dev") is not None


def test_what_is_not_there_is_an_error(world: World, store: Store) -> None:
    with pytest.raises(MachineNotFound):
        remove(store, "dev")


def test_what_somebody_is_at_work_on_is_not_touched(world: World, store: Store) -> None:
    add(world, store)
    with store.lock("dev", "starting it"), pytest.raises(MachineBusy):
        remove(store, "dev")
    assert world.steps == []


@pytest.mark.parametrize(
    "error", [EndpointUnreachable("unix:///fake", "refused"), DeadlineExceeded("DELETE", 60)]
)
def test_an_endpoint_that_does_not_answer_keeps_the_machine_unless_forced(
    world: World, store: Store, error: Exception
) -> None:
    add(world, store)
    fail(world, error)
    with pytest.raises(type(error)) as caught:
        remove(store, "dev")
    assert any("dinv rm -f dev" in note for note in caught.value.__notes__)
    assert store.names() == ["dev"]
    left = remove(store, "dev", force=True)
    assert store.names() == []
    assert contexts.read("dev") is None
    assert str(error) in left[0]
    assert "docker rm -f dinv-dev" in left[1]
    assert world.open == set()


@pytest.mark.parametrize(
    "error", [ServerError("the engine is ill", status=500), InputError("x"), KeyboardInterrupt()]
)
def test_whatever_else_fails_keeps_the_record(world: World, store: Store, error: BaseException) -> None:
    add(world, store)
    fail(world, error)
    with pytest.raises(type(error)):
        remove(store, "dev")
    assert store.names() == ["dev"]
    assert world.open == set()
    world.at = lambda _step: None
    assert remove(store, "dev") == []


def test_a_context_that_cannot_be_removed_is_tried_again_later(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, store)

    def broken(*_: object) -> bool:
        raise ContextError("not writable")

    with monkeypatch.context() as patch:
        patch.setattr(contexts, "remove", broken)
        with pytest.raises(ContextError):
            remove(store, "dev")
    assert store.names() == ["dev"]
    remove(store, "dev")
    assert contexts.read("dev") is None


def test_a_create_killed_before_its_record_has_made_nothing(world: World, store: Store) -> None:
    with store.claim("dev", "creating it"):
        pass
    assert remove(store, "dev") == []
    assert store.names() == []


@pytest.mark.parametrize("content", [b"{", b"[]", b"", None])
def test_a_spoilt_record_is_removed_by_force_only(world: World, store: Store, content: bytes | None) -> None:
    """docker-machine may lose a record as it saves it (#2612): the keys are all that is left then."""
    add(world, store)
    key = os.path.join(store.directory("dev"), "key.pem")
    with open(key, "wb") as file:
        file.write(b"PEM")
    if content is None:
        os.unlink(os.path.join(store.directory("dev"), "config.json"))
    else:
        spoil(store, content)
    with pytest.raises(StoreError, match="dinv rm -f dev"):
        remove(store, "dev")
    assert os.path.exists(key)
    left = remove(store, "dev", force=True)
    assert "config.json" in left[0]
    assert "docker rm -f dinv-dev" in left[1]
    assert store.names() == []
    assert world.steps == []


def test_a_newer_record_is_removed_by_force_only(world: World, store: Store) -> None:
    add(world, store)
    spoil(store, b'{"ConfigVersion": 9}')
    with pytest.raises(ConfigTooNew):
        remove(store, "dev")
    assert store.names() == ["dev"]
    assert "docker rm -f dinv-dev" in remove(store, "dev", force=True)[0]
    assert store.names() == []


def test_one_whose_driver_is_not_installed_is_forgotten_by_force(world: World, store: Store) -> None:
    """A plugin's package was removed, or the store came from another computer."""
    config = add(world, store)
    config.document()["DriverName"] = "nosuch"
    store.save(config)
    with pytest.raises(InputError, match='Driver "nosuch" not found') as caught:
        remove(store, "dev")
    assert any("dinv rm -f dev" in note for note in caught.value.__notes__)
    assert store.names() == ["dev"]
    left = remove(store, "dev", force=True)
    assert "nosuch" in left[0]
    assert store.names() == []
    assert contexts.read("dev") is None
    assert world.steps == []


def test_one_whose_driver_two_packages_have_is_forgotten_by_force(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = add(world, store)

    def find(_: MachineConfig) -> NoReturn:
        raise PluginsClash("driver", "pool", ["one 1.0", "two 1.0"])

    monkeypatch.setattr(drivers, "of", find)
    with pytest.raises(PluginsClash) as caught:
        remove(store, config.name)
    assert any("dinv rm -f dev" in note for note in caught.value.__notes__)
    assert "two 1.0" in remove(store, config.name, force=True)[0]
    assert store.names() == []


def test_docker_machines_own_is_forgotten_only(world: World, store: Store) -> None:
    config = add(world, store)
    del config.document()["Dinv"]
    store.save(config)
    with pytest.raises(NotSupported, match="docker-machine itself removes it"):
        remove(store, "dev")
    assert store.exists("dev")
    assert "docker-machine" in remove(store, "dev", force=True)[0]
    assert world.steps == []
    assert store.names() == []


@pytest.mark.parametrize("force", [False, True])
def test_a_removal_that_was_not_done_keeps_the_record(world: World, store: Store, *, force: bool) -> None:
    add(world, store)
    fail(world, NotDone("unix:///fake", "removed container dinv-dev", "still has it"))
    if force:
        assert any("still has it" in line for line in remove(store, "dev", force=True))
        assert store.names() == []
        return
    with pytest.raises(NotDone) as caught:
        remove(store, "dev")
    assert "dinv rm -f dev" in "".join(caught.value.__notes__)
    assert store.names() == ["dev"]

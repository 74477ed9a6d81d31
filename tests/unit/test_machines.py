"""The front door: names, options by keyword, machines for the length of a with-statement."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import FakeDriver, install, without_keys

import dinv
from dinv.endpoints import contexts
from dinv.errors import InputError, MachineBusy, MachineDied, MachineNotFound
from dinv.lifecycle import create
from dinv.lifecycle.create import CreateOptions
from dinv.machines import Machines
from dinv.options import Table
from dinv.states import ERROR, PUBLISHED_PORT, RUNNING, Status

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.machine import Machine
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    without_keys(monkeypatch)
    return install(monkeypatch, str(tmp_path / "endpoint"))


def create_options(options: dict[str, Any]) -> CreateOptions:
    return CreateOptions.of(Table.chosen(options, os.environ).values(options, os.environ))


@pytest.fixture
def machines(tmp_path: Path, world: World) -> Machines:
    return dinv.open(str(tmp_path / "store"))


def test_the_public_names_are_there_and_come_when_used() -> None:
    assert set(dir(dinv)) == set(dinv.__all__)
    for name in dinv.__all__:
        assert getattr(dinv, name) is not None
    assert dinv.Machines is Machines
    with pytest.raises(AttributeError, match="nosuch"):
        getattr(dinv, "nosuch")  # noqa: B009


def test_open_makes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "s"))
    assert dinv.open().path == str(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_create_get_iterate_remove(machines: Machines) -> None:
    for name in ("m10", "m2"):
        machines.create(name, driver="fake", context=False).close()
    assert machines.names() == ["m2", "m10"]
    assert [machine.name for machine in machines] == ["m2", "m10"]
    assert machines.get("m2").config.driver_name == "fake"
    assert machines.remove("m2") == []
    with pytest.raises(MachineNotFound):
        machines.get("m2")
    with pytest.raises(MachineNotFound, match="default"):
        machines.get()


def test_options_go_where_they_belong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MARKS", "a,,b")
    found = create_options(
        {
            "driver": "fake",
            "size": "3",
            "timeout": 9.0,
            "keep_on_failure": True,
            "tls_san": ["x"],
            "engine_label": ["a=b"],
            "engine_storage_driver": "vfs",
        }
    )
    assert found.driver == "fake"
    assert found.driver_values == {"size": "3", "cache_mark": ("a", "b")}
    assert (found.timeout, found.keep_on_failure, found.context) == (9.0, True, True)
    assert found.tls_sans == ("x",)
    assert found.provisioner_values["engine_label"] == ("a=b",)
    assert found.provisioner_values["engine_storage_driver"] == "vfs"


def test_what_is_given_wins_over_the_variable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_MARKS", "a")
    monkeypatch.setenv("FAKE_SIZE", "1")
    given = create_options({"driver": "fake", "size": "2", "cache_mark": ["b"]})
    assert given.driver_values == {"size": "2", "cache_mark": ("b",)}
    assert create_options({"driver": "fake"}).driver_values == {"size": "1", "cache_mark": ("a",)}
    monkeypatch.setenv("FAKE_SIZE", "")
    assert create_options({"driver": "fake"}).driver_values["size"] is None


@pytest.mark.parametrize("options", [{"colour": "red"}, {"engine_colour": "red"}])
def test_an_option_there_is_not_is_an_input_error(world: World, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="colour"):
        create_options({"driver": "fake", **options})


def test_docker_is_the_driver_meant_when_none_is_named() -> None:
    assert create_options({}).driver == "docker"
    assert create_options({"driver": ""}).driver == "docker"


def test_a_temporary_machine_is_gone_at_the_end(world: World, machines: Machines) -> None:
    with machines.temporary(driver="fake") as machine, machines.temporary(driver="fake") as other:
        assert len({machine.name, other.name, *machines.names()}) == 2
        assert contexts.read(machine.name) is None
    assert machines.names() == []
    assert world.things() == {}
    assert world.open == set()


def interrupt(machine: Machine) -> None:
    assert contexts.read(machine.name) is not None
    raise KeyboardInterrupt


def test_a_temporary_machine_is_gone_after_an_error_too(world: World, machines: Machines) -> None:
    temporary = machines.temporary("tmp", driver="fake", context=True)
    with pytest.raises(KeyboardInterrupt), temporary as machine:
        interrupt(machine)
    assert machines.names() == []
    assert contexts.read("tmp") is None


def test_a_temporary_machine_may_be_removed_before_its_end(machines: Machines) -> None:
    with machines.temporary("tmp", driver="fake"):
        machines.remove("tmp")
    assert machines.names() == []


def test_a_temporary_machine_that_cannot_be_made_is_no_machine(world: World, machines: Machines) -> None:
    def fail(step: str) -> None:
        if step == "health":
            raise MachineDied("tmp", 1, [])

    world.at = fail
    with pytest.raises(MachineDied), machines.temporary("tmp", driver="fake"):
        pytest.fail("it has not been made")
    assert machines.names() == []


def test_progress_is_silent_unless_somebody_listens(
    machines: Machines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machines.create("dev", driver="fake").close()
    assert capsys.readouterr() == ("", "")
    heard: list[object] = []

    def listen(_store: Store, _name: str, _options: CreateOptions, progress: object, **_: object) -> None:
        heard.append(progress)

    monkeypatch.setattr(create, "create", listen)
    progress = dinv.Progress()
    machines.create("other", driver="fake", progress=progress)
    assert heard == [progress]


# What `ls` shows


def test_a_list_of_what_ls_shows(world: World, machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("m10", "m2"):
        machines.create(name, driver="fake", context=False, size=name).close()
    with open(os.path.join(machines._store.directory("m10"), "config.json"), "w", encoding="ascii") as file:
        file.write("{")
    monkeypatch.setattr(FakeDriver, "states", classmethod(running), raising=False)
    url = machines.get("m2").url
    monkeypatch.setenv("DOCKER_HOST", url)
    first, second = machines.list(timeout=1)
    assert (first.name, first.state, first.running, first.error) == ("m2", RUNNING, True, "")
    assert (first.active, first.driver, first.url, first.swarm) == (True, "fake", url, "")
    assert (first.docker_version, first.reached) == ("26.1.5", PUBLISHED_PORT)
    assert (second.name, second.state, second.driver) == ("m10", ERROR, "not found")
    assert "config.json" in second.error
    assert (second.url, second.docker_version, second.reached, second.active) == ("", "", "", False)
    assert "m10" in repr(second)
    active = machines.active()
    assert active is not None
    assert active.name == "m2"
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert machines.active() is None


def running(
    _: type[FakeDriver], configs: list[MachineConfig], _store: Store, /, **_options: object
) -> dict[str, Status]:
    return {config.name: Status(RUNNING) for config in configs}


def test_names_and_lists_by_filters(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeDriver, "states", classmethod(running), raising=False)
    for name in ("a", "b"):
        machines.create(name, driver="fake", context=False).close()
    os.makedirs(machines._store.directory("c"))
    with open(os.path.join(machines._store.directory("c"), "config.json"), "w", encoding="ascii") as file:
        file.write("{")
    assert machines.names() == ["a", "b", "c"]
    assert machines.names(unreadable=False) == ["a", "b"]
    assert machines.names(filters=["name=^[bc]"]) == ["b", "c"]
    assert machines.names(filters={"name": ["^a", "^c"]}, unreadable=False) == ["a"]
    assert machines.names(filters={"state": "Running"}) == ["a", "b"]
    assert machines.names(filters=["state=Error"], unreadable=False) == []
    assert [each.name for each in machines.list(filters={"driver": "fake"})] == ["a", "b"]
    for wrong in ("name=a", {"colour": "red"}, ["name"]):
        with pytest.raises(InputError):
            machines.list(filters=wrong)


def test_whether_there_is_a_machine(machines: Machines) -> None:
    machines.create("dev", driver="fake", context=False).close()
    assert "dev" in machines
    assert "nosuch" not in machines
    assert 3 not in machines


def test_threads_that_share_it_do_not_take_each_others_locks(machines: Machines) -> None:
    machines.create("dev", driver="fake", context=False).close()
    one, other = machines.get("dev"), machines.get("dev")
    with one._host.store.lock("dev", "testing it"):
        with pytest.raises(MachineBusy, match="testing it"):
            other.stop()
        with pytest.raises(MachineBusy, match="testing it"):
            machines.remove("dev")
        assert "testing it" in str(other._host.store.holder("dev"))
    other.stop()


def test_threads_make_and_remove_machines_at_once(machines: Machines) -> None:
    def live(number: int) -> str:
        with machines.create(f"m{number}", driver="fake", context=False) as machine:
            machine.stop()
            machine.start()
            machine.remove()
            return machine.name

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(live, range(8))) == [f"m{number}" for number in range(8)]
    assert machines.names() == []

"""Two records of one machine in one store: one is the machine, and the other is a copy that harms nobody."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest
from fake_driver import install, without_keys

from dinv.endpoints import contexts
from dinv.errors import DinvError, MachineBusy, RecordCopied
from dinv.lifecycle.provision import provision
from dinv.lifecycle.renew import renew
from dinv.lifecycle.upgrade import upgrade
from dinv.listing.asking import statuses
from dinv.listing.filters import Filters
from dinv.machines import Machines
from dinv.progress import Progress
from dinv.states import ERROR, RUNNING
from dinv.store import twins

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    without_keys(monkeypatch)
    return install(monkeypatch, str(tmp_path / "endpoint"))


@pytest.fixture
def machines(world: World, tmp_path: Path) -> Machines:
    """With the machine `dev`, and copies of its directory before and behind it."""
    made = Machines(str(tmp_path / "store"))
    made.create("dev", driver="fake").close()
    for name in ("a", "dev2"):
        shutil.copytree(made._store.directory("dev"), made._store.directory(name))
    world.steps.clear()
    return made


def test_ls_tells_which_is_the_copy(machines: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fake_driver.FakeDriver.states", classmethod(lambda *_, **__: {}), raising=False)
    found = {
        row.name: row.status
        for row in statuses(machines._store, timeout=1, filters=Filters(["name=^(a|dev2)$"]))
    }
    assert {status.state for status in found.values()} == {ERROR}
    assert 'copy of the record of machine "dev"' in found["a"].error
    assert "dinv rm dev2" in found["dev2"].error


@pytest.mark.parametrize(
    "change",
    [
        lambda machines: machines.get("a").stop(),
        lambda machines: machines.get("a").restart(Progress()),
        lambda machines: renew(machines._store, "a", Progress()),
        lambda machines: provision(machines._store, "a", Progress()),
        lambda machines: upgrade(machines._store, "a", Progress()),
    ],
)
def test_a_copy_is_not_changed(
    machines: Machines, world: World, change: Callable[[Machines], object]
) -> None:
    with pytest.raises(RecordCopied, match='copy of the record of machine "dev"'):
        change(machines)
    assert not world.steps
    assert machines.get("a").url == machines.get("dev").url


@pytest.mark.parametrize("order", [["a", "dev", "dev2"], ["dev", "dev2", "a"], ["dev2", "a", "dev"]])
def test_the_machine_goes_with_its_last_record(machines: Machines, world: World, order: list[str]) -> None:
    there = world.things()
    for name in order[:2]:
        (left,) = machines.remove(name)
        assert "another record" in left
        assert world.things() == there
        assert contexts.read("dev") is not None
    # The fake driver calls things by the record's name.
    world.states[order[2]] = RUNNING
    world.put(f"container-{order[2]}", machines.get(order[2]).config.identity)
    machines.get(order[2]).stop()  # the only one now
    assert machines.remove(order[2]) == []
    assert f"container-{order[2]}" not in world.things()
    assert contexts.read("dev") is None
    assert machines.names() == []


def test_all_removed_at_once_leave_nothing_or_a_record(machines: Machines, world: World) -> None:
    """Never a container that no record knows of."""
    refused: list[Exception] = []

    def remove(name: str) -> None:
        try:
            machines.remove(name)
        except MachineBusy as error:
            refused.append(error)

    threads = [threading.Thread(target=remove, args=(name,)) for name in ("a", "dev", "dev2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    left = machines.names()
    assert len(refused) == len(left)
    if not left:
        assert "remove" in world.steps
    for name in left:
        machines.remove(name)
    assert machines.names() == []


def test_one_that_was_moved_is_no_copy(machines: Machines, world: World) -> None:
    machines.remove("dev2")
    machines.remove("dev")
    world.states["a"] = RUNNING
    assert twins.others(machines._store, machines._store.load("a")) == []
    machines.get("a").stop()
    assert world.steps


def test_a_machine_is_not_imported_beside_itself(machines: Machines, tmp_path: Path) -> None:
    with open(tmp_path / "tar", "wb") as out:
        machines.export("dev", out)
    with pytest.raises(DinvError, match='in the store already, as "a"'):
        machines.import_(str(tmp_path / "tar"), name="other")

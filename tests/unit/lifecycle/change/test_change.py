"""Changes of settings: done by each means, refused, failed, and killed at each of their steps."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

import lifecycle_page
import pytest
from fake_driver import FakeDriver, install, settings_of, write_certificates
from walk import Walk, at

from dinv.errors import (
    AlreadyRunning,
    ContainersWouldStop,
    DinvError,
    InputError,
    Interrupted,
    MachineNotRunning,
    MachineUnfinished,
    NotSupported,
)
from dinv.lifecycle import change as change_module
from dinv.lifecycle import upgrade
from dinv.lifecycle.change import STEPS, plan
from dinv.lifecycle.change.operation import change
from dinv.lifecycle.host import Host, certificates
from dinv.lifecycle.opening import check_finished
from dinv.lifecycle.provision import provision
from dinv.lifecycle.remove import remove
from dinv.machine import Machine
from dinv.progress import Progress
from dinv.states import PAUSED, RUNNING, STOPPED
from dinv.store.record import READY, MachineConfig

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World
    from walk import Moment

    from dinv.store.store import Store

SILENT = Progress()
OPTIONS: dict[str, dict[str, Any]] = {
    "update": {"memory": 8},
    "reload": {"engine_label": ["team=red"]},
    "restart": {"engine_opt": ["mtu=1400"]},
    "recreation": {"size": "large"},
    "update and reload": {"memory": 8, "engine_label": ["team=red"]},
    "update and restart": {"memory": 8, "engine_label": ["team=red"], "engine_opt": ["mtu=1400"]},
    "all at once": {"memory": 8, "size": "large", "engine_label": ["team=red"], "engine_opt": ["mtu=1400"]},
}
"""Options that take each means, and several."""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> World:
    """A running machine, dev, with a memory limit and a label."""
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # nothing has to outlast a power cut
    monkeypatch.setattr(certificates, "issue", lambda machine: write_certificates(machine.directory))
    # Its daemon cannot be asked how many containers it runs.
    monkeypatch.setattr(plan, "_stops", lambda _machine, means, _options: "recreation" in means)
    # What `provision` does with a running machine, but for its certificates.
    monkeypatch.setattr("dinv.lifecycle.provision.resume", put_in_again)
    add(store, world)
    return world


def put_in_again(machine: Host, _progress: Progress, *, timeout: float, options: bool) -> None:
    assert timeout
    assert options
    machine.provisioner.provision()
    machine.provisioner.activate()


def add(store: Store, world: World) -> None:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(
        URL="tcp://127.0.0.1:1000", IPAddress="127.0.0.1", Port=1000, Container="dinv-dev", Image="old"
    )
    config.driver.update(Memory=2, Size="small")
    config.engine_options.update(Labels=["kept=1"], ArbitraryFlags=[], Env=[])
    config.ours.update(Phase=READY, DockerVersion="26.1.5", Unknown="kept")
    Host(config, store).use_contract("dinv")
    with store.claim("dev", "creating it"):
        write_certificates(config.directory)
        store.save(config)
    world.put("container-dev", "x")
    world.put("volume-dev", "x")
    world.states["dev"] = RUNNING
    world.settings = {"container-dev": settings_of(config.driver)}
    world.files = {"container-dev": dict(config.engine_options)}
    world.daemons = {"dev": dict(config.engine_options)}


def again(store: Store, world: World) -> None:
    """The machine as it is at the beginning of each test."""
    for thing in world.things():
        world.take(thing, "x")
    if store.exists("dev"):
        with store.lock("dev", "test"):
            store.remove("dev")
    add(store, world)


@pytest.fixture
def walk(world: World, monkeypatch: pytest.MonkeyPatch) -> Walk:
    return Walk(monkeypatch, world, change_module)


def do(store: Store, options: dict[str, Any]) -> plan.Plan:
    return change(store, "dev", SILENT, options=options, force=True)


def what_holds(store: Store, world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """The machine's settings; the record, the container, its files and its daemon have to agree."""
    config = store.load("dev")
    assert world.settings["container-dev"] == settings_of(config.driver)
    assert world.files["container-dev"] == config.engine_options
    if world.states["dev"] == RUNNING:
        assert world.daemons["dev"] == config.engine_options
    return settings_of(config.driver), dict(config.engine_options)


def test_what_takes_an_update_stops_nothing(store: Store, world: World) -> None:
    assert do(store, OPTIONS["update"]).means == ("update",)
    assert what_holds(store, world)[0] == {"Size": "small", "Memory": 8}
    assert not {"provision", "activate", "reload", "start", "health"} & set(world.steps)


def test_what_can_be_reloaded_restarts_nothing(store: Store, world: World) -> None:
    assert do(store, OPTIONS["reload"]).means == ("reload",)
    assert what_holds(store, world)[1]["Labels"] == ["kept=1", "team=red"]
    assert not {"activate", "start", "health"} & set(world.steps)


def test_the_rest_takes_a_restart_of_the_daemon_or_another_container(store: Store, world: World) -> None:
    assert do(store, OPTIONS["restart"]).means == ("restart",)
    assert what_holds(store, world)[1]["ArbitraryFlags"] == ["mtu=1400"]
    assert "set aside" not in world.steps
    assert do(store, OPTIONS["recreation"]).means == ("recreation",)
    assert what_holds(store, world)[0]["Size"] == "large"
    assert set(world.things()) == {"container-dev", "volume-dev"}
    assert store.load("dev").driver["Image"] == "old"
    assert store.load("dev").ours["Unknown"] == "kept"


def test_several_are_one_plan_and_the_strongest_means_is_used_once(store: Store, world: World) -> None:
    found = do(store, OPTIONS["all at once"])
    assert found.means == ("recreation",)
    assert {each.option: each.means for each in found.differences} == {
        "memory": "update",
        "size": "recreation",
        "engine-label": "reload",
        "engine-opt": "restart",
    }
    assert what_holds(store, world) == (
        {"Size": "large", "Memory": 8},
        {"Labels": ["kept=1", "team=red"], "ArbitraryFlags": ["mtu=1400"], "Env": []},
    )
    assert not {"update", "reload", "activate"} & set(world.steps)
    assert world.steps.count("set aside") == 1


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_dry_run_changes_nothing(store: Store, world: World, options: dict[str, Any]) -> None:
    before = store.load("dev").document(), world.things(), dict(world.settings)
    found = change(store, "dev", SILENT, options=options, dry_run=True)
    assert found
    assert found.stops == ("recreation" in found.means)
    assert (store.load("dev").document(), world.things(), world.settings) == before
    assert not {"provision", "update", "reload", "activate", "create container"} & set(world.steps)


def test_a_dry_run_of_one_that_is_half_changed_says_how_to_finish(
    store: Store, world: World, walk: Walk
) -> None:
    walk.die(lambda: do(store, OPTIONS["recreation"]), ("before serve", 1))
    before = store.load("dev").document(), world.things()
    with pytest.raises(
        MachineUnfinished, match=r"its change has not finished\. Finish it first: dinv start dev"
    ):
        change(store, "dev", SILENT, options=OPTIONS["update"], dry_run=True, finish=False)
    assert (store.load("dev").document(), world.things()) == before
    assert change(store, "dev", SILENT, options=OPTIONS["update"], dry_run=True).means == ("update",)
    assert not store.load("dev").change


def test_what_it_has_already_is_left_alone(store: Store, world: World) -> None:
    for options in ({}, {"memory": 2}, {"engine_label": ["kept=1"]}):
        assert not do(store, options)
    assert not {"provision", "update", "reload", "activate"} & set(world.steps)


def test_containers_are_stopped_by_force_only(store: Store, world: World) -> None:
    before = store.load("dev").document()
    with pytest.raises(ContainersWouldStop, match=r'"dev" would stop: .* a recreation.*force=True') as caught:
        change(store, "dev", SILENT, options=OPTIONS["recreation"])
    assert caught.value.means == "recreation"
    assert store.load("dev").document() == before
    assert "create container" not in world.steps


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_stopped_one_stays_stopped_and_has_them_at_its_next_start(
    store: Store, world: World, options: dict[str, Any]
) -> None:
    world.states["dev"] = STOPPED
    do(store, options)
    assert world.states["dev"] == STOPPED
    assert not {"reload", "activate", "start", "health"} & set(world.steps)
    what_holds(store, world)
    with Machine.recorded(store.load("dev"), store) as machine:
        machine.start(SILENT)
    what_holds(store, world)


def test_one_that_is_paused_has_to_run_first(store: Store, world: World) -> None:
    world.states["dev"] = PAUSED
    with pytest.raises(MachineNotRunning, match="Paused"):
        do(store, OPTIONS["update"])


def test_what_cannot_be_changed_says_what_to_do_instead(store: Store, world: World) -> None:
    for option, said in {
        "image": "dinv upgrade --image REF dev",
        "driver": "stays where it was made",
        "authority": "dinv rm --keep-cache dev",
        "engine_storage_driver": "storage driver",
        "tls_san": "dinv regenerate-certs dev",
        "memry": 'Did you mean "memory"',
        "nonsense": "What can be changed: memory, size, engine_opt",
    }.items():
        with pytest.raises(InputError, match=said):
            do(store, {option: "x"})
    assert "Change" not in store.load("dev").ours


def test_a_driver_that_cannot_says_so(store: Store, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(FakeDriver, "alteration")
    with pytest.raises(NotSupported, match=r'"dev" cannot be given other settings.*dinv create'):
        do(store, OPTIONS["update"])
    assert do(store, OPTIONS["reload"]).means == ("reload",)


def test_an_endpoint_that_ignores_an_update_is_found_out(store: Store, world: World) -> None:
    world.ignores_updates = True
    before = what_holds(store, world)
    with pytest.raises(DinvError, match="it is not updated") as caught:
        do(store, OPTIONS["update and restart"])
    assert caught.value.__notes__ == ['Machine "dev" is as it was before.']
    assert what_holds(store, world) == before


def moments(walk: Walk, store: Store, world: World, options: dict[str, Any]) -> list[Moment]:
    """All that a change comes to, at each of which another one can fail or be killed."""
    found = walk.moments(lambda: do(store, options))
    again(store, world)
    return found


def test_together_they_come_to_every_step(store: Store, world: World, walk: Walk) -> None:
    found = {label for each in OPTIONS.values() for label, _ in moments(walk, store, world, each)}
    assert {f"before {step.name}" for step in STEPS} <= found


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("before", [RUNNING, STOPPED])
@pytest.mark.parametrize(
    "error", [DinvError("broken"), Interrupted(15)], ids=lambda error: type(error).__name__
)
def test_what_fails_at_any_moment_is_undone(
    *, store: Store, world: World, walk: Walk, before: str, error: BaseException, options: dict[str, Any]
) -> None:
    world.states["dev"] = before
    found = walk.moments(lambda: do(store, options))
    again(store, world)
    final = found.index(("after conclude", 1))
    for number, moment in enumerate(found):
        again(store, world)
        world.states["dev"] = before
        untouched = store.load("dev").document()
        with at(moment):
            with pytest.raises(type(error)) as caught:
                walk.fail(lambda: do(store, options), moment, error)
            assert caught.value is error
            notes = list(getattr(error, "__notes__", ()))
            vars(error).pop("__notes__", None)
            holds = what_holds(store, world)
            assert world.states["dev"] == before
            if number > final:
                assert holds != what_was(untouched)
                continue
            recorded = number > found.index(("after record", 1))
            assert notes == (['Machine "dev" is as it was before.'] if recorded else [])
            now = store.load("dev").document()
            if now["Dinv"].pop("Change", None) is not None:
                assert moment == ("after record", 1)
            assert now == untouched
            assert set(world.things()) == {"container-dev", "volume-dev"}


def what_was(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return settings_of(document["Driver"]), document["HostOptions"]["EngineOptions"]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("then", ["start", "set", "restart", "stop", "kill", "upgrade", "provision", "rm"])
def test_killed_at_any_moment_the_next_one_finishes_as_the_page_says(
    *, store: Store, world: World, walk: Walk, then: str, options: dict[str, Any]
) -> None:
    settled = {row.step: row.settled for row in lifecycle_page.rows("set")}
    for moment in moments(walk, store, world, options):
        again(store, world)
        old = what_holds(store, world)
        with at(moment):
            walk.die(lambda: do(store, options), moment)
            recorded = store.load("dev")
            if recorded.change:
                assert then in settled[walk.steps[moment]]
                with pytest.raises(MachineUnfinished, match="its change has not finished"):
                    check_finished(recorded, doing="be exported")
            finish(store, world, then, options)
            if then not in ("rm", "set"):
                holds = what_holds(store, world)
                assert holds == old or holds == new(old, options), "neither the old set nor the new one"


def new(old: tuple[dict[str, Any], dict[str, Any]], options: dict[str, Any]) -> object:
    settings = {**old[0], **{key.capitalize(): options[key] for key in ("memory", "size") if key in options}}
    engine = dict(old[1])
    if "engine_label" in options:
        engine["Labels"] = [*engine["Labels"], *options["engine_label"]]
    if "engine_opt" in options:
        engine["ArbitraryFlags"] = options["engine_opt"]
    return settings, engine


def finish(store: Store, world: World, then: str, options: dict[str, Any]) -> None:
    """Do what a user does next, and see that all is well."""
    if then == "rm":
        remove(store, "dev")
        assert world.things() == {}
        return
    if then == "set":
        do(store, options)
    elif then == "upgrade":
        upgrade.upgrade(store, "dev", SILENT)
    elif then == "provision":
        provision(store, "dev", SILENT)
    else:
        with Machine.recorded(store.load("dev"), store) as machine:
            if then == "start":
                with contextlib.suppress(AlreadyRunning):
                    machine.start(SILENT)
            elif then == "restart":
                machine.restart(SILENT)
            elif then == "kill":
                machine.kill()
            else:
                machine.stop()
    config = store.load("dev")
    assert not config.change
    assert set(world.things()) == {"container-dev", "volume-dev"}
    assert world.states["dev"] == (STOPPED if then in ("stop", "kill") else RUNNING)
    if then == "set":
        assert not change(store, "dev", SILENT, options=options, dry_run=True), "it has them now"
        what_holds(store, world)


def test_a_limit_that_was_given_where_there_was_none_is_kept(store: Store, world: World, walk: Walk) -> None:
    """The API cannot take one away: what was killed after it goes on."""
    config = store.load("dev")
    config.driver["Memory"] = None
    with store.lock("dev", "test"):
        store.save(config)
    world.settings["container-dev"]["Memory"] = None
    walk.die(lambda: do(store, {"memory": 8}), ("after update", 1))
    assert store.load("dev").driver["Memory"] is None, "it says what holds for certain"
    with Machine.recorded(store.load("dev"), store) as machine:
        machine.stop()
    assert what_holds(store, world)[0]["Memory"] == 8

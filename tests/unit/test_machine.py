"""A machine: what is said of it, and what changes it."""

from __future__ import annotations

import contextlib
import io
import os
from typing import TYPE_CHECKING

import pytest
from fake_driver import install, write_certificates

from dinv.endpoints import contexts
from dinv.errors import (
    AlreadyRunning,
    AlreadyStopped,
    ConfigError,
    ContextError,
    DeadlineExceeded,
    EndpointUnreachable,
    InputError,
    MachineBusy,
    MachineGone,
    MachineNotFound,
    MachineNotReady,
    MachineNotRunning,
    MachineUnfinished,
    NoKubeconfig,
    NotSupported,
)
from dinv.lifecycle.host import Host, certificates, context
from dinv.machine import Machine
from dinv.progress import Progress
from dinv.states import ERROR, PAUSED, RUNNING, STARTING, STOPPED
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store
from dinv.timeouts import STOP_SECONDS
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))

    def issue(machine: Host, progress: Progress | None = None) -> None:
        world.step("certificates")
        write_certificates(machine.directory)

    monkeypatch.setattr(certificates, "issue", issue)
    return world


@pytest.fixture
def machine(world: World, store: Store) -> Machine:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(URL="tcp://127.0.0.1:1000", IPAddress="127.0.0.1", Port=1000, Container="dinv-dev")
    config.ours["Phase"] = READY
    with store.claim("dev", "creating it"):
        store.save(config)
    machine = Machine.recorded(store.load("dev"), store)
    certificates.issue(machine._host)
    world.steps.clear()
    return machine


def half_made(machine: Machine, **ours: str) -> None:
    """Have its record say that its create has not finished."""
    machine.config.ours.update(Phase=CREATING, **ours)
    machine._host.store.save(machine.config)


def without_ours(machine: Machine) -> None:
    del machine.config.document()["Dinv"]


# What it is


def test_a_new_one_is_in_no_store(world: World, store: Store) -> None:
    new = Host.new(store, "dev", driver="fake")
    other = Host.new(store, "dev", driver="fake")
    assert new.config.unfinished
    assert len(new.config.identity) == 32
    assert new.config.identity != other.config.identity
    assert store.names() == []
    with pytest.raises(InputError, match="nosuch"):
        Host.new(store, "dev", driver="nosuch")


def test_what_is_known_needs_no_endpoint(world: World, machine: Machine) -> None:
    assert (machine.name, machine.url, machine.ip) == ("dev", "tcp://127.0.0.1:1000", "127.0.0.1")
    assert (machine.known_url(), machine.known_ip()) == (machine.url, machine.ip)
    assert machine.inspect()["Driver"]["URL"] == machine.url
    assert not machine.has_context
    assert "dev" in repr(machine)
    assert machine.environment()["DOCKER_HOST"] == machine.url
    assert world.steps == []


def test_an_address_that_was_never_known_is_told_as_not_running(world: World, machine: Machine) -> None:
    machine.config.driver.update(URL="", IPAddress="")
    for ask in (machine.known_url, machine.known_ip, machine.docker_flags, machine.engine):
        with pytest.raises(MachineNotRunning, match="dinv start dev"):
            ask()


def test_flags_for_the_docker_cli(machine: Machine) -> None:
    directory = machine.directory
    assert machine.docker_flags() == [
        "--tlsverify",
        f'--tlscacert="{directory}/ca.pem"',
        f'--tlscert="{directory}/cert.pem"',
        f'--tlskey="{directory}/key.pem"',
        "-H=tcp://127.0.0.1:1000",
    ]


def test_its_client_shows_its_certificate(machine: Machine) -> None:
    with machine.engine() as engine:
        assert getattr(engine.transport, "tls", None)
        assert engine.address.endswith("127.0.0.1:1000")


def test_its_state_is_asked_of_the_driver(world: World, machine: Machine) -> None:
    world.states["dev"] = PAUSED
    assert machine.status().state == PAUSED


def test_half_made_is_an_error_and_nobody_is_asked(world: World, machine: Machine) -> None:
    half_made(machine)
    status = machine.status()
    assert (status.state, world.steps) == (ERROR, [])
    assert "dinv rm dev" in status.error
    assert "dinv create dev" in status.error


# What changes it


def test_start_waits_until_it_serves(world: World, store: Store, machine: Machine) -> None:
    world.states["dev"] = STOPPED
    machine.start(Progress(), timeout=5)
    assert world.steps == ["state", "start", "refresh", "health"]
    assert store.load("dev").ours["DockerVersion"] == "26.1.5"


def test_start_lets_a_paused_one_go_on(world: World, machine: Machine) -> None:
    """As docker-machine's suite has it (virtualbox/pause-save-start.bats)."""
    world.states["dev"] = PAUSED
    machine.start(Progress(), timeout=5)
    assert world.steps == ["state", "unpause", "refresh", "health"]
    assert world.states["dev"] == RUNNING


def test_a_changed_address_gets_new_certificates_before_it_is_waited_for(
    world: World, store: Store, machine: Machine
) -> None:
    world.states["dev"] = STOPPED
    world.moved = True
    machine.config.ours["Context"] = "dev"
    store.save(machine.config)
    machine.start(Progress(), timeout=5)
    assert world.steps == ["state", "start", "refresh", "certificates", "provision", "activate", "health"]
    assert store.load("dev").driver["URL"] == "tcp://10.0.0.9:1000"
    context = contexts.read("dev")
    assert context is not None
    assert context.host == "tcp://10.0.0.9:1000"


def test_a_daemon_that_does_not_come_frees_the_lock(world: World, store: Store, machine: Machine) -> None:
    world.states["dev"] = STOPPED

    def fail(step: str) -> None:
        if step == "health":
            raise MachineNotReady("dev", "tcp://h:1", 5, "refused", [])

    world.at = fail
    with pytest.raises(MachineNotReady):
        machine.start(Progress(), timeout=5)
    with store.lock("dev", "looking"):
        pass


def test_stop_and_kill(world: World, machine: Machine) -> None:
    world.states["dev"] = RUNNING
    machine.stop(timeout=7)
    assert world.steps == ["state", "stop 7"]
    world.states["dev"] = RUNNING
    machine.kill()
    assert world.steps[-1] == "kill"


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_stopped_one_has_no_url_until_it_is_started(world: World, machine: Machine, verb: str) -> None:
    world.states["dev"] = RUNNING
    getattr(machine, verb)()
    for ask in (machine.known_url, machine.known_ip, machine.docker_flags):
        with pytest.raises(MachineNotRunning, match="dinv start dev"):
            ask()
    machine.start(Progress(), timeout=5)
    world.steps.clear()
    assert machine.known_url() == machine.url
    assert world.steps == []


def test_a_stopped_one_may_have_been_started_by_somebody_else(world: World, machine: Machine) -> None:
    world.states["dev"] = RUNNING
    machine.stop()
    world.states["dev"] = RUNNING
    assert machine.known_url() == machine.url


def test_a_stopped_one_is_taken_for_stopped_where_nobody_answers(world: World, machine: Machine) -> None:
    world.states["dev"] = RUNNING
    machine.stop()

    def fail(_step: str) -> None:
        raise EndpointUnreachable("unix:///fake", "refused")

    world.at = fail
    with pytest.raises(MachineNotRunning):
        machine.known_url()


def test_what_is_done_already_is_a_state_and_not_an_input(world: World, machine: Machine) -> None:
    world.states["dev"] = RUNNING
    with pytest.raises(AlreadyRunning, match="already running"):
        machine.start(Progress())
    world.states["dev"] = STOPPED
    for again in (machine.stop, machine.kill):
        with pytest.raises(AlreadyStopped, match="already stopped"):
            again()


@pytest.mark.parametrize(("state", "stops"), [(RUNNING, True), (PAUSED, True), (STOPPED, False)])
def test_restart_stops_what_runs(world: World, machine: Machine, state: str, *, stops: bool) -> None:
    world.states["dev"] = state
    machine.restart(Progress(), timeout=5)
    assert (f"stop {STOP_SECONDS:g}" in world.steps) == stops
    assert world.steps[-3:] == ["start", "refresh", "health"]


@pytest.mark.parametrize("verb", ["start", "stop", "kill", "restart"])
def test_what_is_gone_is_told_as_gone(world: World, machine: Machine, verb: str) -> None:
    calls: dict[str, Callable[[], None]] = {
        "start": lambda: machine.start(Progress()),
        "stop": machine.stop,
        "kill": machine.kill,
        "restart": lambda: machine.restart(Progress()),
    }
    with pytest.raises(MachineGone, match="dinv rm dev") as caught:
        calls[verb]()
    assert caught.value.container == "dinv-dev"
    assert world.steps == ["state"]


def test_nothing_is_done_while_somebody_else_is_at_work(world: World, store: Store, machine: Machine) -> None:
    with store.lock("dev", "removing it"), pytest.raises(MachineBusy):
        machine.stop()
    assert world.steps == []


def test_a_machine_removed_meanwhile_is_not_started(world: World, store: Store, machine: Machine) -> None:
    with store.lock("dev", "removing it"):
        store.remove("dev")
    with pytest.raises(MachineNotFound):
        machine.start(Progress())
    assert world.steps == []


def test_a_machine_made_anew_meanwhile_is_another_one(world: World, store: Store, machine: Machine) -> None:
    """Its record would be overwritten with that of the one that is gone."""
    new = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="y", created="now"
    )
    with store.lock("dev", "removing it"):
        store.save(new)
    world.states["dev"] = STOPPED
    with pytest.raises(MachineNotFound):
        machine.start(Progress())
    assert world.steps == []
    assert store.load("dev").identity == "y"


def test_docker_machines_own_and_half_made_ones_are_not_changed(world: World, machine: Machine) -> None:
    half_made(machine)
    with pytest.raises(MachineUnfinished, match="did not finish"):
        machine.stop()
    without_ours(machine)
    with pytest.raises(NotSupported, match="docker-machine"):
        machine.stop()
    assert world.steps == []


def test_one_that_somebody_makes_is_not_called_broken(world: World, store: Store, machine: Machine) -> None:
    other = Store(store.path)
    half_made(machine)
    with other.lock("dev", "creating it"):
        status = machine.status()
        assert status.state == STARTING
        assert "at work on it (creating it, process" in status.error
        assert "dinv rm" not in status.error
        for ask in (machine.stop, machine.channel):
            with pytest.raises(MachineBusy, match="creating it"):
                ask()
    assert "clean up" in machine.status().error
    with pytest.raises(MachineGone):
        machine.channel()
    assert "create" not in " ".join(world.steps)


def finish(store: Store) -> None:
    """What another process does that has made it, just before it lets go."""
    made = store.load("dev")
    made.ours["Phase"] = READY
    store.save(made)


def test_one_whose_create_has_finished_since_is_asked_as_usual(
    world: World, store: Store, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.states["dev"] = RUNNING
    half_made(machine)
    others = [Machine.recorded(store.load("dev"), store) for _ in range(4)]
    holder, found = Store.holder, []

    def lets_go(looking: Store, name: str) -> str | None:
        """It finishes between the look at the record and the one at the lock."""
        finish(Store(store.path))
        found.append(name)
        return holder(looking, name)

    monkeypatch.setattr(Store, "holder", lets_go)
    assert (machine.status().state, machine.status().error) == (RUNNING, "")
    half_made(machine)
    others[0].check_files()
    half_made(machine)
    with pytest.raises(NoKubeconfig):
        others[1].kubeconfig_path()
    assert found
    finish(store)
    others[2].stop()
    assert others[2].status().state == STOPPED
    assert others[3].status().state == STOPPED


@pytest.mark.parametrize("again", [False, True])
def test_one_that_is_removed_since_is_not_to_be_cleaned_up(
    store: Store, machine: Machine, *, again: bool
) -> None:
    with store.lock("dev", "removing it"):
        store.remove("dev")
    if again:
        another = MachineConfig.new(
            name="dev", store_path=store.path, driver_name="fake", identity="y", created="now"
        )
        with store.claim("dev", "creating it"):
            store.save(another)
    for ask in (machine.status, machine.channel):
        with pytest.raises(MachineNotFound):
            ask()


def test_what_was_to_be_adopted_is_finished_by_adopting_it(machine: Machine) -> None:
    half_made(machine, Adopting="photon")
    assert "dinv adopt photon dev, or forget it: dinv rm dev" in machine.status().error


def test_one_that_boots_is_waited_for_and_not_started(world: World, machine: Machine) -> None:
    world.states["dev"] = STARTING
    with pytest.raises(MachineNotRunning, match="but Starting") as caught:
        machine.channel()
    assert "dinv start" not in str(caught.value)


def test_commands_need_a_running_machine(world: World, machine: Machine) -> None:
    world.states["dev"] = STOPPED
    for ask in (machine.channel, machine.daemon_version):
        with pytest.raises(MachineNotRunning):
            ask()


def test_logs_are_the_drivers(machine: Machine) -> None:
    assert b"".join(machine.logs()) == b"said\n"
    followed = machine.logs(follow=True, timeout=0.1)
    assert next(followed) == b"said\n"
    with pytest.raises(DeadlineExceeded):
        next(followed)


def test_a_context_without_certificates_is_a_context_error(machine: Machine) -> None:
    os.unlink(os.path.join(machine.directory, "key.pem"))
    with pytest.raises(ContextError, match=r"key\.pem"):
        context.put(machine.config)
    assert contexts.read("dev") is None


def test_closing_leaves_no_connection(world: World, machine: Machine) -> None:
    with machine:
        machine.status()
        assert world.open
    assert not world.open


# Killed on the way


@pytest.mark.parametrize("verb", ["start", "restart", "stop"])
@pytest.mark.parametrize("then", ["start", "restart"])
def test_killed_anywhere_it_is_repaired_at_the_first_try(
    world: World, store: Store, machine: Machine, verb: str, then: str
) -> None:
    """Its address changes with each start: record and context follow, whatever was killed on the way."""
    world.moved = True
    machine.config.ours["Context"] = "dev"
    with store.lock("dev", "test"):
        store.save(machine.config)
    before = store.load("dev").document()
    number = -1
    while killed(world, store, verb, number := number + 1):
        now = Machine.recorded(store.load("dev"), store)
        if world.states["dev"] != RUNNING or now.config.ours.get("Stopped") or then == "restart":
            getattr(now, then)(Progress())
            config = store.load("dev")
            assert world.states["dev"] == RUNNING
            assert config.url == "tcp://10.0.0.9:1000"
            assert "Stopped" not in config.ours
            context = contexts.read("dev")
            assert context is not None
            assert context.host == config.url
        else:
            assert now.config.document() == before  # nothing was done
        config = MachineConfig.read(before, name="dev", path="config.json", store_path=store.path)
        with store.lock("dev", "test"):
            store.save(config)
    assert number > 2


def killed(world: World, store: Store, verb: str, number: int) -> bool:
    """Do it, and be killed before the change of this number; False when it was done before that."""
    world.states["dev"] = STOPPED if verb == "start" else RUNNING
    machine = Machine.recorded(store.load("dev"), store)
    with killed_at_change(number) as changes:
        world.at = changes.step
        try:
            machine.stop() if verb == "stop" else getattr(machine, verb)(Progress())
        except Killed:
            return True
        finally:
            world.at = lambda _step: None
    return False


@pytest.mark.parametrize("verb", ["stop", "kill", "restart"])
def test_a_stop_that_failed_leaves_no_note(
    world: World, store: Store, machine: Machine, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    world.states["dev"] = RUNNING

    def fail(step: str) -> None:
        if step.startswith(("stop", "kill")):
            assert store.load("dev").ours["Stopped"] is True
            raise EndpointUnreachable("unix:///fake", "gone")

    world.at = fail
    with pytest.raises(EndpointUnreachable):
        machine.restart(Progress()) if verb == "restart" else getattr(machine, verb)()
    assert "Stopped" not in store.load("dev").ours


# What the library's users call


def test_progress_may_be_given_by_position_or_by_name(world: World, machine: Machine) -> None:
    class Told(Progress):
        def __init__(self) -> None:
            self.texts: list[str] = []

        @contextlib.contextmanager
        def working(self, label: str, text: str) -> Iterator[None]:
            self.texts.append(text)
            yield

    told = Told()
    world.states["dev"] = STOPPED
    machine.start(told)
    machine.stop(progress=told)
    machine.restart(progress=told)
    machine.remove(progress=told)
    assert [text.partition(" at ")[0] for text in told.texts] == [
        "starting dev",
        "starting",
        "stopping dev",
        "starting dev",
        "starting",
        "removing dev",
    ]


def test_after_an_upgrade_what_is_known_of_it_is_new(world: World, store: Store, machine: Machine) -> None:
    world.put("container-dev", machine.config.identity)
    world.states["dev"] = RUNNING
    world.newer = True
    assert machine.upgrade()
    assert machine.config.document() == store.load("dev").document()
    world.newer = False
    assert not machine.upgrade()


def test_renewing_and_exporting_are_its_own(world: World, machine: Machine) -> None:
    out = io.BytesIO()
    machine.export(out)
    assert b"config.json" in out.getvalue()
    world.states["dev"] = STOPPED
    with pytest.raises(MachineNotRunning):
        machine.renew_certificates()


def test_it_is_removed_with_all_it_has(world: World, store: Store, machine: Machine) -> None:
    assert machine.remove(keep_cache=True) == ["The volume stays"]
    assert store.names() == []
    with pytest.raises(MachineNotFound):
        machine.remove()


@pytest.mark.parametrize("verb", ["remove", "upgrade", "provision", "renew_certificates"])
def test_another_machine_of_its_name_is_left_alone(
    world: World, store: Store, machine: Machine, verb: str
) -> None:
    new = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="y", created="now"
    )
    with store.lock("dev", "making it anew"):
        store.save(new)
    with pytest.raises(MachineNotFound):
        getattr(machine, verb)()
    assert store.load("dev").identity == "y"
    assert world.steps == []


def test_one_whose_record_is_spoilt_meanwhile_can_be_forgotten(store: Store, machine: Machine) -> None:
    with open(os.path.join(machine.directory, "config.json"), "w", encoding="ascii") as file:
        file.write("{")
    with pytest.raises(ConfigError):
        machine.upgrade()
    machine.remove(force=True)
    assert store.names() == []

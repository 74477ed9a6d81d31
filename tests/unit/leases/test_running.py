"""A machine around a command: gone afterwards, whatever happens; what is left, the next run removes."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver, install, without_keys
from heard import Heard

import dinv
from dinv.errors import (
    CacheOfRunBusy,
    CommandMissing,
    EndpointUnreachable,
    InputError,
    MachineBusy,
    MachineDied,
)
from dinv.leases import extending, running, runs
from dinv.lifecycle.host import leasing
from dinv.lifecycle.remove import remove
from dinv.progress import Progress
from dinv.store.lease import Lease
from dinv.store.store import Store
from dinv.system import foreground

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from fake_driver import World

    from dinv.machines import Machines

NOW = "2031-01-01T00:00:00Z"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    without_keys(monkeypatch)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(FakeDriver, "system_time", lambda *_, **__: NOW)
    return install(monkeypatch, str(tmp_path / "endpoint"))


@pytest.fixture
def machines(tmp_path: Path, world: World) -> Machines:
    return dinv.open(str(tmp_path / "store"))


def script(text: str) -> list[str]:
    return ["sh", "-c", text]


def run(machines: Machines, command: list[str], **more: Any) -> int:
    return machines.run(command, **{"driver": "fake", "name": "r", **more})


def test_the_command_has_the_machine_and_then_it_is_gone(
    world: World, machines: Machines, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    looks = f'cat {machines.path}/machines/r/config.json; echo "$DINV_MACHINE $DOCKER_HOST"; exit 7'
    assert run(machines, script(looks)) == 7
    said = capfd.readouterr().out
    assert said.endswith("r tcp://127.0.0.1:1000\n") or "r tcp://" in said.splitlines()[-1]
    assert '"Run": true' in said
    assert '"Expires": "2031-01-01T00:10:00Z"' in said
    assert (machines.names(), world.things(), os.listdir(f"{machines.path}/runs")) == ([], {}, [])


def test_another_machines_variables_are_not_passed_on(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_CERT_PATH", "/another")
    monkeypatch.setenv("DOCKER_CONTEXT", "another")
    monkeypatch.setenv("KUBECONFIG", f"{machines.path}/machines/k1/kubeconfig")
    run(machines, script('echo "$DOCKER_CERT_PATH$DOCKER_CONTEXT$KUBECONFIG."'))
    assert capfd.readouterr().out == ".\n"
    monkeypatch.setenv("KUBECONFIG", "/mine")
    run(machines, script('echo "$KUBECONFIG"'))
    assert capfd.readouterr().out == "/mine\n"


def test_nothing_is_made_for_a_command_that_is_not_there(world: World, machines: Machines) -> None:
    with pytest.raises(CommandMissing):
        run(machines, ["nosuchprogram"])
    with pytest.raises(InputError, match="no command"):
        run(machines, [])
    assert world.steps == []


@pytest.mark.parametrize("option", ["idle_ttl", "on_expiry", "keep_cache_on_expiry", "keep_on_failure"])
def test_options_without_meaning_are_refused(world: World, machines: Machines, option: str) -> None:
    with pytest.raises(InputError, match=option):
        run(machines, script("true"), **{option: "1h"})
    assert world.steps == []


def test_a_machine_that_cannot_be_made_is_no_machine(world: World, machines: Machines) -> None:
    def fail(step: str) -> None:
        if step == "health":
            raise MachineDied("r", 1, [])

    world.at = fail
    with pytest.raises(MachineDied):
        run(machines, script("true"))
    assert (machines.names(), world.things(), os.listdir(f"{machines.path}/runs")) == ([], {}, [])


def test_what_cannot_be_removed_is_said_and_the_next_run_does(world: World, machines: Machines) -> None:
    def fail(step: str) -> None:
        if step == "remove":
            raise EndpointUnreachable("unix:///fake", "gone")

    said = Heard()
    world.at = fail
    assert run(machines, script("exit 3"), progress=said) == 3
    assert machines.names() == ["r"]
    assert "stays for now" in said.warnings[0]
    assert "dinv rm -y r" in said.warnings[0]
    world.at = lambda _step: None
    again = Heard()
    assert run(machines, script("true"), name="other", progress=again) == 0
    assert machines.names() == []
    assert again.notes[0] == 'Removed machine "r", left by a run that was killed'


def test_a_run_that_goes_on_is_left_alone(
    world: World, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = foreground.run
    inner: list[int] = []

    def nested(*args: Any, **kwargs: Any) -> int:
        monkeypatch.setattr(foreground, "run", real)
        inner.append(run(machines, script("true"), name="inner"))
        assert "r" in machines.names()
        return real(*args, **kwargs)

    monkeypatch.setattr(foreground, "run", nested)
    assert run(machines, script("true")) == 0
    assert inner == [0]
    assert machines.names() == []


def test_a_machine_that_no_run_has_made_is_never_taken_for_one(machines: Machines) -> None:
    machines.create("dev", driver="fake", context=False)
    os.makedirs(f"{machines.path}/runs")
    with open(f"{machines.path}/runs/dev.lock", "w", encoding="ascii"):
        pass
    assert runs.left(Store(machines.path)) == []
    assert run(machines, script("true")) == 0
    assert machines.names() == ["dev"]


def test_another_machine_of_the_name_is_nobodys_to_remove(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was made while the command ran, after somebody had removed the run's own."""

    def made_again(*_: Any, **__: Any) -> int:
        machines.remove("r")
        machines.create("r", driver="fake", context=False)
        return 0

    monkeypatch.setattr(foreground, "run", made_again)
    said = Heard()
    assert run(machines, script("true"), progress=said) == 0
    assert machines.names() == ["r"]
    assert said.warnings == []


def test_what_was_left_is_removed_by_one_run_and_its_successor_stays(
    world: World, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While this one removes the first, another removes the second and makes one of its name."""

    def fail(step: str) -> None:
        if step == "remove":
            raise EndpointUnreachable("unix:///fake", "gone")

    world.at = fail
    for name in ("a", "b"):
        with monkeypatch.context() as kept:
            kept.setattr(running, "remove_left", lambda *_, **__: [])
            run(machines, script("true"), name=name)
    world.at = lambda _step: None
    assert runs.left(Store(machines.path)) == ["a", "b"]

    def slow(store: Store, name: str, **more: Any) -> list[str]:
        if name == "a":
            machines.remove("b")
            machines.create("b", driver="fake", context=False)
        return remove(store, name, **more)

    monkeypatch.setattr(running, "remove", slow)
    assert running.remove_left(Store(machines.path), Progress()) == ["a"]
    assert machines.names() == ["b"]


def test_the_command_may_remove_the_machine_itself(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(*_: Any, **__: Any) -> int:
        machines.remove("r")
        return 0

    monkeypatch.setattr(foreground, "run", remove)
    said = Heard()
    assert run(machines, script("true"), progress=said) == 0
    assert said.warnings == []


def test_a_cache_is_one_runs_at_a_time(tmp_path: Path) -> None:
    store, progress = Store(str(tmp_path)), Heard()
    with (
        runs.cache(store, "ci", "e", progress, wait=0),
        runs.cache(store, "ci", "another endpoint", progress, wait=0),
    ):
        with (
            pytest.raises(CacheOfRunBusy, match=f"process {os.getpid()}"),
            runs.cache(store, "ci", "e", progress, wait=0),
        ):
            pass
        assert progress.notes == []
    with runs.cache(store, "ci", "e", progress, wait=0):
        pass
    assert os.listdir(tmp_path / "runs") == []


def test_a_run_waits_for_its_cache(tmp_path: Path) -> None:
    store, progress = Store(str(tmp_path)), Heard()
    over = threading.Event()

    def hold() -> None:
        with runs.cache(Store(str(tmp_path)), "ci", "e", Heard(), wait=0):
            held.set()
            over.wait(20)

    held = threading.Event()
    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(20)
    progress.note = lambda _: over.set()  # type: ignore[method-assign, assignment]
    with runs.cache(store, "ci", "e", progress, wait=20):
        thread.join()


def test_two_runs_cannot_have_one_name(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    with (
        runs.looked_after(store, "r"),
        pytest.raises(MachineBusy, match="another run"),
        runs.looked_after(store, "r"),
    ):
        pass


@pytest.mark.parametrize("name", ["-x", ".x", "a/b", "a b", "x" * 61])
def test_a_cache_has_a_name_that_a_volume_can_have(name: str) -> None:
    with pytest.raises(InputError, match="not a name for a cache"):
        running.Wanted(script("true"), cache=name)


def test_the_cache_stays_and_is_what_the_next_gets() -> None:
    wanted = running.Wanted(script("true"), cache="ci")
    assert running.adjusted(wanted, {})["cache_volume"] == "dinv-cache-ci"
    with pytest.raises(InputError, match="give one"):
        running.adjusted(wanted, {"cache_volume": "mine"})


def test_its_lease_is_extended_while_the_command_runs(
    world: World, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = threading.Event()
    monkeypatch.setattr(running, "LEASE_SECONDS", 60)
    monkeypatch.setattr(running, "extend", lambda *_: told.set())
    kept = running._Kept.__init__

    def quick(self: Any, host: Any, ttl: int) -> None:
        kept(self, host, ttl)
        self._ttl = 0.03

    monkeypatch.setattr(running._Kept, "__init__", quick)
    monkeypatch.setattr(foreground, "run", lambda *_, **__: int(not told.wait(20)))
    assert run(machines, script("true")) == 0


def test_extending_writes_the_container_first_and_never_shortens(
    world: World, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines.create("dev", driver="fake", context=False, ttl="1h")
    told: list[str] = []
    monkeypatch.setattr(FakeDriver, "channel", lambda _self: None)
    monkeypatch.setattr(leasing, "tell", lambda _channel, expires: told.append(expires))
    host = machine._host
    assert extending.extend(host, 4 * 3600, Progress())
    assert told == ["2031-01-01T04:00:00Z"]
    assert machines.get("dev").config.lease == Lease(ttl=3600, expires="2031-01-01T04:00:00Z")
    assert not extending.extend(host, 60, Progress())
    assert len(told) == 1


def test_drivers_that_make_no_machines_or_keep_no_caches(machines: Machines) -> None:
    with pytest.raises(InputError, match="makes no machines") as failed:
        run(machines, script("true"), driver="none")
    assert failed.value.exit_code == 125
    with pytest.raises(InputError, match="no cache volumes"):
        run(machines, script("true"), keep_cache="ci")


def test_what_variables_say_of_leases_is_not_for_a_run(
    machines: Machines, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DINV_TTL", "8h")
    monkeypatch.setenv("DINV_IDLE_TTL", "2h")
    assert run(machines, script(f"cat {machines.path}/machines/r/config.json")) == 0
    said = capfd.readouterr().out
    assert '"TTL": 600' in said
    assert '"IdleTTL": 0' in said

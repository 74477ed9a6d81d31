"""`renew`: what is due of one machine or of many, and what is left for later."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import aged
import pytest
from fake_driver import install
from fake_program import Program
from heard import Heard
from hook_files import record_all, recorded

from dinv.errors import CertificateError, MachineBusy, MachineNotFound, OptionError
from dinv.lifecycle.host import Host
from dinv.lifecycle.host import certificates as certificates_module
from dinv.lifecycle.power import restart, start
from dinv.lifecycle.provision import provision
from dinv.lifecycle.renew import client, when_due
from dinv.machines import Machines
from dinv.progress import Progress
from dinv.registries import cache_files
from dinv.registries.cache_record import CacheRecord, Registry
from dinv.registries.cache_store import CacheStore
from dinv.states import RUNNING, STOPPED
from dinv.store import store as store_module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fake_driver import World

    from dinv.pki.validity import Validity
    from dinv.store.store import Store

OLD = (-600, 100)
SILENT = Progress()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The renewal of a running machine's certificate is another module's work: here it only issues."""
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    monkeypatch.setattr(client, "refusal", lambda _url, _files: "")

    def resume(host: Host, progress: Progress, *, timeout: float) -> None:
        world.step(f"renew {host.name}")
        before = {name: _read(host, name) for name in ("cert.pem", "key.pem")}
        certificates_module.issue(host)
        for name, content in before.items():
            with open(os.path.join(host.directory, name), "wb") as file:
                file.write(content)

    monkeypatch.setattr(when_due, "resume", resume)
    return world


def _read(host: Host, name: str) -> bytes:
    with open(os.path.join(host.directory, name), "rb") as file:
        return file.read()


@pytest.fixture
def machines(world: World, store: Store) -> Machines:
    return Machines(store.path)


def add(world: World, store: Store, name: str = "dev", *old: str, state: str = RUNNING, **ours: Any) -> Host:
    host = aged.machine(store, name, **ours)
    if old:
        aged.age(host, *old, days=OLD)
    host.config.document()["DriverName"] = "fake"
    host.config.driver["Port"] = 1000
    with store.lock(name, "testing"):
        store.save(host.config)
    world.states[name] = state
    world.put(f"container-{name}", host.config.identity)
    return Host(store.load(name), store)


def fresh(each: Validity | None) -> bool:
    assert each is not None
    return each.begin > time.time() - 3600


def test_what_is_due_is_renewed_and_nothing_else(world: World, store: Store, machines: Machines) -> None:
    hosts = {
        "both": add(world, store, "both", "server", "client"),
        "fine": add(world, store, "fine"),
        "mine": add(world, store, "mine", "client"),
        "theirs": add(world, store, "theirs", "server"),
    }
    before = {name: host.certificates for name, host in hosts.items()}
    found = {each.name: each for each in machines.renew()}
    assert list(found) == machines.names()
    assert {name: each.roles for name, each in found.items()} == {
        "both": ("server", "client"),
        "fine": (),
        "mine": ("client",),
        "theirs": ("server",),
    }
    assert found["fine"].reason == "nothing is due"
    for name, host in hosts.items():
        now = host.certificates
        assert found[name].certificates == now
        assert fresh(now.server)
        assert fresh(now.client)
        assert now.ca == before[name].ca
        assert (now.server != before[name].server) == ("server" in found[name].roles)
    assert {step for step in world.steps if step.startswith("renew")} == {"renew both", "renew theirs"}
    assert not any(each.roles for each in machines.renew())


def test_within_a_time_of_the_end(world: World, store: Store, machines: Machines) -> None:
    add(world, store)
    (found,) = machines.renew(["dev"], before="800d", dry_run=True)
    assert found.roles == ()
    (found,) = machines.renew(["dev"], before="830d", dry_run=True)
    assert found.roles == ("server", "client")


def test_a_dry_run_changes_nothing(world: World, store: Store, machines: Machines) -> None:
    host = add(world, store, "dev", "server", "client")
    before = host.certificates
    (found,) = machines.renew(["dev"], dry_run=True)
    assert found.roles == ("server", "client")
    assert host.certificates == before
    assert not [step for step in world.steps if step.startswith("renew")]


def test_of_one_that_is_stopped_the_servers_waits_for_its_start(
    world: World, store: Store, machines: Machines
) -> None:
    host = add(world, store, "dev", "server", "client", state=STOPPED, Stopped=True)
    (found,) = machines.renew(["dev"])
    assert (found.roles, found.later) == (("client",), ("server",))
    assert fresh(host.certificates.client)
    assert not fresh(host.certificates.server)
    start(Host(store.load("dev"), store), SILENT)
    assert fresh(host.certificates.server)
    steps = world.steps
    assert steps.index("provision") < steps.index("start"), "it starts once, with the new one"


@pytest.mark.parametrize("how", ["start", "restart", "provision"])
def test_whatever_starts_it_renews_what_is_due(world: World, store: Store, how: str) -> None:
    host = add(world, store, "dev", "server", state=STOPPED, Stopped=True)
    ways: dict[str, Callable[[], None]] = {
        "start": lambda: start(Host(store.load("dev"), store), SILENT),
        "restart": lambda: restart(Host(store.load("dev"), store), SILENT),
        "provision": lambda: provision(store, "dev", SILENT),
    }
    ways[how]()
    assert fresh(host.certificates.server)
    assert not os.path.exists(os.path.join(host.directory, ".renewal"))


def test_a_start_that_renews_gives_it_what_is_its_caches(world: World, store: Store) -> None:
    host = add(world, store, "dev", "server", state=STOPPED, Stopped=True)
    caches = CacheStore(store.path)
    registries = [Registry("docker.io", "https://registry-1.docker.io", 5000)]
    record = CacheRecord.new("hub", identity="x", created="", endpoint={}, registries=registries)
    record["Host"] = "10.0.0.9"
    with caches.claim("hub", "creating it"):
        caches.save(record)
    host.config.registry_cache = "hub"
    with store.lock("dev", "testing"):
        store.save(host.config)
    start(Host(store.load("dev"), store), SILENT)
    assert cache_files.kept(host.directory) is not None


def test_a_start_of_one_that_is_not_due_issues_nothing(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, store, "dev", "client", state=STOPPED, Stopped=True)
    monkeypatch.setattr(certificates_module, "issue", lambda _host, **_: pytest.fail("not asked for"))
    start(Host(store.load("dev"), store), SILENT)
    assert world.states["dev"] == RUNNING


def test_a_start_goes_on_without_its_authority(world: World, store: Store) -> None:
    host = add(world, store, "dev", "server", state=STOPPED, Stopped=True)
    os.unlink(os.path.join(host.directory, "ca-key.pem"))
    heard = Heard()
    start(Host(store.load("dev"), store), heard)
    assert world.states["dev"] == RUNNING
    assert "were not renewed: The CA of machine" in heard.warnings[0]
    assert not os.path.exists(os.path.join(host.directory, ".renewal"))


def test_one_that_was_killed_before_its_start_is_renewed_after_it(
    world: World, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its certificate is in the store, and not in the machine: it must not count as renewed."""
    host = add(world, store, "dev", "server", state=STOPPED, Stopped=True)

    class Killed(BaseException):
        pass

    def kill(step: str) -> None:
        if step == "provision":
            raise Killed

    world.at = kill
    with pytest.raises(Killed):
        start(Host(store.load("dev"), store), SILENT)
    world.at = lambda _step: None
    assert fresh(host.certificates.server)
    resumed: list[str] = []
    monkeypatch.setattr("dinv.lifecycle.renew.resume", lambda host, *_, **__: resumed.append(host.name))
    start(Host(store.load("dev"), store), SILENT)
    assert resumed == ["dev"]


def test_one_that_fails_does_not_keep_the_others(world: World, store: Store, machines: Machines) -> None:
    for name in ("a", "b", "c"):
        add(world, store, name, "client")
    os.unlink(os.path.join(store.directory("b"), "ca-key.pem"))
    found = machines.renew()
    assert [bool(each.error) for each in found] == [False, True, False]
    assert isinstance(found[1].error, CertificateError)
    assert found[1].error.about == "b"
    assert [each.roles for each in found] == [("client",), (), ("client",)]


def test_what_is_removed_before_its_moment_is_no_failure(
    world: World, store: Store, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, store, "a", "client")
    monkeypatch.setattr(store_module.Store, "names", lambda _: ["a", "gone"])
    assert [(each.name, each.error) for each in machines.renew()] == [("a", None)]
    (asked_for,) = machines.renew(["gone"])
    assert isinstance(asked_for.error, MachineNotFound)


def test_one_that_somebody_is_at_work_on_fails_only_if_something_is_due(
    world: World, store: Store, machines: Machines
) -> None:
    add(world, store, "due", "client")
    add(world, store, "fine")
    half = add(world, store, "half")
    half.config.phase = "creating"
    with store.lock("half", "testing"):
        store.save(half.config)
    with (
        store.lock("due", "stopping it"),
        store.lock("fine", "stopping it"),
        store.lock("half", "creating it"),
        store.claim("new", "creating it"),
    ):
        found = {each.name: each for each in machines.renew()}
    assert isinstance(found["due"].error, MachineBusy)
    assert not any(found[name].error for name in ("fine", "half", "new"))
    assert found["fine"].reason == "nothing is due"
    for name in ("half", "new"):
        assert "another dinv is at work on it (creating it" in found[name].reason
    assert "state" not in world.steps, "the endpoint is not asked about what is not due"


def test_one_that_was_busy_is_tried_again_at_the_end(
    world: World, store: Store, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, store, "busy", "client")
    add(world, store, "last", "client")
    holding = contextlib.ExitStack()
    holding.enter_context(store.lock("busy", "stopping it"))
    each, done = when_due.renew_due, []

    def renew_due(here: Store, name: str, *more: Any, **terms: Any) -> when_due.Renewed:
        found = each(here, name, *more, **terms)
        done.append(name)
        if sorted(done) == ["busy", "last"]:
            holding.close()
        return found

    monkeypatch.setattr(when_due, "renew_due", renew_due)
    assert [(found.name, found.roles) for found in machines.renew()] == [
        ("busy", ("client",)),
        ("last", ("client",)),
    ]
    assert done[2:] == ["busy"]


def test_hooks_are_told_of_what_ends_soon(world: World, store: Store, machines: Machines) -> None:
    host = add(world, store)
    record_all(store)
    aged.age(host, "client", days=(-600, 5))
    machines.renew(["dev"])
    told = recorded(store)
    assert [each["event"] for each in told] == ["near-expiry", "pre-issue", "issued", "renewed"]
    facts = told[0]["facts"]
    assert (facts["role"], facts["holder"]) == ("client", "")
    assert facts["not_after"].endswith("Z")
    assert 4 * 86400 < facts["seconds_left"] <= 5 * 86400
    machines.renew(["dev"])
    assert recorded(store) == []


def test_those_of_others_are_left(world: World, store: Store, machines: Machines) -> None:
    host = add(world, store, "half", "client")
    host.config.phase = "creating"
    other = add(world, store, "other", "client")
    other.config.document()["DriverName"] = "none"
    for each in (host, other):
        with store.lock(each.name, "testing"):
            store.save(each.config)
    found = machines.renew()
    assert [each.reason for each in found] == [
        "its create did not finish",
        "somebody else looks after its certificates",
    ]
    assert not any(each.error for each in found)


def test_a_pair_of_the_users_own_is_left(world: World, store: Store, machines: Machines) -> None:
    host = add(world, store, "dev", "client")
    host.config.auth_options["ClientCertPath"] = "/home/me/cert.pem"
    with store.lock("dev", "testing"):
        store.save(host.config)
    assert machines.renew(["dev"])[0].reason == "nothing is due"


def test_a_ca_near_its_end_is_told_and_renewed_only_when_asked(
    world: World, store: Store, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(world, store)
    (found,) = machines.renew(["dev"], before="3640d", dry_run=True)
    assert found.remark == ""
    (found,) = machines.renew(["dev"], before="3660d", dry_run=True)
    assert found.remark.endswith("shares too: dinv regenerate-certs --client-certs dev")
    called: list[bool] = []

    def renew(*_: object, clients: bool, **__: object) -> None:
        called.append(clients)

    monkeypatch.setattr(when_due, "renew", renew)
    (found,) = machines.renew(["dev"], before="3660d", ca=True)
    assert (found.roles, found.remark, called) == (("server", "client", "CA"), "", [True])
    world.states["dev"] = STOPPED
    (found,) = machines.renew(["dev"], before="3660d", ca=True)
    assert "is not running" in str(found.error)


def test_they_are_begun_over_a_time_and_few_at_once(
    world: World, store: Store, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, now, most = threading.Lock(), 0, 0
    waits: list[float] = []
    real = time.sleep

    def renew_due(_store: Store, name: str, *_: object, **__: object) -> when_due.Renewed:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        real(0.01)
        with lock:
            now -= 1
        return when_due.Renewed(name)

    monkeypatch.setattr(when_due, "renew_due", renew_due)
    monkeypatch.setattr(time, "sleep", waits.append)
    names = [f"m{number}" for number in range(20)]
    assert [each.name for each in machines.renew(names, spread="1h")] == names
    assert most <= when_due.AT_ONCE
    assert waits[0] == 0
    assert 1800 < max(waits) <= 3600
    assert len({round(wait) for wait in waits}) > 15


@pytest.mark.parametrize("given", [{"before": "30"}, {"spread": "2d"}, {"before": "-1d"}])
def test_what_is_no_time(machines: Machines, given: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        machines.renew([], **given)


class TestProgram:
    @pytest.fixture
    def program(
        self, world: World, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> Program:
        monkeypatch.setenv("MACHINE_STORAGE_PATH", store.path)
        monkeypatch.setattr("sys.argv", ["/usr/bin/dinv"])
        add(world, store, "a", "client")
        add(world, store, "b", "server", "client", state=STOPPED)
        add(world, store, "c")
        return Program(capsys)

    def test_a_line_for_each(self, program: Program, store: Store) -> None:
        assert program("renew", "--all", "--dry-run") == 0
        assert "a: client would be renewed\n" in program.out
        assert program("renew", "--all") == 0, program.err
        lines = program.out.splitlines()
        assert any(line.startswith("a: client renewed, valid until 20") for line in lines)
        assert any(
            line.startswith("b: client renewed, valid until 20")
            and line.endswith("; server: at its next start, since it is not running")
            for line in lines
        )
        assert any(line.startswith("c: nothing is due; valid until 20") for line in lines)

    def test_as_records_and_a_failure(self, program: Program, store: Store) -> None:
        os.unlink(os.path.join(store.directory("a"), "ca-key.pem"))
        assert program("renew", "--all", "--format", "json") == 1
        records = {record["Name"]: record for record in json.loads(program.out)}
        assert "ca-key.pem" in records["a"]["Error"]
        assert "ca-key.pem" in program.err
        assert records["b"]["Renewed"] == ["client"]
        assert records["b"]["AtStart"] == ["server"]
        assert records["c"]["Reason"] == "nothing is due"
        assert records["c"]["CertExpiry"].endswith("Z")

    def test_quiet(self, program: Program) -> None:
        assert program("renew", "-q", "a", "c") == 0
        assert (program.out, program.err) == ("", "")

    def test_what_cannot_be(self, program: Program) -> None:
        assert program("renew", "--all", "a") == 1
        assert program("renew") == 1
        assert program("renew", "--before", "soon", "a") == 1
        assert '--before "soon" is not a duration' in program.err

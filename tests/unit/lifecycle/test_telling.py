"""What each operation asks and tells hooks, in which order, and what a refusal leaves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from fake_driver import install
from hook_files import HeardOfHooks, put, record_all, recorded
from hooks_schema import check

import dinv
from dinv.errors import CertificateError, HookRefused, MachineBusy
from dinv.hooks.events import EVENTS, schema

if TYPE_CHECKING:
    from fake_driver import World

    from dinv.machines import Machines
    from dinv.store.store import Store


@pytest.fixture
def world(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    return install(monkeypatch, str(tmp_path / "endpoint"))


@pytest.fixture
def machines(world: World, store: Store) -> Machines:
    os.makedirs(store.path, mode=0o700)
    return dinv.open(store.path)


def make(machines: Machines, **options: Any) -> HeardOfHooks:
    heard = HeardOfHooks()
    machines.create("dev", driver="fake", context=False, progress=heard, **options).close()
    return heard


def events(store: Store) -> list[str]:
    """The events since the last time; what hooks got for each fits the schema."""
    found = recorded(store)
    for told in found:
        check(told, schema())
    return [" ".join(filter(None, (told["event"], told["facts"].get("role")))) for told in found]


CREATED = [
    "pre-create",
    "pre-issue server",
    "pre-issue client",
    "issued server",
    "issued client",
    "provisioned",
    "ready",
]


@pytest.mark.parametrize("address_known", [True, False])
def test_a_create_tells_of_each_step(
    world: World, store: Store, machines: Machines, *, address_known: bool
) -> None:
    world.address_known = address_known
    record_all(store)
    make(machines)
    found = events(store)
    # A machine whose address is not known has certificates twice: for its names, and with its address.
    assert list(dict.fromkeys(found)) == CREATED
    assert found.count("issued server") == (1 if address_known else 2)


def test_what_a_certificate_is_for_is_known_before_it_is_asked_for(store: Store, machines: Machines) -> None:
    record_all(store)
    make(machines, tls_san=["Dev.Example.com"])
    found = recorded(store)
    asked = next(told for told in found if told["event"] == "pre-issue")
    assert asked["facts"]["names"] == ["127.0.0.1", "dev.example.com", "localhost", "::1"]
    machine = asked["machine"]
    assert (machine["name"], machine["driver"], machine["endpoint"]) == ("dev", "fake", "unix:///fake")
    assert machine["authority"] == "local"
    issued = [told["facts"] for told in found if told["event"] == "issued"]
    from dinv.lifecycle.host import issuance

    in_use = issuance.in_use(store.directory("dev"))
    assert [(each["role"], each["serial"], each["not_after"]) for each in issued] == [
        (each.role, each.serial, each.not_after) for each in in_use
    ]


@pytest.mark.parametrize("event", ["pre-create", "pre-issue"])
@pytest.mark.parametrize("first", [True, False])
def test_a_refused_create_leaves_nothing(
    world: World, store: Store, machines: Machines, event: str, *, first: bool
) -> None:
    world.takes_files_running = first
    put(store, event, "echo not here; exit 1")
    with pytest.raises(HookRefused, match="not here"):
        make(machines)
    assert world.things() == {}
    assert machines.names() == []
    os.unlink(os.path.join(store.path, "hooks", event))
    make(machines)


def test_nothing_is_signed_that_was_refused(
    store: Store, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinv.authorities.local import LocalAuthority

    def never(*_: object) -> bytes:
        pytest.fail("the authority got a request")

    monkeypatch.setattr(LocalAuthority, "certificate", never)
    put(store, "pre-issue", "exit 1")
    with pytest.raises(HookRefused):
        make(machines)


def test_at_ready_a_hook_can_change_the_machine_and_before_that_it_cannot(
    store: Store, machines: Machines
) -> None:
    def try_lock(name: str) -> None:
        put(store, name, f"flock -n machines/dev/.lock true && echo {name} can || echo {name} cannot")

    for name in ("pre-create", "pre-issue", "issued", "provisioned", "ready", "pre-remove"):
        try_lock(name)
    heard = make(machines)
    assert heard.texts == [
        "pre-create cannot",
        *["pre-issue cannot"] * 2,
        *["issued cannot"] * 2,
        "provisioned cannot",
        "ready can",
    ]


def test_power_and_provision(store: Store, machines: Machines) -> None:
    make(machines)
    record_all(store)
    with machines.get("dev") as machine:
        machine.restart()
        assert events(store) == ["ready"]
        machine.stop()
        assert events(store) == []
        machine.start()
        assert events(store) == ["ready"]
        machine.stop()
    machines.provision("dev")
    assert events(store) == ["provisioned", "ready"]


def test_a_start_at_another_address_asks_for_its_certificates(
    world: World, store: Store, machines: Machines
) -> None:
    make(machines)
    with machines.get("dev") as machine:
        machine.stop()
        world.moved = True
        record_all(store)
        machine.start()
    found = events(store)
    assert found[:1] == ["pre-issue server"]
    assert found[-1] == "ready"


def test_an_upgrade_is_told_of_unless_nothing_was_to_do(
    world: World, store: Store, machines: Machines
) -> None:
    make(machines)
    record_all(store)
    assert not machines.upgrade("dev")
    assert events(store) == []
    world.newer = True
    assert machines.upgrade("dev")
    assert events(store) == ["provisioned", "ready"]


def test_a_removal_is_asked_for_and_told(world: World, store: Store, machines: Machines) -> None:
    make(machines)
    record_all(store)
    machines.remove("dev", keep_cache=True)
    found = recorded(store)
    assert [told["event"] for told in found] == ["pre-remove", "removed"]
    assert found[0]["facts"] == {"keep_cache": True}
    assert found[1]["facts"] == {"keep_cache": True, "left": ["The volume stays"]}


@pytest.mark.parametrize("force", [True, False])
def test_a_refused_removal_leaves_everything(
    world: World, store: Store, machines: Machines, *, force: bool
) -> None:
    make(machines)
    before = world.things()
    put(store, "pre-remove", "echo keep it; exit 1")
    with pytest.raises(HookRefused, match="keep it"):
        machines.remove("dev", force=force)
    assert world.things() == before
    assert machines.names() == ["dev"]


def test_a_hook_at_removed_finds_it_gone(store: Store, machines: Machines) -> None:
    make(machines)
    put(store, "removed", "ls machines")
    heard = HeardOfHooks()
    machines.remove("dev", progress=heard)
    assert heard.lines == []


def test_hooks_after_the_fact_change_nothing(store: Store, machines: Machines) -> None:
    for event in EVENTS:
        if not EVENTS[event].asks:
            put(store, event, "exit 1")
    heard = make(machines)
    assert len(heard.warnings) == 4  # issued twice, provisioned, ready
    machines.remove("dev")
    assert machines.names() == []


def test_a_driver_that_is_not_installed_can_still_be_told_of(store: Store, machines: Machines) -> None:
    make(machines)
    record_all(store)
    config = machines.get("dev").config
    config._document["DriverName"] = "gone"
    with store.lock("dev", "testing"):
        store.save(config)
    machines.remove("dev", force=True)
    assert events(store) == ["pre-remove", "removed"]


def test_it_is_locked_while_a_hook_is_asked(store: Store, machines: Machines) -> None:
    make(machines)
    put(store, "pre-remove", "exit 1")

    class Asking(HeardOfHooks):
        def update(self, text: str) -> None:
            if "pre-remove" in text:
                with pytest.raises(MachineBusy):
                    machines.remove("dev")

    with pytest.raises(HookRefused):
        machines.remove("dev", progress=Asking())


def test_an_authority_that_refuses_is_not_told_of(
    store: Store, machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dinv.authorities.local import LocalAuthority

    def refuse(*_: object) -> bytes:
        raise CertificateError("not today")

    monkeypatch.setattr(LocalAuthority, "certificate", refuse)
    record_all(store)
    with pytest.raises(CertificateError):
        make(machines)
    assert events(store) == ["pre-create", "pre-issue server"]

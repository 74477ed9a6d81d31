"""Claims: what the new owner has, what the pool has no more, and that nobody else ever gets the machine."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import stat
from typing import TYPE_CHECKING

import lifecycle_page
import pytest
from forks import forking
from pool_world import Said, places, pool_of
from shared_machine import FrontProvisioner

from dinv import open as open_store
from dinv.endpoints import contexts
from dinv.errors import DinvError, MachineExists, PoolFull, PoolNotFound, PoolsMachine, StoreError
from dinv.lifecycle.claim import STEPS
from dinv.lifecycle.create import CreateOptions, create
from dinv.pki import pem
from dinv.pki.certificates import check_chain, issued
from dinv.pools.records import PoolStore
from dinv.progress import Progress
from dinv.states import RUNNING, STOPPED
from dinv.store import access_log
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fake_driver import World

    from dinv.machines import Machines
    from dinv.store.store import Store


def pooled(store: Store) -> Store:
    return PoolStore(store.path).machines("ci")


def test_a_pool_has_no_certificate_that_its_machines_let_in(machines: Machines, store: Store) -> None:
    pool_of(machines, 1)
    (key,) = pooled(store).names()
    directory = pooled(store).directory(key)
    assert {"cert.pem", "key.pem"}.isdisjoint(os.listdir(directory))
    records, _ = access_log.read(directory)
    made_with = [record.serial for record in records if record.role == "client"]
    assert access_log.revoked(records) == [made_with[0]]


def test_a_claim(machines: Machines, store: Store, world: World) -> None:
    pool_of(machines, 2)
    before = places(store.path)
    world.steps.clear()
    machine = machines.create("dev", pool="ci")
    # Nothing is put into the machine, and nothing of it is restarted.
    assert world.steps == ["look", "take name", "rename container", "rename volume"]
    assert machine.name == "dev"
    assert places(store.path) == {**before, machine.config.identity: ["store"]}
    assert len(pooled(store).names()) == 1
    assert world.things()["container-dev"] == machine.config.identity
    # A record like that of any machine, and certificates that nobody else has had.
    config = store.load("dev")
    assert (config.first_name, config.claim, config.context) == ("dev", {}, "dev")
    assert config.auth_options["ServerCertPath"] == "machines/dev/server.pem"
    assert config.driver["MachineName"] == "dev"
    ca, cert, key = (
        pem.read(os.path.join(machine.directory, f"{name}.pem")) for name in ("ca", "cert", "key")
    )
    check_chain(cert, key_pem=key, anchor_pem=ca, role="client", names=())
    assert stat.S_IMODE(os.stat(os.path.join(machine.directory, "key.pem")).st_mode) == 0o600
    current = [access for access in machine.access() if access.current and access.role == "client"]
    assert [access.serial for access in current] == [issued("client", cert).serial]
    written = contexts.read("dev")
    assert written is not None
    assert written.host == machine.url


def test_a_claimed_machine_is_like_any_other(machines: Machines, store: Store, world: World) -> None:
    pool_of(machines, 1)
    with machines.create("dev", pool="ci", context=False, label={"team": "red"}) as machine:
        assert machine.config.driver["Labels"] == {"team": "red"}
        assert contexts.read("dev") is None
        machine.stop()
        machine.start()
        machine.revoke(machine.share("alice").holder)
    machines.remove("dev")
    assert world.things() == {}
    assert places(store.path) == {}


@pytest.mark.parametrize("front", [True, False])
def test_images_with_and_without_a_front(
    front: bool,  # noqa: FBT001
    machines: Machines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FrontProvisioner, "front", front)
    pool_of(machines, 1)
    machine = machines.create("dev", pool="ci")
    states = [access.state for access in machine.access() if access.role == "client"]
    assert states == (["revoked", "valid"] if front else ["valid"])


def test_elsewhere_it_is_no_pools_machine(machines: Machines, tmp_path: Path) -> None:
    pool_of(machines, 1)
    machines.create("dev", pool="ci", context=False)
    with io.BytesIO() as archive:
        machines.export("dev", archive)
        archive.seek(0)
        other = open_store(str(tmp_path / "other"))
        other.import_(archive, context=False)
    assert other.get("dev").config.pool == {}


def test_an_empty_pool_has_one_made_by_its_options(machines: Machines, world: World) -> None:
    machines.pools.create("ci", size=1, driver="fake")
    said = Said()
    machine = machines.create("dev", pool="ci", progress=said)
    assert said.lines == ["No machine of pool ci is ready: one is made with its options"]
    assert machine.config.driver_name == "fake"
    assert machines.pools.get("ci").claimed == 1


def test_no_more_than_the_maximum(machines: Machines) -> None:
    pool_of(machines, 1, maximum=2)
    machines.create("one", pool="ci")
    machines.create("two", pool="ci")
    with pytest.raises(PoolFull, match="no more than 2"):
        machines.create("three", pool="ci")
    assert "three" not in machines
    machines.remove("one")
    machines.create("three", pool="ci")


def test_options_that_come_too_late(machines: Machines) -> None:
    pool_of(machines, 1, cache_mark=["a"], cert_lifetime="30d")
    with pytest.raises(PoolsMachine, match="cert_lifetime comes too late for one: the pool has 30d"):
        machines.create("dev", pool="ci", cert_lifetime="20d")
    with pytest.raises(PoolsMachine, match="cache_mark comes too late for one: the pool has a"):
        machines.create("dev", pool="ci", cache_mark=["b"])
    with pytest.raises(PoolsMachine, match="the pool has none"):
        machines.create("dev", pool="ci", tls_san=["x.example.com"])
    assert machines.pools.get("ci").ready == 1
    machines.create("dev", pool="ci", cache_mark=["a"])


def test_pools_and_names_that_are_not_there_or_taken(machines: Machines, store: Store, world: World) -> None:
    with pytest.raises(PoolNotFound, match="pool create"):
        machines.create("dev", pool="ci")
    pool_of(machines, 2)
    machines.create("dev", pool="ci")
    world.steps.clear()
    with pytest.raises(MachineExists):
        machines.create("dev", pool="ci")
    assert world.steps == []
    with pytest.raises(DinvError, match="my machine"):
        machines.create("my machine", pool="ci")
    assert machines.pools.get("ci").ready == 1


def test_a_name_that_is_taken_at_the_last_moment(machines: Machines, store: Store, world: World) -> None:
    pool_of(machines, 1)

    def take(step: str) -> None:
        if step == "look":
            world.at = lambda _step: None
            create(store, "dev", CreateOptions(driver="fake"), Progress())

    world.at = take
    with pytest.raises(MachineExists):
        machines.create("dev", pool="ci")
    assert machines.pools.get("ci").ready == 1
    # What was signed for that claim is refused before the next one is over.
    world.steps.clear()
    machine = machines.create("other", pool="ci")
    assert "activate certificates" in world.steps
    states = [access.state for access in machine.access() if access.role == "client"]
    assert sorted(states) == ["revoked", "revoked", "valid"]


def test_a_name_that_an_interrupted_create_has_left(machines: Machines, store: Store, world: World) -> None:
    pool_of(machines, 1)
    os.makedirs(os.path.join(store.directory("dev")))
    assert machines.create("dev", pool="ci").config.pool["State"] == "claimed"


def test_one_that_is_dead_is_parked_and_the_next_taken(
    machines: Machines, store: Store, world: World
) -> None:
    pool_of(machines, 2)
    first, second = sorted(
        pooled(store).names(), key=lambda key: (pooled(store).load(key).pool["Since"], key)
    )
    world.states[first] = STOPPED
    said = Said()
    machine = machines.create("dev", pool="ci", progress=said)
    assert machine.config.driver["MadeAs"] == "dev"
    assert any(f"{first} of pool ci is dead" in line for line in said.lines)
    status = machines.pools.get("ci")
    assert (status.ready, status.failed) == (0, 1)
    assert "connection refused" in status.machines[0].why
    (status,) = machines.pools.reconcile()
    assert (status.ready, status.failed, status.parked) == (2, 0, 1)
    assert second not in pooled(store).names()


def test_one_of_earlier_options_is_handed_out_where_there_is_no_other(machines: Machines) -> None:
    pool_of(machines, 1)
    machines.pools.set("ci", cache_mark=["new"])
    said = Said()
    machines.create("dev", pool="ci", progress=said)
    assert "It was made with earlier options of pool ci" in said.lines


def test_the_page_has_these_steps() -> None:
    rows = lifecycle_page.rows("claim")
    assert [row.step for row in rows] == [step.name for step in STEPS]
    assert [row.does for row in rows] == [step.do.__doc__ for step in STEPS]
    assert [row.undone for row in rows] == [step.undo.__doc__ if step.undo else "" for step in STEPS]


def unclaimed_or_owned(path: str) -> str:
    """Where the only machine is: in the pool, or in the store."""
    (places_of_it,) = places(path).values()
    (place,) = places_of_it
    return place


def test_killed_anywhere(machines: Machines, store: Store, world: World) -> None:
    """A kill before each change of a file or of the endpoint: it has one owner or none, never two."""
    outcomes = set()
    for number in range(200):
        verb = ("start", "provision", "remove", "none")[number % 4]
        with killed_at_change(number) as changes, pytest.MonkeyPatch.context() as patched:
            patched.setattr(world, "at", changes.step)
            patched.setattr(changes, "last", 10**9)
            if "ci" not in machines.pools.names():
                pool_of(machines, 1)
            else:
                machines.pools.reconcile()
            changes.seen.clear()
            changes.last = number
            finished = True
            try:
                machines.create("dev", pool="ci")
            except Killed:
                finished = False
        place = unclaimed_or_owned(store.path)
        outcomes.add((place, finished))
        if place == "pool":
            assert machines.pools.get("ci").ready == 1
            machines.create("dev", pool="ci")
        else:
            settled(verb, machines)
        if "dev" in machines:
            whole(machines, world)
            machines.remove("dev")
        assert world.things() == {}
        assert contexts.read("dev") is None
        if finished:
            break
    else:
        pytest.fail("it is never finished")
    assert outcomes == {("pool", False), ("store", False), ("store", True)}


def settled(verb: str, machines: Machines) -> None:
    """The next command on the machine, whatever it is."""
    machine = machines.get("dev")
    unfinished = bool(machine.config.claim)
    if verb == "start" and unfinished:
        machine.start()
    elif verb == "provision":
        machine.provision()
    elif verb == "remove":
        machines.remove("dev")
    elif unfinished:
        # Nobody gets it from the pool meanwhile.
        assert machines.pools.get("ci").ready == 0
        assert machines.pools.get("ci").claimed == 1
        machine.start()


def whole(machines: Machines, world: World) -> None:
    """Nothing of a claim is left to do, and the owner's certificate is the only one that is let in."""
    machine = machines.get("dev")
    assert (machine.config.claim, machine.config.first_name, machine.config.revoking) == ({}, "dev", False)
    assert sorted(world.things()) == ["container-dev", "volume-dev"]
    clients = [access for access in machine.access() if access.role == "client"]
    assert [access.state for access in clients if access.state == "valid"] == ["valid"]
    assert [access.current for access in clients if access.state == "valid"] == [True]
    written = contexts.read("dev")
    assert written is not None


def claimer(path: str, name: str, results: multiprocessing.SimpleQueue[tuple[str, str]]) -> None:
    try:
        host = open_store(path).pools.claim("ci", name)
    except (DinvError, StoreError) as error:
        results.put((name, f"error: {error}"))
        return
    results.put((name, host.config.identity if host is not None else ""))


def test_many_claimers(machines: Machines, store: Store) -> None:
    pool_of(machines, 5)
    before = set(places(store.path))
    fork = multiprocessing.get_context("fork")
    results = fork.SimpleQueue()
    crowd = [fork.Process(target=claimer, args=(store.path, f"m{number}", results)) for number in range(12)]
    with forking():
        for each in crowd:
            each.start()
    found = dict(results.get() for _ in crowd)
    for each in crowd:
        each.join(30)
    got = [identity for identity in found.values() if identity]
    assert len(got) == len(set(got)) <= 5
    assert set(got) <= before
    now = places(store.path)
    assert all(len(where) == 1 for where in now.values())
    assert {store.load(name).identity for name in store.names()} == set(got)
    # One who found all of them busy looks again; in the end all have an owner.
    while machines.pools.get("ci").ready:
        machines.create(f"late{len(got)}", pool="ci", context=False)
        got.append("")
    assert len(got) == 5


def killed_claimer(path: str, name: str, number: int) -> None:
    """A claim by a process that kills itself before the change of this number."""
    left = iter(range(number))

    def counted(real: Callable[..., None]) -> Callable[..., None]:
        def change(*arguments: object, **more: object) -> None:
            if next(left, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            real(*arguments, **more)

        return change

    for function in ("rename", "replace", "mkdir", "unlink", "rmdir"):
        setattr(os, function, counted(getattr(os, function)))
    open_store(path).pools.claim("ci", name)


def test_claimers_that_are_killed(machines: Machines, store: Store, world: World) -> None:
    """By a real kill -9, at one moment after another: no machine has two records, and none is lost."""
    pool_of(machines, 6)
    before = set(places(store.path))
    fork = multiprocessing.get_context("fork")
    for number in range(0, 40, 3):
        each = fork.Process(target=killed_claimer, args=(store.path, f"m{number}", number))
        with forking():
            each.start()
        each.join(30)
        assert each.exitcode in (-signal.SIGKILL, 0)
    now = places(store.path)
    assert set(now) == before
    assert all(len(where) == 1 for where in now.values())
    assert machines.names()
    for name in machines.names():
        world.states[name] = RUNNING  # what a process that was killed knew of the endpoint
        machines.provision(name)
        assert not machines.get(name).config.claim

"""Revocation: who is meant, what the machine is told, and what a kill leaves."""

from __future__ import annotations

import io
import json
import os
import tarfile
from typing import TYPE_CHECKING

import lifecycle_page
import pytest
from fake_driver import FakeDriver
from hook_files import HeardOfHooks, record_all, recorded
from shared_ca import shared_ca
from shared_machine import FrontProvisioner, shared_machine
from tls_daemon import TLSDaemon

from dinv import open as open_store
from dinv.engine import Engine, TLSFiles, parse_address
from dinv.errors import (
    AccessOver,
    CannotRevoke,
    DinvError,
    MachineUnusable,
    NobodyOfThatName,
    OwnAccess,
    StoreNotWritable,
)
from dinv.images.dinv import DinvContract
from dinv.lifecycle.host import issuance
from dinv.lifecycle.sharing import held, revoke
from dinv.states import PAUSED, RUNNING, STOPPED
from dinv.store import access_log
from kills import Killed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fake_driver import World

    from dinv.lifecycle.host import Host
    from dinv.lifecycle.sharing.share import Share
    from dinv.machine import Machine
    from dinv.store.store import Store


def states(machine: Machine) -> dict[str, str]:
    return {access.serial: access.state for access in machine.access() if access.holder}


def test_all_of_hers_are_refused_and_nobody_elses(machine: Machine, world: World) -> None:
    first, second, bobs = machine.share("alice"), machine.share("alice"), machine.share("bob")
    world.steps.clear()
    revoked = machine.revoke("alice")
    assert [access.serial for access in revoked] == [first.serial, second.serial]
    assert world.steps == ["rotates in place?", "state", "provision", "activate certificates"]
    assert states(machine) == {first.serial: "revoked", second.serial: "revoked", bobs.serial: "valid"}
    assert access_log.revoked(machine.access_log()) == [first.serial, second.serial]
    assert not open_store(os.path.dirname(os.path.dirname(machine.directory))).get("dev").config.revoking


def test_one_by_its_serial_number(machine: Machine) -> None:
    first, second = machine.share("alice"), machine.share("alice")
    (revoked,) = machine.revoke(serial=first.serial[:12].upper())
    assert revoked.serial == first.serial
    assert states(machine) == {first.serial: "revoked", second.serial: "valid"}
    (revoked,) = machine.revoke("alice", serial=second.serial)
    assert revoked.serial == second.serial


def test_one_that_a_ca_of_the_users_own_has_signed_for_others(
    world: World, store: Store, tmp_path: Path
) -> None:
    shared_machine(world, store, ca=shared_ca(tmp_path / "pki"))
    machine = open_store(store.path).get("dev")
    (revoked,) = machine.revoke(serial="0051B08B371119")
    assert revoked.serial == "51b08b371119"
    assert access_log.revoked(machine.access_log()) == ["51b08b371119"]
    with pytest.raises(AccessOver, match="was revoked on"):
        machine.revoke(serial="51b08b371119")
    with pytest.raises(NobodyOfThatName):
        machine.revoke(serial="61b0")
    with pytest.raises(NobodyOfThatName):
        machine.revoke("carol", serial="ffffffffffff")


@pytest.mark.parametrize("serial", ["ffffffffffff", "1", "0", "xyz", "  "])
def test_a_number_that_nobody_has_or_that_is_too_short(machine: Machine, serial: str) -> None:
    machine.share("alice")
    with pytest.raises(NobodyOfThatName):
        machine.revoke(serial=serial)


def test_somebody_unknown(machine: Machine, world: World) -> None:
    with pytest.raises(NobodyOfThatName, match="given to nobody") as caught:
        machine.revoke("carol")
    machine.share("alice")
    machine.share("bob")
    world.steps.clear()
    with pytest.raises(NobodyOfThatName, match="It has been given to: alice, bob") as caught:
        machine.revoke("carol")
    assert (caught.value.asked, caught.value.holders) == ("carol", ["alice", "bob"])
    assert caught.value.hints == [["access", "ls", "dev"]]
    assert world.steps == []
    with pytest.raises(NobodyOfThatName):
        machine.revoke()


def test_twice(machine: Machine) -> None:
    machine.share("alice")
    machine.revoke("alice")
    with pytest.raises(AccessOver, match=r"was revoked on \d{4}.* by bob@.*nothing to revoke"):
        machine.revoke("alice")


def test_given_again_after_that_is_revoked_again(machine: Machine) -> None:
    first = machine.share("alice")
    machine.revoke("alice")
    second = machine.share("alice")
    (revoked,) = machine.revoke("alice")
    assert revoked.serial == second.serial
    assert access_log.revoked(machine.access_log()) == [first.serial, second.serial]


def test_what_has_expired(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    share = machine.share("alice", lifetime="1h")
    monkeypatch.setattr(access_log, "now", lambda: "2099-01-01T00:00:00Z")
    assert states(machine) == {share.serial: "expired"}
    with machine._host.store.lock("dev", "a test"):
        issuance.end(machine._host, {share.serial})
    assert states(machine) == {share.serial: "expired"}
    with pytest.raises(AccessOver, match=f"expired on {share.not_after}"):
        machine.revoke("alice")


def test_what_a_new_ca_has_ended(machine: Machine, host: Host, store: Store) -> None:
    share = machine.share("alice")
    with store.lock("dev", "a test"):
        issuance.end_earlier(host)
    assert states(machine) == {share.serial: "ended"}
    with pytest.raises(AccessOver, match="when the machine got a new CA"):
        machine.revoke("alice")


def test_ones_own_and_the_machines(machine: Machine, host: Host) -> None:
    server, client = issuance.in_use(host.directory)
    with pytest.raises(OwnAccess, match=r"your own .*dinv regenerate-certs --client-certs dev"):
        machine.revoke(serial=client.serial)
    with pytest.raises(OwnAccess, match="the machine's own"):
        machine.revoke(serial=server.serial)
    assert access_log.revoked(machine.access_log()) == []


def test_a_machine_that_cannot_refuse_one(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.share("alice")
    monkeypatch.setattr(FrontProvisioner, "front", False)
    with pytest.raises(CannotRevoke, match=r"dinv upgrade dev.*dinv regenerate-certs --client-certs dev"):
        machine.revoke("alice")
    assert access_log.revoked(machine.access_log()) == []
    monkeypatch.setattr(DinvContract, "certificate_reload", ())
    with pytest.raises(CannotRevoke, match="dinv upgrade --image dinv:latest dev") as caught:
        machine.revoke("alice")
    assert caught.value.image == "dinv:latest"
    monkeypatch.setattr(FakeDriver, "adopted", True)
    with pytest.raises(CannotRevoke, match="You can lock out everybody") as caught:
        machine.revoke("alice")
    assert caught.value.hints == [["regenerate-certs", "--client-certs", "dev"]]


def test_of_a_machine_that_is_stopped_it_holds_before_it_serves(
    machine: Machine, world: World, store: Store
) -> None:
    machine.share("alice")
    world.states["dev"] = STOPPED
    world.steps.clear()
    machine.revoke("alice")
    assert world.steps == ["rotates in place?", "state", "provision"]
    assert store.load("dev").revoking
    world.steps.clear()
    open_store(store.path).get("dev").start()
    assert world.steps.index("provision") < world.steps.index("start")
    assert not store.load("dev").revoking


def test_of_a_machine_that_is_paused_it_holds_when_it_goes_on(
    machine: Machine, world: World, store: Store
) -> None:
    machine.share("alice")
    world.states["dev"] = PAUSED
    machine.revoke("alice")
    assert store.load("dev").revoking
    world.steps.clear()
    open_store(store.path).get("dev").start()
    assert world.steps.index("unpause") < world.steps.index("activate certificates")
    assert not store.load("dev").revoking


def test_a_full_disk_revokes_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    share = machine.share("alice")
    real = access_log.append

    def full(directory: str, records: list[access_log.Record]) -> None:
        raise StoreNotWritable("access.log", "No space left on device")

    monkeypatch.setattr(access_log, "append", full)
    with pytest.raises(StoreNotWritable):
        machine.revoke("alice")
    monkeypatch.setattr(access_log, "append", real)
    assert states(machine) == {share.serial: "valid"}
    machine.revoke("alice")
    assert states(machine) == {share.serial: "revoked"}


# What a kill leaves


PLACES = ("rotates in place?", "state", "provision", "activate certificates")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("verb", ["revoke", "start", "restart"])
def test_killed_anywhere_it_is_finished_by_the_next_verb(
    machine: Machine, world: World, store: Store, place: str, verb: str
) -> None:
    alices, bobs = machine.share("alice"), machine.share("bob")

    def kill(step: str) -> None:
        if step == place:
            raise Killed

    world.at = kill
    with pytest.raises(Killed):
        machine.revoke("alice")
    world.at = lambda _step: None
    world.steps.clear()
    recorded = access_log.revoked(machine.access_log())
    assert recorded == ([] if place == "rotates in place?" else [alices.serial])
    again = open_store(store.path).get("dev")
    if verb == "revoke":
        again.revoke("bob")
        assert states(again)[bobs.serial] == "revoked"
    elif recorded:
        getattr(again, verb)()
        assert states(again)[bobs.serial] == "valid"
    if recorded:
        assert "provision" in world.steps
        assert {"activate certificates", "start"} & set(world.steps)
        assert not store.load("dev").revoking


def test_the_endpoint_is_lost_in_the_middle(machine: Machine, world: World, store: Store) -> None:
    machine.share("alice")

    def lose(step: str) -> None:
        if step == "provision":
            raise DinvError("Cannot reach the endpoint")

    world.at = lose
    with pytest.raises(DinvError, match="Cannot reach") as caught:
        machine.revoke("alice")
    assert "may still be let in" in "".join(caught.value.__notes__)
    assert store.load("dev").revoking
    heard = HeardOfHooks()
    open_store(store.path).get("dev").access(progress=heard)
    (said,) = heard.warnings
    assert "may not refuse yet what was revoked" in said
    read_before, heard = open_store(store.path).get("dev"), HeardOfHooks()
    done = store.load("dev")
    done.revoking = False
    with store.lock("dev", "revoking access to it"):
        store.save(done)
    read_before.access(progress=heard)
    assert heard.warnings == []
    assert len(access_log.revoked(machine.access_log())) == 1


def test_the_steps_are_those_of_the_page() -> None:
    rows = lifecycle_page.rows("access revoke")
    assert [row.step for row in rows] == [step.name for step in revoke.STEPS]
    assert [row.does for row in rows] == [(step.do.__doc__ or "").strip() for step in revoke.STEPS]


# With a daemon that really refuses


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TLSDaemon]:
    (tmp_path / "machine").mkdir()
    with TLSDaemon(str(tmp_path / "machine")) as daemon:
        monkeypatch.setattr(FrontProvisioner, "daemon", daemon)
        yield daemon


@pytest.fixture
def served(world: World, store: Store, daemon: TLSDaemon) -> Machine:
    host = shared_machine(world, store, url=daemon.url)
    host.provisioner.provision()
    daemon.reload()
    return open_store(store.path).get("dev")


def let_in(share: Share, directory: Path) -> bool:
    directory.mkdir(exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(share.data)) as tar:
        paths = []
        for name in ("ca.pem", "cert.pem", "key.pem"):
            file = tar.extractfile(f"tls/docker/{name}")
            assert file is not None
            (directory / name).write_bytes(file.read())
            paths.append(str(directory / name))
        meta = tar.extractfile("meta.json")
        assert meta is not None
        url = json.load(meta)["Endpoints"]["docker"]["Host"]
    try:
        with Engine(parse_address(url, TLSFiles(*paths)), timeout=5) as engine:
            engine.ping()
    except DinvError:
        return False
    return True


def test_she_is_let_in_until_she_is_not(served: Machine, tmp_path: Path, world: World, store: Store) -> None:
    alices, bobs = served.share("alice"), served.share("bob")
    assert let_in(alices, tmp_path / "alice")
    assert let_in(bobs, tmp_path / "bob")
    served.revoke("alice")
    assert not let_in(alices, tmp_path / "alice")
    assert let_in(bobs, tmp_path / "bob")
    served.engine().ping()


def test_she_is_told_whom_to_ask(served: Machine, tmp_path: Path) -> None:
    alices = open_store(str(tmp_path / "alices"))
    hers = alices.get(alices.import_(io.BytesIO(served.share("alice").data), context=False))
    hers.check()
    served.revoke("alice")
    with pytest.raises(MachineUnusable, match=r"(?s)it has been revoked.*Ask bob@.* for a new share"):
        hers.check()


def test_a_provision_puts_it_in(served: Machine, tmp_path: Path, world: World, store: Store) -> None:
    share = served.share("alice")

    def kill(step: str) -> None:
        if step == "provision":
            raise Killed

    world.at = kill
    with pytest.raises(Killed):
        served.revoke("alice")
    world.at = lambda _step: None
    assert let_in(share, tmp_path / "alice")
    record_all(store)
    open_store(store.path).get("dev").provision()
    told = [each["facts"] for each in recorded(store) if each["event"] == "revoked"]
    assert told == [{"holder": "alice", "serials": [share.serial]}]
    assert not let_in(share, tmp_path / "alice")
    assert not store.load("dev").revoking


def test_it_goes_along_with_an_export(machine: Machine, tmp_path: Path) -> None:
    share = machine.share("alice")
    machine.revoke("alice")
    with open(tmp_path / "dev.tar", "wb") as file:
        machine.export(file)
    other = open_store(str(tmp_path / "other"))
    other.import_(str(tmp_path / "dev.tar"), context=False)
    assert states(other.get("dev")) == {share.serial: "revoked"}
    assert other.get("dev")._host.store.load("dev").revoking is False


# Who has it


def test_the_owner_is_listed_first_and_the_machine(machine: Machine, host: Host) -> None:
    machine.share("alice")
    found = machine.access()
    assert [(access.holder, access.role, access.state, access.current) for access in found] == [
        ("", "client", "valid", True),
        ("", "server", "valid", True),
        ("alice", "client", "valid", False),
    ]
    assert all(access.by.startswith("bob@") for access in found)


def test_of_a_machine_by_an_earlier_dinv_there_is_what_it_uses(machine: Machine, host: Host) -> None:
    os.unlink(os.path.join(host.directory, access_log.FILE))
    found = machine.access()
    assert [(access.role, access.given, access.by) for access in found] == [
        ("client", "", ""),
        ("server", "", ""),
    ]
    assert all(access.not_after for access in found)


def test_a_revocation_whose_issuance_is_lost_still_counts(machine: Machine, host: Host) -> None:
    share = machine.share("alice")
    machine.revoke("alice")
    path = os.path.join(host.directory, access_log.FILE)
    with open(path, encoding="utf-8") as file:
        kept = [line for line in file if '"event":"revoked"' in line]
    with open(path, "w", encoding="utf-8") as file:
        file.write("torn{\n" + "".join(kept) + '{"time"')
    found, remarks = held.of(host)
    assert {access.serial: access.state for access in found if access.holder} == {share.serial: "revoked"}
    assert len(remarks) == 2
    assert host.store.load("dev").phase
    assert machine.status().state == RUNNING

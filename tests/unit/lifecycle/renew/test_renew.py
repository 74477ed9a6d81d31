"""Renewal and provisioning, against a daemon that really verifies certificates."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import io
import os
import shutil
from typing import TYPE_CHECKING

import lifecycle_page
import pytest
from fake_driver import FakeProvisioner, install
from heard import Heard
from hook_files import put, record_all, recorded
from own_certificates import names
from shared_ca import shared_ca
from tls_daemon import TLSDaemon
from walk import Walk, at

from dinv import provisioners
from dinv.cli import main
from dinv.endpoints import contexts
from dinv.engine import Engine, TLSFiles, parse_address
from dinv.errors import (
    CertificateError,
    CertificatesTorn,
    DinvError,
    EndpointTLSError,
    HookRefused,
    Interrupted,
    MachineNotReady,
    MachineNotRunning,
    MachineUnfinished,
    OptionError,
    StoreNotWritable,
)
from dinv.lifecycle import renew as renew_module
from dinv.lifecycle.changing import changing
from dinv.lifecycle.docker_context import ensure_context
from dinv.lifecycle.host import Host, certificates, clients, issuance
from dinv.lifecycle.host import context as docker_context
from dinv.lifecycle.provision import provision
from dinv.lifecycle.remove import remove
from dinv.lifecycle.renew import STEPS, renew
from dinv.listing.asking import statuses
from dinv.machine import Machine
from dinv.pki.certificates import Issued
from dinv.progress import Progress
from dinv.states import RUNNING, STOPPED
from dinv.store import access_log
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store
from dinv.system import files
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fake_driver import World
    from walk import Moment

    from dinv.authorities.shared import SharedAuthority

SILENT = Progress()
PAIR = ("cert.pem", "key.pem")


class ServingProvisioner(FakeProvisioner):
    """Puts its files where a TLSDaemon has its own."""

    daemon: TLSDaemon

    def provision(self) -> None:
        super().provision()
        for name in ("ca.pem", "server.pem", "server-key.pem"):
            shutil.copy(os.path.join(self.config.directory, name), self.daemon.directory)

    def activate(self, *, starting: bool = False) -> None:
        super().activate(starting=starting)
        self.daemon.reload()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", f"{__name__}:ServingProvisioner")
    return world


@pytest.fixture
def walk(world: World, monkeypatch: pytest.MonkeyPatch) -> Walk:
    """The steps themselves, and what of the world they come to."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # nothing has to outlast a power cut
    return Walk(monkeypatch, world, renew_module)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[TLSDaemon]:
    (tmp_path / "machine").mkdir()
    with TLSDaemon(str(tmp_path / "machine")) as daemon:
        ServingProvisioner.daemon = daemon
        yield daemon


@pytest.fixture
def machine(world: World, store: Store, daemon: TLSDaemon) -> Host:
    """A running machine, with a context."""
    return running(world, store, daemon)


def running(world: World, store: Store, daemon: TLSDaemon, ca: SharedAuthority | None = None) -> Host:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="fake", identity="x", created="now"
    )
    config.driver.update(
        URL=daemon.url, IPAddress="127.0.0.1", Port=daemon.server_address[1], Container="dinv-dev"
    )
    config.ours.update(Phase=READY, ImageContract="dinv", Context="dev")
    config.swarm_options["Discovery"] = "token://kept"
    if ca is not None:
        ca.make_missing()
        ca.record(config)
    machine = Host(config, store)
    with store.claim("dev", "creating it"):
        store.save(config)
        certificates.issue(machine)
        docker_context.put(machine.config)
    machine.provisioner.provision()
    machine.provisioner.activate()
    world.put("container-dev", "x")
    world.states["dev"] = RUNNING
    world.steps.clear()
    return machine


def content(machine: Host) -> dict[str, bytes]:
    found = {}
    for name in sorted(os.listdir(machine.directory)):
        if name.endswith(".pem"):
            with open(os.path.join(machine.directory, name), "rb") as file:
                found[name] = file.read()
    return found


def ping(url: str, ca: str, cert: str, key: str) -> None:
    with Engine(parse_address(url, TLSFiles(ca, cert, key)), timeout=5) as engine:
        engine.ping()


def works(machine: Host) -> None:
    """Everything a user has works: what `env` points at, and the context."""
    shown = tuple(os.path.join(machine.directory, f"{name}.pem") for name in ("ca", "cert", "key"))
    ping(machine.url, *shown)
    context = contexts.read("dev")
    assert context is not None
    copies = (str(context.ca), str(context.cert), str(context.key))
    if not all(filecmp.cmp(copy, own, shallow=False) for copy, own in zip(copies, shown, strict=True)):
        ping(machine.url, *copies)


def keep_client(machine: Host, directory: Path) -> list[str]:
    """A copy of the client's files, as a colleague may have them."""
    directory.mkdir()
    names = ("ca.pem", *PAIR)
    return [shutil.copy(os.path.join(machine.directory, name), str(directory)) for name in names]


def test_the_machine_gets_a_new_certificate_and_clients_keep_theirs(
    machine: Host, store: Store, tmp_path: Path
) -> None:
    before, colleague = content(machine), keep_client(machine, tmp_path / "colleague")
    renew(store, "dev", SILENT)
    after = content(machine)
    assert {name for name in after if after[name] != before[name]} == {"server.pem", "server-key.pem"}
    works(machine)
    ping(machine.url, *colleague)
    assert not os.path.exists(os.path.join(machine.directory, ".renewal"))


def test_with_client_certs_all_is_new_and_earlier_clients_are_refused(
    machine: Host, store: Store, tmp_path: Path
) -> None:
    before, colleague = content(machine), keep_client(machine, tmp_path / "colleague")
    renew(store, "dev", SILENT, clients=True)
    after = content(machine)
    assert set(after) == set(before)
    assert not [name for name in after if after[name] == before[name]]
    works(machine)
    ca = os.path.join(machine.directory, "ca.pem")
    with pytest.raises(EndpointTLSError, match="refused"):
        ping(machine.url, ca, *colleague[1:])
    with pytest.raises(EndpointTLSError, match="another CA"):
        ping(machine.url, *colleague)
    # One CA alone, and a machine that trusts no other.
    assert after["ca.pem"].count(b"BEGIN CERTIFICATE") == 1
    for name in ("ca-key.pem", "key.pem", "server-key.pem"):
        assert os.stat(os.path.join(machine.directory, name)).st_mode & 0o777 == 0o600
    assert not os.path.exists(os.path.join(machine.directory, ".renewal"))
    assert store.load("dev").swarm_options["Discovery"] == "token://kept"


def test_each_certificate_is_on_record_and_what_was_not_used_has_ended(machine: Host, store: Store) -> None:
    renew(store, "dev", SILENT)
    records, remarks = access_log.read(machine.directory)
    assert remarks == []
    assert [(record.event, record.role) for record in records] == [
        ("issued", "server"),
        ("issued", "client"),
        ("issued", "server"),
        ("issued", "client"),
        # The client keeps its own.
        ("ended", "client"),
    ]
    assert records[3].serial == records[4].serial
    used = {one.serial for one in issuance.in_use(machine.directory)}
    assert used == {records[1].serial, records[2].serial}


def test_a_new_ca_ends_whatever_the_old_one_has_signed(machine: Host, store: Store) -> None:
    signed = Issued("client", "abc1", "2099-01-01T00:00:00Z", ())
    with store.lock("dev", "a test"):
        issuance.record(machine, [signed], holder="alice")
    notes = Heard()
    renew(store, "dev", notes, clients=True)
    (said,) = [note for note in notes.notes if "access of" in note]
    assert said.startswith("The access of alice has ended with the CA before")
    records, _ = access_log.read(machine.directory)
    ended = {record.serial for record in records if record.event == "ended"}
    issued = {record.serial for record in records if record.event == "issued"}
    assert "abc1" in ended
    assert issued - ended == {one.serial for one in issuance.in_use(machine.directory)}
    assert next(record.holder for record in records if record.serial == "abc1") == "alice"


def test_a_certificate_is_on_record_before_it_is_there(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(machine)

    def full(_directory: str, _records: object) -> None:
        raise StoreNotWritable("access.log", "No space left on device")

    monkeypatch.setattr(access_log, "append", full)
    with pytest.raises(StoreNotWritable, match="No space left"):
        renew(store, "dev", SILENT)
    assert content(machine) == before
    works(machine)


@pytest.mark.parametrize("clients", [False, True])
def test_at_each_step_the_store_works_with_the_machine(
    machine: Host, store: Store, world: World, *, clients: bool
) -> None:
    looked = []

    def look(step: str) -> None:
        looked.append(step)
        works(machine)

    world.at = look
    renew(store, "dev", SILENT, clients=clients)
    assert looked.count("activate") == (2 if clients else 1)


def killed(
    store: Store, world: World, monkeypatch: pytest.MonkeyPatch, number: int, *, clients: bool
) -> bool:
    """Renew, and be killed; False when it was done before that."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # nothing has to outlast a power cut
    with killed_at_change(number) as changes:
        world.at = lambda name: changes.step(name) if name in ("provision", "activate") else None
        try:
            renew(store, "dev", SILENT, clients=clients)
        except Killed:
            return True
        finally:
            world.at = lambda _step: None
    assert changes.seen.count("replace") > 2, "changes were looked at"
    return False


READERS: list[Callable[[Host], object]] = [
    lambda host: host.environment(),
    clients.docker_flags,
    lambda host: clients.engine(host).close(),
    lambda host: Machine(host).cert_path,
    ensure_context,
]
"""Whatever hands out certificates."""


@pytest.mark.parametrize(
    ("then", "clients", "every"),
    [(then, clients, 1) for then in ("renew", "provision") for clients in (False, True)]
    # They finish it by the function that `provision` calls: every third or fourth moment will do.
    + [("restart", True, 4), ("stop, start", True, 3), ("rm", True, 1)],
)
def test_killed_anywhere_it_works_and_can_be_finished(
    *,
    tmp_path: Path,
    machine: Host,
    store: Store,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    clients: bool,
    then: str,
    every: int,
) -> None:
    """Killed before each change, one later each time: whatever reads the machine next finds it whole."""
    number = -every
    colleague = keep_client(machine, tmp_path / "colleague")
    while killed(store, world, monkeypatch, number := number + every, clients=clients):
        loaded = store.load("dev")
        use = READERS[number % len(READERS)]
        use(Host(loaded, store))
        asked = clients and number > 0
        assert bool((loaded.ours.get("Renewal") or {}).get("Clients")) == asked
        assert not os.path.exists(os.path.join(machine.directory, files.PENDING))
        works(machine)
        if then == "rm" and number % 7 == 0:
            # Not the last kill: the machine is put back as it was.
            kept = content(machine)
            remove(store, "dev")
            assert not store.exists("dev")
            with store.claim("dev", "test"):
                store.save(loaded)
                files.replace_set(machine.directory, [(name, data, 0o600) for name, data in kept.items()])
                docker_context.put(machine.config)
            world.states["dev"] = RUNNING
        elif then != "rm":
            if then == "renew":
                renew(store, "dev", SILENT, clients=clients)
            elif then == "provision":
                provision(store, "dev", SILENT)
            elif then == "stop, start":
                Machine.recorded(loaded, store).stop()
                Machine.recorded(store.load("dev"), store).start(SILENT)
            else:
                Machine.recorded(loaded, store).restart(SILENT)
            works(machine)
            assert content(machine)["ca.pem"].count(b"BEGIN CERTIFICATE") == 1
            assert not os.path.exists(os.path.join(machine.directory, ".renewal"))
            assert "Renewal" not in store.load("dev").ours
            if asked:
                with pytest.raises(EndpointTLSError, match="refused"):
                    ping(machine.url, os.path.join(machine.directory, "ca.pem"), *colleague[1:])
                shutil.rmtree(tmp_path / "colleague")
                colleague = keep_client(machine, tmp_path / "colleague")
            elif not clients:
                ping(machine.url, *colleague)
    assert number > (30 if clients else 15)


def test_reading_a_record_writes_nothing(machine: Host, store: Store) -> None:
    before = content(machine)
    files.stage_set(machine.directory, [("cert.pem", b"new", 0o644)])
    for look in (lambda: store.load("dev"), lambda: statuses(store, timeout=5, environ={})):
        look()
        assert content(machine) == before
        assert os.listdir(os.path.join(machine.directory, files.PENDING)) == ["cert.pem"]


def test_whoever_holds_the_lock_finishes_all_of_it(machine: Host, store: Store) -> None:
    docker_context.remove(machine.config)
    files.stage_set(machine.directory, list(_client(machine)))
    with changing(machine, "testing it"):
        assert not os.path.exists(os.path.join(machine.directory, files.PENDING))
        works(machine)


def _client(machine: Host) -> Iterator[tuple[str, bytes, int]]:
    """The client's files as they are, as a set."""
    return ((name, data, 0o600) for name, data in content(machine).items() if name in PAIR)


class TestReadOnly:
    """In a store that cannot be written; nothing is written there, and what works is handed out."""

    @pytest.fixture(autouse=True)
    def read_only(self, machine: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        def fails(*_: object, **__: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        files.stage_set(machine.directory, list(_client(machine)))
        self.move = os.replace
        monkeypatch.setattr("dinv.lifecycle.host.torn_certificates.MOVE_SECONDS", 0.1)
        monkeypatch.setattr(os, "replace", fails)

    def put(self, machine: Host, name: str) -> None:
        """Move one of the files to its place, as somebody can who may write there."""
        pending = os.path.join(machine.directory, files.PENDING)
        self.move(os.path.join(pending, name), os.path.join(machine.directory, name))

    def test_the_old_pair_or_the_new_one_is_used_as_it_is(self, machine: Host) -> None:
        machine.environment()
        for name in PAIR:
            self.put(machine, name)
        machine.environment()
        works(machine)

    def test_what_does_not_fit_is_refused(self, machine: Host) -> None:
        self.put(machine, "cert.pem")
        for use in READERS:
            with pytest.raises(CertificatesTorn, match="dinv env dev"):
                use(machine)
        assert machine.url
        assert machine.expiry() == ""


def test_killed_again_and_again_it_goes_on_working(
    machine: Host, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finishes a kill is killed too."""
    number = -1
    while killed(store, world, monkeypatch, number := number + 1, clients=True):
        pending = os.path.join(machine.directory, files.PENDING)
        with contextlib.suppress(Killed), killed_at_change(number % 3):
            Host(store.load("dev"), store).environment()
        Host(store.load("dev"), store).environment()
        assert not os.path.exists(pending)
        works(machine)
    assert number > 30


def test_a_plain_renewal_that_was_killed_revokes_nobody(
    machine: Host, store: Store, world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    colleague = keep_client(machine, tmp_path / "colleague")
    assert killed(store, world, monkeypatch, 8, clients=False)
    assert os.path.isdir(os.path.join(machine.directory, ".renewal"))
    provision(store, "dev", SILENT)
    works(machine)
    ping(machine.url, *colleague)


def test_whoever_reads_while_somebody_is_at_work_leaves_the_rest_to_that_one(
    machine: Host, store: Store
) -> None:
    cert = content(machine)["cert.pem"]
    other = Host(store.load("dev"), Store(store.path))
    with store.lock("dev", "test"):
        files.stage_set(machine.directory, [("cert.pem", b"new", 0o644)])
        other.environment()
        assert content(machine)["cert.pem"] == b"new"
        assert os.path.exists(os.path.join(machine.directory, files.PENDING))
        files.stage_set(machine.directory, [("cert.pem", cert, 0o644)])
        files.move_set(machine.directory)
    other.environment()
    assert not os.path.exists(os.path.join(machine.directory, files.PENDING))
    works(machine)


def moments(walk: Walk, store: Store, *, clients: bool) -> list[Moment]:
    """All that a renewal comes to, at each of which another one can fail or be killed."""
    found = walk.moments(lambda: renew(store, "dev", SILENT, clients=clients))
    wanted = {f"before {step.name}" for step in STEPS if clients or step.when is None}
    assert wanted <= {label for label, _ in found}
    return found


def is_settled(machine: Host, store: Store) -> None:
    assert not os.path.exists(os.path.join(machine.directory, ".renewal"))
    assert not os.path.exists(os.path.join(machine.directory, files.PENDING))
    assert "Renewal" not in store.load("dev").ours
    assert content(machine)["ca.pem"].count(b"BEGIN CERTIFICATE") == 1
    works(machine)


@pytest.mark.parametrize("clients", [False, True])
def test_what_fails_at_any_moment_is_undone(
    *, machine: Host, store: Store, walk: Walk, clients: bool, tmp_path: Path
) -> None:
    """Up to the final step; past that the new set is in use, and the next renewal does the rest."""
    found = moments(walk, store, clients=clients)
    in_use, final = found.index(("before trust-both", 1)), found.index(("after verify", 1))
    for number, moment in enumerate(found):
        before = content(machine)
        error = (DinvError("broken"), KeyboardInterrupt(), Interrupted(15))[number % 3]
        with at(moment):
            with pytest.raises(type(error)) as caught:
                walk.fail(lambda: renew(store, "dev", SILENT, clients=clients), moment, error)
            assert caught.value is error
            notes = list(getattr(error, "__notes__", ()))
            works(machine)
            if number <= final:
                assert content(machine) == before
                assert notes == (["The certificates are as they were before."] if number > in_use else [])
            else:
                assert content(machine)["server.pem"] != before["server.pem"]
                in_step = walk.steps[moment] in ("trust-new", "lock-out")
                assert any("earlier client certificates may still" in note for note in notes) == in_step
            if number > final or moment == ("after record", 1):
                # There is nothing that is undone any more, or yet; it is recorded.
                provision(store, "dev", SILENT)
            is_settled(machine, store)


@pytest.mark.parametrize("clients", [False, True])
@pytest.mark.parametrize("then", ["regenerate-certs", "provision", "start", "restart"])
def test_killed_at_any_step_it_is_settled_as_the_page_says(
    *, machine: Host, store: Store, walk: Walk, clients: bool, then: str
) -> None:
    found = [moment for moment in moments(walk, store, clients=clients) if "before" in moment[0]]
    settled = {row.step: row.settled for row in lifecycle_page.rows("regenerate-certs")}
    for moment in found:
        with at(moment):
            walk.die(lambda: renew(store, "dev", SILENT, clients=clients), moment)
            works(machine)
            now = Host(store.load("dev"), store)
            if certificates.renewing(now):
                assert then in settled[walk.steps[moment]]
                settle(now, store, then)
            is_settled(machine, store)


def test_a_record_of_a_renewal_by_an_earlier_dinv_is_settled(
    machine: Host, store: Store, walk: Walk, tmp_path: Path
) -> None:
    """Those of 0.1.0 and 0.2 have no Step in it."""
    colleague = keep_client(machine, tmp_path / "colleague")
    walk.die(lambda: renew(store, "dev", SILENT, clients=True), ("before client", 1))
    config = store.load("dev")
    assert config.ours["Renewal"] == {"Clients": True, "Step": "record"}
    del config.ours["Renewal"]["Step"]
    with store.lock("dev", "test"):
        store.save(config)
    settle(Host(config, store), store, "restart")
    is_settled(machine, store)
    with pytest.raises(EndpointTLSError, match="refused"):
        ping(machine.url, os.path.join(machine.directory, "ca.pem"), *colleague[1:])


def settle(machine: Host, store: Store, then: str) -> None:
    """Do what a user does next."""
    if then == "regenerate-certs":
        renew(store, "dev", SILENT)
    elif then == "provision":
        provision(store, "dev", SILENT)
    elif then == "start":
        Machine(machine).start(SILENT)
    else:
        Machine(machine).restart(SILENT)


def test_a_daemon_that_does_not_take_them_keeps_the_old_ones(
    machine: Host, store: Store, daemon: TLSDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(machine)
    monkeypatch.setattr(daemon, "reload", lambda: None)
    with pytest.raises(MachineNotReady, match="old certificate"):
        renew(store, "dev", SILENT, timeout=0.3)
    assert content(machine) == before
    works(machine)


def test_what_cannot_be_undone_says_so(machine: Host, store: Store, world: World) -> None:
    def at(step: str) -> None:
        if step == "activate":
            raise DinvError("no signal")

    world.at = at
    with pytest.raises(DinvError, match="no signal") as caught:
        renew(store, "dev", SILENT)
    assert "dinv provision dev" in caught.value.__notes__[0]
    world.at = lambda _step: None
    works(machine)
    provision(store, "dev", SILENT)
    works(machine)


def test_a_client_that_cannot_be_used_is_renewed_too(machine: Host, store: Store) -> None:
    for spoil in (b"", b"nonsense"):
        with open(os.path.join(machine.directory, "cert.pem"), "wb") as file:
            file.write(spoil)
        ca = content(machine)["ca.pem"]
        renew(store, "dev", SILENT)
        assert content(machine)["ca.pem"] == ca
        works(machine)


def test_a_ca_that_cannot_sign_needs_client_certs(machine: Host, store: Store) -> None:
    os.unlink(os.path.join(machine.directory, "ca-key.pem"))
    with pytest.raises(CertificateError) as caught:
        renew(store, "dev", SILENT)
    assert "--client-certs dev" in caught.value.__notes__[0]
    works(machine)
    renew(store, "dev", SILENT, clients=True)
    works(machine)


def test_a_machine_that_does_not_run_is_left_alone(machine: Host, store: Store, world: World) -> None:
    world.states["dev"] = STOPPED
    before = content(machine)
    with pytest.raises(MachineNotRunning):
        renew(store, "dev", SILENT)
    assert content(machine) == before


def test_a_context_that_is_somebody_elses_is_no_obstacle(machine: Host, store: Store) -> None:
    docker_context.remove(machine.config)
    contexts.write("dev", host="tcp://else:1", description="", owner="somebody", ca=b"c", cert=b"c", key=b"k")
    renew(store, "dev", SILENT, clients=True)
    context = contexts.read("dev")
    assert context is not None
    assert context.host == "tcp://else:1"


# A CA of the user's own


@pytest.fixture
def sharing(world: World, store: Store, daemon: TLSDaemon, tmp_path: Path) -> Host:
    """A running machine with a CA of the user's own, and a client certificate that dinv has made."""
    return running(world, store, daemon, shared_ca(tmp_path / "pki"))


@pytest.fixture
def given(world: World, store: Store, daemon: TLSDaemon, tmp_path: Path) -> Host:
    """A running machine whose client certificate is the user's own, too."""
    return running(world, store, daemon, shared_ca(tmp_path / "pki", client=True))


@pytest.mark.parametrize("clients", [False, True])
def test_a_shared_ca_signs_again_and_earlier_clients_stay(
    sharing: Host, store: Store, tmp_path: Path, *, clients: bool
) -> None:
    before, colleague = content(sharing), keep_client(sharing, tmp_path / "colleague")
    progress = Heard()
    renew(store, "dev", progress, clients=clients)
    after = content(sharing)
    changed = {"server.pem", "server-key.pem", *(PAIR if clients else ())}
    assert {name for name in after if after[name] != before[name]} == changed
    assert "ca-key.pem" not in after
    works(sharing)
    ping(sharing.url, *colleague)
    said = (
        f"The CA is shared ({tmp_path}/pki/ca.pem): earlier client certificates are let in until they expire"
    )
    assert progress.warnings == ([said] if clients else [])


def test_without_the_key_of_a_shared_ca_nothing_is_changed(
    sharing: Host, store: Store, tmp_path: Path
) -> None:
    before = content(sharing)
    (tmp_path / "pki" / "ca-key.pem").unlink()
    with pytest.raises(
        CertificateError, match=r"pki/ca-key\.pem is not there any more\. Put it back"
    ) as caught:
        renew(store, "dev", SILENT)
    assert not hasattr(caught.value, "__notes__"), "--client-certs would not help"
    assert content(sharing) == before
    works(sharing)
    assert not os.path.exists(os.path.join(sharing.directory, ".renewal"))


def test_another_ca_in_the_place_of_the_shared_one_is_taken_up(
    sharing: Host, store: Store, tmp_path: Path
) -> None:
    colleague = keep_client(sharing, tmp_path / "colleague")
    shutil.rmtree(tmp_path / "pki")
    ca = shared_ca(tmp_path / "pki")
    ca.make_missing()
    renew(store, "dev", SILENT)
    works(sharing)
    assert content(sharing)["ca.pem"] == (tmp_path / "pki" / "ca.pem").read_bytes()
    with pytest.raises(EndpointTLSError, match="refused"):
        ping(sharing.url, ca.ca[0], *colleague[1:])


def test_a_client_of_the_users_own_is_not_dinvs_to_renew(given: Host, store: Store, tmp_path: Path) -> None:
    before = content(given)
    assert before["cert.pem"] == (tmp_path / "pki" / "client.pem").read_bytes()
    with pytest.raises(CertificateError, match=r"is yours.*pki/client\.pem"):
        renew(store, "dev", SILENT, clients=True)
    assert content(given) == before
    renew(store, "dev", SILENT)
    assert content(given)["cert.pem"] == before["cert.pem"]
    works(given)


@pytest.mark.parametrize("clients", [False, True])
def test_a_new_client_of_the_users_own_is_taken_up(
    given: Host, store: Store, tmp_path: Path, *, clients: bool
) -> None:
    for name in ("client.pem", "client-key.pem"):
        (tmp_path / "pki" / name).unlink()
    shared_ca(tmp_path / "pki", client=True).make_missing()
    renew(store, "dev", SILENT, clients=clients)
    assert content(given)["cert.pem"] == (tmp_path / "pki" / "client.pem").read_bytes()
    works(given)


def test_a_client_of_the_users_own_that_is_by_another_ca_changes_nothing(
    given: Host, store: Store, tmp_path: Path
) -> None:
    before = content(given)
    shutil.rmtree(tmp_path / "pki")
    shared_ca(tmp_path / "pki", client=True).make_missing()
    shutil.copy(os.path.join(given.directory, "cert.pem"), tmp_path / "pki" / "client.pem")
    shutil.copy(os.path.join(given.directory, "key.pem"), tmp_path / "pki" / "client-key.pem")
    with pytest.raises(CertificateError, match="does not lead to the trust anchor"):
        renew(store, "dev", SILENT)
    assert content(given) == before
    works(given)


def test_killed_anywhere_with_a_shared_ca_it_works(
    sharing: Host, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = -1
    while killed(store, world, monkeypatch, number := number + 1, clients=True):
        Host(store.load("dev"), store).environment()
        works(sharing)
        renew(store, "dev", SILENT)
        works(sharing)
    assert number > 15


# Provisioning


@pytest.mark.parametrize("lost", [["server.pem"], ["cert.pem", "key.pem"], ["server-key.pem"], ["cert.pem"]])
@pytest.mark.parametrize("state", [RUNNING, STOPPED])
def test_what_was_lost_in_the_store_is_repaired(
    machine: Host, store: Store, world: World, daemon: TLSDaemon, *, lost: list[str], state: str
) -> None:
    for name in lost:
        os.unlink(os.path.join(machine.directory, name))
    world.states["dev"] = state
    provision(store, "dev", SILENT)
    daemon.reload()
    works(machine)
    assert world.states["dev"] == RUNNING


@pytest.mark.parametrize("state", [RUNNING, STOPPED])
@pytest.mark.parametrize("context", ["dev", ""])
def test_a_create_that_was_killed_is_finished(
    *, machine: Host, store: Store, world: World, daemon: TLSDaemon, state: str, context: str
) -> None:
    """With a docker context, if that was to be one."""
    config = store.load("dev")
    docker_context.remove(machine.config)
    config.ours.update(Phase=CREATING, Context=context, ImageContract="")
    with store.lock("dev", "test"):
        store.save(config)
    world.states["dev"] = state
    with pytest.raises(MachineUnfinished, match="dinv provision dev"):
        renew(store, "dev", SILENT)
    provision(store, "dev", SILENT)
    daemon.reload()
    if context:
        works(machine)
    else:
        assert contexts.read("dev") is None
    now = store.load("dev")
    assert not now.unfinished
    assert (now.ours["ImageContract"], now.ours["DockerVersion"]) == ("dinv", "26.1.5")


def test_a_context_that_somebody_else_has_made_meanwhile_does_not_keep_a_create_from_its_end(
    machine: Host, store: Store
) -> None:
    config = store.load("dev")
    config.ours.update(Phase=CREATING)
    with store.lock("dev", "test"):
        store.save(config)
    docker_context.remove(machine.config)
    contexts.write("dev", host="tcp://else:1", description="", owner="somebody", ca=b"c", cert=b"c", key=b"k")
    progress = Heard()
    provision(store, "dev", progress)
    assert any("No docker context" in text for text in progress.warnings)
    now = store.load("dev")
    assert (now.unfinished, now.ours["Context"]) == (False, "")


def test_without_a_container_there_is_nothing_to_finish(machine: Host, store: Store, world: World) -> None:
    del world.states["dev"]
    with pytest.raises(MachineUnfinished, match="dinv rm dev"):
        provision(store, "dev", SILENT)


def test_the_new_certificate_has_all_names(machine: Host, store: Store) -> None:
    config = store.load("dev")
    config.auth_options["ServerCertSANs"] = ["extra.test"]
    with store.lock("dev", "test"):
        store.save(config)
    renew(store, "dev", SILENT)
    assert "extra.test" in names(content(machine)["server.pem"])


@pytest.mark.parametrize("clients", [False, True])
def test_hooks_are_asked_before_and_told_when_it_is_in_use(
    machine: Host, store: Store, *, clients: bool
) -> None:
    record_all(store)
    renew(store, "dev", SILENT, clients=clients)
    told = recorded(store)
    assert [each["event"] for each in told] == ["pre-issue"] * 2 + ["issued"] * 2 + ["renewed"]
    assert told[-1]["facts"] == {"clients": clients}


def test_a_hook_that_refuses_a_name_leaves_the_old_set_in_use(machine: Host, store: Store) -> None:
    before = content(machine)
    put(store, "pre-issue", "echo not today; exit 1")
    with pytest.raises(HookRefused, match="not today"):
        renew(store, "dev", SILENT, clients=True)
    assert content(machine) == before
    assert not certificates.renewing(machine)
    works(machine)


def test_lifetimes_can_be_changed_and_hold_from_then_on(machine: Host, store: Store) -> None:
    renew(store, "dev", SILENT, cert_lifetime=86400)
    now = Host(store.load("dev"), store)
    server = now.certificates.server
    assert server is not None
    assert abs(server.life - 86400) < 600
    assert now.config.cert_lifetime == 86400
    renew(store, "dev", SILENT, clients=True, ca_lifetime=10 * 86400)
    ca, server, client = Host(store.load("dev"), store).certificates
    assert ca is not None
    assert abs(ca.life - 10 * 86400) < 600
    for each in (server, client):
        assert each is not None
        assert abs(each.life - 86400) < 600
    works(machine)


def test_lifetimes_that_cannot_be_change_nothing(machine: Host, store: Store, world: World) -> None:
    before = content(machine)
    with pytest.raises(OptionError, match="is for a new CA"):
        renew(store, "dev", SILENT, ca_lifetime=86400)
    with pytest.raises(OptionError, match="is longer than its CA"):
        renew(store, "dev", SILENT, clients=True, ca_lifetime=86400, cert_lifetime=86401)

    def refuse(step: str) -> None:
        if step == "activate":
            raise MachineNotRunning("dev")

    world.at = refuse
    with pytest.raises(MachineNotRunning):
        renew(store, "dev", SILENT, cert_lifetime=86400)
    world.at = lambda _step: None
    assert store.load("dev").cert_lifetime is None
    assert content(machine).keys() == before.keys()


def test_a_machine_that_rotates_in_place_is_not_restarted(
    machine: Host, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take_up(provisioner: ServingProvisioner, *, starting: bool = False) -> None:
        world.step("take up")
        provisioner.daemon.reload()

    monkeypatch.setattr(ServingProvisioner, "rotates_in_place", lambda _: True)
    monkeypatch.setattr(ServingProvisioner, "activate_certificates", take_up)
    said = Recording()
    renew(store, "dev", said, clients=True)
    assert world.steps.count("take up") == 2
    assert "activate" not in world.steps
    assert "restart" not in str(said.notes).lower()
    # `provision` also takes up options, which takes a restart if there are others.
    for pending in (False, True):
        monkeypatch.setattr(ServingProvisioner, "pending", lambda _, answer=pending: answer)
        world.steps.clear()
        provision(store, "dev", SILENT)
        assert world.steps.count("activate") == pending
        assert world.steps.count("take up") == (not pending)


def test_one_that_does_not_says_what_is_cut(machine: Host, store: Store) -> None:
    said = Recording()
    renew(store, "dev", said)
    cut = "Docker restarts: open docker commands of everybody are cut (logs -f, exec, builds)"
    (note,) = (note for note in said.notes if cut in note)
    assert note.startswith(f"dev: {cut}")
    assert Machine(machine).renewal_cuts().startswith(cut)


def test_what_is_cut_is_said_once(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever way it is renewed, asked about or not."""
    monkeypatch.setenv("MACHINE_STORAGE_PATH", store.path)
    for words, said in (
        (["renew", "--before", "36499d", "--dry-run", "dev"], (0, 0)),
        (["renew", "--before", "36499d", "dev"], (1, 0)),
        (["renew", "--before", "36499d", "--ca", "dev"], (1, 0)),
        (["regenerate-certs", "-f", "dev"], (1, 0)),
        (["regenerate-certs", "dev"], (0, 1)),
        (["provision", "dev"], (1, 0)),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert main(words) == 0, capsys.readouterr().err
        out, err = capsys.readouterr()
        assert (out.count("Docker restarts: "), err.count("Docker restarts: ")) == said, words


def test_further_names_are_in_this_certificate_and_all_later_ones(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew(store, "dev", SILENT, tls_sans=["Build.Example.com", "10.1.2.3"])
    for _ in range(2):
        assert {"build.example.com", "10.1.2.3"} <= set(names(content(machine)["server.pem"]))
        assert store.load("dev").auth_options["ServerCertSANs"] == ["build.example.com", "10.1.2.3"]
        renew(store, "dev", SILENT, tls_sans=["10.1.2.3"])
    with pytest.raises(CertificateError, match="not a name"):
        renew(store, "dev", SILENT, tls_sans=["not a name"])

    def refused(*_: object, **__: object) -> None:
        raise CertificateError("the authority does not want that name")

    monkeypatch.setattr(certificates, "issue", refused)
    with pytest.raises(CertificateError, match="does not want"):
        renew(store, "dev", SILENT, tls_sans=["other.example.com"])
    assert store.load("dev").auth_options["ServerCertSANs"] == ["build.example.com", "10.1.2.3"]


class Recording(Progress):
    """Keeps what is noted."""

    def __init__(self) -> None:
        super().__init__()
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

"""Whether clients get to a machine, and what is said where they do not."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from own_certificates import CA, CLIENT, Own
from tls_daemon import TLSDaemon

from dinv import open as open_store
from dinv.access.connect import check, check_files
from dinv.authorities import open_authority
from dinv.errors import MachineNotRunning, MachineUnusable
from dinv.lifecycle.host import Host
from dinv.listing.asking import statuses
from dinv.machine import Machine
from dinv.pki.certificates import issue
from dinv.shells.env import setting
from dinv.states import RUNNING, Status
from dinv.store.record import READY, MachineConfig
from dinv.timeouts import LOOK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.store.store import Store

SECONDS = 0.4
"""Given to a daemon that will not answer."""


def add(store: Store, url: str, *, phase: str = READY) -> Host:
    """A machine of the docker driver, with certificates for this computer."""
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    config.driver.update(URL=url, IPAddress="127.0.0.1")
    config.ours["Phase"] = phase
    with store.claim("dev", "creating it"):
        store.save(config)
        authority = open_authority("local", machine="dev", directory=config.directory, options={})
        issue(authority, machine="dev", directory=config.directory, names=["127.0.0.1"])
    return Host(config, store)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[TLSDaemon]:
    (tmp_path / "served").mkdir()
    with TLSDaemon(str(tmp_path / "served")) as daemon:
        yield daemon


@pytest.fixture
def machine(store: Store, daemon: TLSDaemon) -> Host:
    """One that answers."""
    machine = add(store, daemon.url)
    for name in ("ca.pem", "server.pem", "server-key.pem"):
        shutil.copy(os.path.join(machine.directory, name), daemon.directory)
    daemon.reload()
    return machine


def pem(machine: Host, name: str) -> str:
    return os.path.join(machine.directory, name)


def test_one_that_answers(machine: Host) -> None:
    check(machine)
    variables, warning = setting(Machine(machine), environ={})
    assert (variables["DOCKER_CERT_PATH"], warning) == (machine.directory, "")


@pytest.mark.parametrize("name", ["ca.pem", "cert.pem", "key.pem"])
@pytest.mark.parametrize(
    ("put", "said"),
    [
        (lambda _: None, "No such file or directory"),
        (os.mkfifo, "not a regular file"),
        (lambda path: os.symlink(path, path), "Too many levels of symbolic links"),
        (os.mkdir, "not a regular file"),
    ],
)
def test_files_that_cannot_be_used(machine: Host, name: str, put: Callable[[str], object], said: str) -> None:
    """`env` sees that too, and neither waits for a pipe."""
    os.unlink(pem(machine, name))
    put(pem(machine, name))
    with pytest.raises(MachineUnusable) as failed:
        check(machine)
    assert failed.value.reason == f"open {pem(machine, name)}: {said}"
    assert "dinv regenerate-certs dev" in str(failed.value)
    with pytest.raises(MachineUnusable, match=said):
        setting(Machine(machine), environ={})


def test_a_ca_that_did_not_sign_its_certificate(machine: Host, tmp_path: Path) -> None:
    other = open_authority("local", machine="x", directory=str(tmp_path), options={})
    with open(pem(machine, "ca.pem"), "wb") as file:
        file.write(other.trust_anchor())
    with pytest.raises(MachineUnusable, match="signed by another CA") as failed:
        check(machine)
    assert failed.value.connection
    assert "client_certs=True" in failed.value.hint


def test_a_client_that_it_refuses(machine: Host, tmp_path: Path) -> None:
    other = open_authority("local", machine="x", directory=str(tmp_path), options={})
    issue(other, machine="x", directory=str(tmp_path), names=())
    for name in ("cert.pem", "key.pem"):
        shutil.copy(tmp_path / name, pem(machine, name))
    with pytest.raises(MachineUnusable, match="refused our client certificate"):
        check(machine)


def test_a_file_with_nothing_in_it(machine: Host) -> None:
    with open(pem(machine, "ca.pem"), "wb"):
        pass
    with pytest.raises(MachineUnusable, match="no CA certificate in PEM"):
        check(machine)


def test_half_made(store: Store, daemon: TLSDaemon) -> None:
    machine = add(store, daemon.url, phase="creating")
    for use in (check, check_files, lambda machine: setting(Machine(machine), environ={})):
        with pytest.raises(MachineUnusable, match="create did not finish"):
            use(machine)


def test_one_that_is_not_there_is_not_running(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(MachineNotRunning, match="dinv start dev"):
        check(add(store, f"tcp://127.0.0.1:{port}"))


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Something that listens, and does this with the first connection. Its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def drip(connection: socket.socket) -> None:
    """A byte now and then of a TLS record that has no end: each comes in time, the answer never."""
    for byte in (b"\x16", b"\x03", b"\x03", b"\x40", b"\x00", *([b"\x02"] * 2000)):
        connection.send(byte)
        time.sleep(SECONDS / 10)


def keep_silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


@pytest.mark.parametrize("answer", [keep_silent, drip])
def test_paused_frozen_and_slow_ones_are_given_their_time_and_no_more(
    store: Store, answer: Callable[[socket.socket], None]
) -> None:
    with serving(answer) as url:
        machine = add(store, url)
        before = time.monotonic()
        with pytest.raises(MachineUnusable, match=r"no answer within 0\.4 s") as failed:
            check(machine, timeout=SECONDS)
        # Less than it would take a deadline for each byte, by far.
        assert time.monotonic() - before < 60
    assert failed.value.connection
    assert "dinv status dev" in failed.value.hint


def test_one_that_stalls_for_more_than_a_prompt_waits_is_well(tmp_path: Path) -> None:
    """As right after its start, or with new certificates."""

    def stall(connection: socket.socket) -> None:
        connection.recv(4096)
        time.sleep(LOOK_SECONDS * 1.3)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")

    machines = open_store(str(tmp_path / "store"))
    with serving(stall) as url, machines.create("slow", driver="none", url=url) as machine:
        machine.check()


def test_no_tls_and_no_daemon(store: Store) -> None:
    def hang_up(connection: socket.socket) -> None:
        connection.recv(1)
        connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with serving(hang_up) as url, pytest.raises(MachineUnusable, match="does not speak TLS"):
        check(add(store, url))


def test_hosts_without_tls_are_asked_without(tmp_path: Path) -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK")

    machines = open_store(str(tmp_path / "store"))
    with serving(answer) as url, machines.create("plain", driver="none", url=url) as machine:
        check(machine._host)
    # Nobody here can start it.
    with machines.get("plain") as machine, pytest.raises(MachineUnusable, match="Whoever looks after"):
        check(machine._host)
    with (
        machines.create("odd", driver="none", url="none") as machine,
        pytest.raises(MachineUnusable, match="not an address"),
    ):
        check(machine._host)


def test_a_swarm_that_is_not_there_is_not_the_machines_fault(machine: Host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    machine.config.swarm_options.update(Master=True, Host=f"tcp://0.0.0.0:{port}")
    with pytest.raises(MachineUnusable, match="Maybe swarm is not started"):
        check(machine, swarm=True)
    os.unlink(pem(machine, "key.pem"))
    with pytest.raises(MachineUnusable, match=r"key\.pem"):
        check(machine, swarm=True)


def let_expire(machine: Host, name: str, *, days: int) -> None:
    with open(pem(machine, name), "wb") as file:
        file.write(Own("old", CA if name == "ca.pem" else CLIENT, days=(-90, days)).pem)


def test_certificates_that_have_expired_are_told_everywhere(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dinv.drivers.docker.driver.DockerDriver.states",
        lambda configs, _store, **_: {config.name: Status(RUNNING, "slow") for config in configs},
    )
    assert [row.error for row in statuses(store, timeout=1)] == ["slow"]
    let_expire(machine, "cert.pem", days=-1)
    said = machine.expiry()
    assert said.startswith("its client certificate expired on ")
    assert said.endswith(": dinv regenerate-certs dev")
    assert [row.error for row in statuses(store, timeout=1)] == [f"slow; {said}"]
    monkeypatch.setattr(machine, "status", lambda **_: Status(RUNNING, "slow"))
    assert Machine(machine).status(expiry=True).error == f"slow; {said}"
    assert setting(Machine(machine), environ={})[1] == f'machine "dev": {said}'
    let_expire(machine, "ca.pem", days=-1)
    assert machine.expiry().endswith(": dinv regenerate-certs --client-certs dev")


def test_those_that_soon_will_are_told_by_ls_and_env(
    machine: Host, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dinv.drivers.docker.driver.DockerDriver.states",
        lambda configs, _store, **_: {config.name: Status(RUNNING) for config in configs},
    )
    let_expire(machine, "cert.pem", days=10)
    assert machine.expiry() == ""
    (row,) = statuses(store, timeout=1)
    assert row.error == machine.expiry(soon=True)
    assert row.certificates == machine.certificates
    assert "its client certificate expires on " in setting(Machine(machine), environ={})[1]

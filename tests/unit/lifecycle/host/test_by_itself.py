"""The client's certificate is renewed in the background by the command that notices that it is due."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import aged
import pytest

from dinv.lifecycle.host import by_itself, renewal_mark
from dinv.lifecycle.renew import unattended
from dinv.machine import Machine
from dinv.machines import Machines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.lifecycle.host import Host
    from dinv.store.store import Store

OLD = (-600, 100)
"""Days from now: a third of the life and more has gone, and there is time left."""


@pytest.fixture
def machine(store: Store) -> Host:
    return aged.machine(store)


@pytest.fixture
def spawned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be started, and is not."""
    found: list[list[str]] = []

    def spawn(_store: str, names: list[str]) -> int:
        found.append(names)
        return 2**22 + 1  # no process of ours

    monkeypatch.setattr(by_itself, "_spawn", spawn)
    return found


def mark(host: Host) -> str:
    return os.path.join(host.directory, renewal_mark.MARK)


def serial(host: Host) -> str:
    client = host.certificates.client
    assert client is not None
    return client.serial


def wait_for(what: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nothing_is_started_before_it_is_due(machine: Host, spawned: list[list[str]]) -> None:
    assert Machine(machine).tend() == ""
    aged.age(machine, "client", days=(-400, 425))
    assert Machine(machine).tend() == ""
    assert spawned == []
    assert not os.path.exists(mark(machine))


def test_it_is_started_once(machine: Host, spawned: list[list[str]]) -> None:
    aged.age(machine, "client", days=OLD)
    for _ in range(3):
        assert Machine(machine).tend() == ""
    assert spawned == [["dev"]]
    # An hour later, or an hour before, since clocks are set back: again.
    for hours in (1, -1):
        at = time.time() - hours * 3601
        os.utime(mark(machine), (at, at))
        Machine(machine).tend()
    assert spawned == [["dev"]] * 3


def test_a_list_starts_one_for_all(store: Store, spawned: list[list[str]]) -> None:
    for name, days in (("a", OLD), ("b", (-1, 800)), ("c", OLD)):
        aged.age(aged.machine(store, name), "client", days=days)
    machines = Machines(store.path)
    found = machines.list(timeout=0.5)
    assert len(found) == 3
    machines.tend(found)
    machines.tend(found)
    assert spawned == [["a", "c"]]


def own_pair(host: Host) -> None:
    host.config.auth_options["ClientCertPath"] = "/home/me/cert.pem"


def switched_off(host: Host) -> None:
    os.environ[by_itself.VARIABLE] = "1"


def half_made(host: Host) -> None:
    host.config.ours["Phase"] = "creating"


def renewing(host: Host) -> None:
    os.mkdir(os.path.join(host.directory, ".renewal"))


def upgrading(host: Host) -> None:
    host.config.upgrade = {"Running": True}


def without_driver(host: Host) -> None:
    host.config.document()["DriverName"] = "none"


def of_a_package_that_is_not_there(host: Host) -> None:
    host.config.document()["DriverName"] = "nosuch"


def read_only(host: Host) -> None:
    os.symlink("/nonexistent/mark", mark(host))  # a file that cannot be opened, for root too


@pytest.mark.parametrize(
    "case",
    [
        own_pair,
        switched_off,
        half_made,
        renewing,
        upgrading,
        without_driver,
        of_a_package_that_is_not_there,
        read_only,
    ],
)
def test_when_it_is_not_dinvs_to_do(
    machine: Host,
    spawned: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    case: Callable[[Host], None],
) -> None:
    monkeypatch.setenv(by_itself.VARIABLE, "")
    aged.age(machine, "client", days=OLD)
    case(machine)
    assert by_itself.start([machine]) is None
    assert spawned == []


def test_a_process_that_cannot_be_started_is_a_failure(
    machine: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError("no more processes")

    monkeypatch.setattr(by_itself, "_spawn", broken)
    aged.age(machine, "client", days=OLD)
    Machine(machine).tend()
    assert renewal_mark.failure(machine.directory) == "no more processes"


def test_why_it_failed_is_told_when_it_is_about_to_expire(machine: Host, spawned: list[list[str]]) -> None:
    aged.age(machine, "client", days=OLD)
    Machine(machine).tend()
    aged.age(machine, "client", days=(-600, 5))
    os.unlink(os.path.join(machine.directory, "ca-key.pem"))
    unattended.attempt(machine.store, "dev")
    assert "ca-key.pem" in renewal_mark.failure(machine.directory)
    said = Machine(machine).tend()
    assert said.startswith("its client certificate expires on ")
    assert "dinv regenerate-certs dev. It was not renewed by itself: The CA of machine" in said
    assert len(spawned) == 1


def test_what_another_command_holds_is_tried_again_soon(machine: Host, spawned: list[list[str]]) -> None:
    aged.age(machine, "client", days=OLD)
    before = serial(machine)
    Machine(machine).tend()
    code = (
        "import sys, time; sys.path[:0] = eval(sys.argv[1]); from dinv.store.store import Store\n"
        "with Store(sys.argv[2]).lock('dev', 'testing'): print(flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, repr(sys.path), machine.store.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        unattended.attempt(machine.store, "dev")
        holder.kill()
    assert serial(machine) == before
    assert renewal_mark.failure(machine.directory) == ""
    assert (
        renewal_mark.AGAIN_SECONDS - (time.time() - os.stat(mark(machine)).st_mtime)
        <= renewal_mark.BUSY_SECONDS
    )


def test_a_machine_that_is_gone_is_nobodys_failure(store: Store) -> None:
    unattended.attempt(store, "nosuch")


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_env_starts_a_process_of_its_own_that_does_it(store: Store, port: int) -> None:
    """All of it, once: `env` in a shell that ends at once, and the process after it."""
    host = aged.machine(store, url=f"tcp://127.0.0.1:{port}")
    aged.age(host, "client", days=OLD)
    before = serial(host)
    environ = {**os.environ, "MACHINE_STORAGE_PATH": store.path, "PYTHONPATH": os.pathsep.join(sys.path)}
    # `communicate` waits for the end of its output: the process must not keep that open.
    done = subprocess.run(
        [sys.executable, "-m", "dinv", "env", "--shell", "sh", "dev"],
        capture_output=True,
        text=True,
        env=environ,
        timeout=60,
        check=True,
        start_new_session=True,
    )
    assert "DOCKER_CERT_PATH" in done.stdout
    assert done.stderr == ""
    wait_for(lambda: serial(host) != before)
    wait_for(lambda: not os.path.exists(mark(host)))
    client = host.certificates.client
    assert client is not None
    assert client.life > 800 * 86400
    assert stat.S_IMODE(os.stat(os.path.join(host.directory, "key.pem")).st_mode) == 0o600
    left = {name for name in os.listdir(host.directory) if not name.endswith(".pem")}
    assert left == {".lock", "access.log", "config.json"}


def test_looking_costs_no_import_while_nothing_is_due(store: Store, port: int) -> None:
    aged.machine(store, url=f"tcp://127.0.0.1:{port}")
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from dinv.cli import main; main(['env', '--shell', 'sh', 'dev'])\n"
        "print([name for name in sys.modules if 'by_itself' in name or name == 'dinv.lifecycle.renew'])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "MACHINE_STORAGE_PATH": store.path},
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_tending_says_what_expiry_says(machine: Host, spawned: list[list[str]]) -> None:
    aged.age(machine, "client", "server", days=(-800, 3))
    assert Machine(machine).tend() == Machine(machine).expiry(soon=True) != ""
    assert spawned == [["dev"]]

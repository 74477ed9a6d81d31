"""Machines that docker-machine made: they are found, asked, used and never written."""

from __future__ import annotations

import json
import os
import shutil
import socket
from typing import TYPE_CHECKING, Any

import pytest

from dinv import machines
from dinv.access import connect
from dinv.cli.show.machine_rows import cells
from dinv.drivers.ssh_channel import SSHChannel
from dinv.errors import DinvError, MachineNotRunning, MachineUnusable, NoSwarm, NotSupported
from dinv.listing.active import active
from dinv.listing.asking import statuses
from dinv.shells import env
from dinv.states import ERROR, RUNNING, TIMEOUT
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dinv.machine import Machine

OLD = "/home/ann/.docker/machine"
"""Where the store was when docker-machine wrote it."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def put(path: str, content: bytes = b"PEM", mode: int = 0o600) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    os.chmod(path, mode)


def add(
    store: Store,
    name: str = "dev",
    *,
    driver_name: str = "virtualbox",
    swarm: dict[str, Any] | None = None,
    copies: bool = True,
    **driver: Any,
) -> Machine:
    """A machine as docker-machine 0.16 leaves it, in a store that was moved since."""
    directory = store.directory(name)
    document = {
        "ConfigVersion": 3,
        "Driver": {
            "IPAddress": "127.0.0.1",
            "MachineName": name,
            "SSHUser": "docker",
            "SSHPort": 53507,
            "SSHKeyPath": f"{OLD}/machines/{name}/id_rsa",
            "StorePath": OLD,
            **driver,
        },
        "DriverName": driver_name,
        "HostOptions": {
            "EngineOptions": {"Labels": ["a=b"]},
            "SwarmOptions": swarm or {},
            "AuthOptions": {
                "CertDir": f"{OLD}/certs",
                "CaCertPath": f"{OLD}/certs/ca.pem",
                "CaCertRemotePath": "/etc/docker/ca.pem",
                "ServerCertPath": f"{OLD}/machines/{name}/server.pem",
                "ClientCertPath": f"{OLD}/certs/nosuch.pem",
                "StorePath": f"{OLD}/machines/{name}",
            },
        },
        "Name": name,
    }
    put(os.path.join(directory, "config.json"), json.dumps(document, indent=4).encode())
    for file in ("id_rsa", "server.pem", *(("ca.pem", "cert.pem", "key.pem") if copies else ())):
        put(os.path.join(directory, file))
    for file in ("ca.pem", "cert.pem", "key.pem"):
        put(os.path.join(store.path, "certs", file))
    return machines.open_machines(store.path).get(name)


def given(store: Store, url: str, name: str = "given", **more: Any) -> Machine:
    """A machine of the driver `none`; docker-machine keeps host and port as its address."""
    return add(store, name, driver_name="none", IPAddress=url.removeprefix("tcp://"), URL=url, **more)


@pytest.fixture
def port() -> Iterator[int]:
    """Where a daemon listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def refused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found: int = server.getsockname()[1]
    return found


# Where it is


@pytest.mark.parametrize(
    ("driver_name", "driver", "url", "ip"),
    [
        ("virtualbox", {"IPAddress": "192.168.99.100"}, "tcp://192.168.99.100:2376", "192.168.99.100"),
        ("amazonec2", {"IPAddress": "fd00::7"}, "tcp://[fd00::7]:2376", "fd00::7"),
        ("generic", {"IPAddress": "h", "EnginePort": 2377}, "tcp://h:2377", "h"),
        ("azure", {"IPAddress": "h", "DockerPort": 0}, "tcp://h:2376", "h"),
        ("exoscale", {"IPAddress": "h", "URL": "https://api.example/v1"}, "tcp://h:2376", "h"),
        ("virtualbox", {"IPAddress": ""}, "", ""),
        ("virtualbox", {"IPAddress": ["h"]}, "", ""),
        (
            "none",
            {"IPAddress": "10.0.0.1:2376", "URL": "tcp://10.0.0.1:2376"},
            "tcp://10.0.0.1:2376",
            "10.0.0.1",
        ),
        ("ci-test", {"IPAddress": "", "URL": "none"}, "none", ""),
    ],
)
def test_its_last_known_address(
    store: Store, driver_name: str, driver: dict[str, Any], url: str, ip: str
) -> None:
    machine = add(store, driver_name=driver_name, **driver)
    assert (machine.url, machine.ip) == (url, ip)


def test_one_without_an_address_is_not_running(store: Store) -> None:
    machine = add(store, IPAddress="")
    for ask in (machine.known_url, machine.known_ip):
        with pytest.raises(MachineNotRunning, match="is not running"):
            ask()


def test_how_clients_find_it(store: Store) -> None:
    machine = add(store, IPAddress="192.168.99.100")
    assert machine.environment() == {
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_HOST": "tcp://192.168.99.100:2376",
        "DOCKER_CERT_PATH": machine.directory,
        "DOCKER_MACHINE_NAME": "dev",
    }
    assert machine.docker_flags() == [
        "--tlsverify",
        f'--tlscacert="{machine.directory}/ca.pem"',
        f'--tlscert="{machine.directory}/cert.pem"',
        f'--tlskey="{machine.directory}/key.pem"',
        "-H=tcp://192.168.99.100:2376",
    ]


def test_without_copies_of_its_own_the_stores_certificates_are_meant(store: Store) -> None:
    """docker-machine makes none for the driver `none`, and its `env` led nowhere (#1221)."""
    machine = given(store, "tcp://127.0.0.1:2376", copies=False)
    assert machine.environment()["DOCKER_CERT_PATH"] == os.path.join(store.path, "certs")


def test_a_given_host_without_certificates_has_no_tls(store: Store) -> None:
    machine = given(store, "tcp://127.0.0.1:2375", copies=False)
    shutil.rmtree(os.path.join(store.path, "certs"))
    assert machine.environment() == {
        "DOCKER_HOST": "tcp://127.0.0.1:2375",
        "DOCKER_MACHINE_NAME": "given",
    }
    assert machine.docker_flags() == ["-H=tcp://127.0.0.1:2375"]


def test_env_unsets_what_another_machine_has_set(store: Store, port: int) -> None:
    machine = given(store, f"tcp://127.0.0.1:{port}", copies=False)
    shutil.rmtree(os.path.join(store.path, "certs"))
    variables, warning = env.setting(machine, environ={})
    assert warning == ""
    assert variables["DOCKER_TLS_VERIFY"] is None
    assert variables["DOCKER_CERT_PATH"] is None
    assert variables["DOCKER_HOST"] == f"tcp://127.0.0.1:{port}"


def test_env_of_one_that_refuses_says_so_and_not_how_dinv_starts_it(store: Store, refused: int) -> None:
    machine = add(store, "vm", EnginePort=refused)
    with pytest.raises(MachineNotRunning, match="docker-machine has its driver"):
        env.setting(machine, environ={})
    machine = given(store, f"tcp://127.0.0.1:{refused}")
    with pytest.raises(MachineUnusable, match="Whoever looks after its daemon has to start it"):
        env.setting(machine, environ={})


# A store that was moved


def test_files_are_found_where_the_store_is_now(store: Store) -> None:
    machine = add(store)
    shown = machine.inspect()
    auth = shown["HostOptions"]["AuthOptions"]
    assert shown["Driver"]["StorePath"] == store.path
    assert shown["Driver"]["SSHKeyPath"] == f"{machine.directory}/id_rsa"
    assert auth["CertDir"] == f"{store.path}/certs"
    assert auth["StorePath"] == machine.directory
    assert auth["ServerCertPath"] == f"{machine.directory}/server.pem"
    assert auth["CaCertPath"] == f"{machine.directory}/ca.pem"
    assert auth["CaCertRemotePath"] == "/etc/docker/ca.pem"
    assert auth["ClientCertPath"] == f"{OLD}/certs/nosuch.pem"
    assert shown["HostOptions"]["EngineOptions"]["Labels"] == ["a=b"]


def test_paths_that_are_right_stay(store: Store, tmp_path: Path) -> None:
    key = str(tmp_path / "elsewhere" / "id_rsa")
    put(key)
    assert add(store, SSHKeyPath=key).inspect()["Driver"]["SSHKeyPath"] == key


def test_a_store_of_windows(store: Store) -> None:
    machine = add(store, SSHKeyPath=r"C:\Users\ann\.docker\machine\machines\dev\id_rsa", StorePath=r"C:\gone")
    shown = machine.inspect()["Driver"]
    assert shown["SSHKeyPath"] == f"{machine.directory}/id_rsa"
    assert shown["StorePath"] == store.path


# Whether it answers


def test_each_is_asked_once_and_what_is_known_is_told(store: Store, port: int, refused: int) -> None:
    given(store, f"tcp://127.0.0.1:{port}", "up")
    given(store, f"tcp://127.0.0.1:{refused}", "down")
    given(store, "none", "odd")
    given(store, "unix:///nosuch/docker.sock", "gone")
    given(store, "tcp://127.0.0.1", "wild")
    add(store, "vm", IPAddress="")
    found = {row.name: row for row in statuses(store, timeout=20, environ={})}
    assert {name: row.status.state for name, row in found.items()} == {
        "down": RUNNING,  # of those without a driver docker-machine knows no other state
        "gone": RUNNING,
        "odd": RUNNING,
        "up": RUNNING,
        "vm": ERROR,
        "wild": RUNNING,
    }
    assert found["up"].url == f"tcp://127.0.0.1:{port}"
    assert f"tcp://127.0.0.1:{refused}" in cells(found["down"])
    assert "Connection refused" in found["down"].status.error
    assert "no address" in found["vm"].status.error
    assert "none" in found["odd"].status.error


@pytest.mark.parametrize(("tls", "expected"), [(True, 2376), (False, 2375)])
def test_a_url_without_a_port_means_dockers_own(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, tls: bool, expected: int
) -> None:
    machine = given(store, "tcp://127.0.0.1/", copies=False)
    if not tls:
        shutil.rmtree(os.path.join(store.path, "certs"))
    asked: list[object] = []

    def connect_all(hosts: set[tuple[str, int]], *, timeout: float) -> dict[tuple[str, int], str]:
        asked.extend(hosts)
        return {}

    monkeypatch.setattr("dinv.drivers.listening.connect_all", connect_all)
    list(statuses(store, timeout=0.5, environ={}))
    monkeypatch.setattr(connect, "_connect", lambda *where: asked.append(where))
    assert env.setting(machine, environ={})[1] == ""
    assert asked == [("127.0.0.1", expected)] * 2
    assert machine.ip == "127.0.0.1"


def test_one_that_says_nothing_is_timed_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dinv.drivers.listening.connect_all", lambda _hosts, **_: {})
    add(store)
    (row,) = statuses(store, timeout=0.5, environ={})
    assert row.status.state == TIMEOUT
    assert "0.5 s" in row.status.error


def test_the_active_one(store: Store, port: int) -> None:
    given(store, f"tcp://127.0.0.1:{port}", "up")
    environ = {"DOCKER_HOST": f"tcp://127.0.0.1:{port}"}
    config = active(store, timeout=20, environ=environ)
    assert config is not None
    assert config.name == "up"


def test_asking_one_machine(store: Store, port: int, refused: int) -> None:
    assert given(store, f"tcp://127.0.0.1:{port}", "up").status().running
    down = given(store, f"tcp://127.0.0.1:{refused}", "down").status()
    assert (down.state, "Connection refused" in down.error) == (RUNNING, True)
    vm = add(store, "vm", IPAddress="127.0.0.1", EnginePort=refused)
    assert vm.status().state == ERROR
    with pytest.raises(MachineNotRunning, match="Connection refused"):
        vm.daemon_version()


def test_commands_go_into_it_by_ssh(store: Store, port: int) -> None:
    machine = add(store, "vm", EnginePort=port)
    assert isinstance(machine.channel(), SSHChannel)
    with pytest.raises(NotSupported, match="by its URL"):
        given(store, f"tcp://127.0.0.1:{port}").channel()


def test_names_that_differ_in_case_only_are_all_listed(store: Store) -> None:
    """docker-machine showed one of them twice."""
    for name in ("L1", "l1", "l2"):
        add(store, name, IPAddress="")
    assert sorted(row.name for row in statuses(store, timeout=2, environ={})) == ["L1", "l1", "l2"]


# Never written


def test_what_needs_its_driver_says_so_and_nothing_is_written(store: Store) -> None:
    machine = add(store)
    before = {
        name: os.stat(os.path.join(machine.directory, name)).st_mtime_ns
        for name in os.listdir(machine.directory)
    }
    for change in (machine.stop, machine.kill, machine.channel, machine.logs):
        with pytest.raises(DinvError):
            change()
    with pytest.raises(NotSupported, match="driver virtualbox, which dinv does not have"):
        machine.stop()
    with pytest.raises(NotSupported, match="virtualbox"):
        machines.open_machines(store.path).remove("dev")
    machine.inspect()
    after = {name: os.stat(os.path.join(machine.directory, name)).st_mtime_ns for name in before}
    assert after == before


def test_a_given_host_has_no_driver_to_miss(store: Store) -> None:
    machine = given(store, "tcp://127.0.0.1:2376")
    with pytest.raises(NotSupported, match="by its URL"):
        machine.kill()
    machines.open_machines(store.path).remove("given")
    assert store.names() == []


# Classic swarm


def test_the_address_of_a_swarm_master(store: Store) -> None:
    machine = add(
        store,
        IPAddress="192.168.99.100",
        swarm={"Master": True, "IsSwarm": True, "Host": "tcp://0.0.0.0:3376"},
    )
    assert machine.swarm_url() == "tcp://192.168.99.100:3376"
    with pytest.raises(NoSwarm, match='"other" is not the master'):
        add(store, "other").swarm_url()
    with pytest.raises(MachineNotRunning):
        add(store, "odd", swarm={"Master": True, "Host": "3376"}).swarm_url()

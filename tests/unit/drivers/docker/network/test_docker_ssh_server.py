"""Where the SSH server of a machine is reached, if its image has one."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import MOUNTS, new_driver
from fake_engine import FakeEngine, port_taken

from dinv.drivers import AddressTaken
from dinv.drivers.docker import image
from dinv.drivers.docker.network import ports, ssh_port
from dinv.errors import PreCreateCheckFailed
from dinv.labels import LABEL_SSH_PORT
from dinv.pki import ssh_keys
from dinv.progress import Progress
from dinv.store.record import READY
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.drivers.docker.driver import DockerDriver


def inspected(features: str) -> dict[str, Any]:
    labels = {"io.dinv.image.contract": "dinv", "io.dinv.image.features": features}
    return {"Id": "sha256:2", "Config": {"Labels": labels}}


def created(
    engine: FakeEngine, store: Store, *, features: str = "services, sshd", name: str = "dev", **values: Any
) -> DockerDriver:
    """A machine that is made, and not started."""
    driver = new_driver(engine, name, store=store, **values)
    os.makedirs(driver.config.directory, exist_ok=True)
    driver.pre_create_check(Progress())
    image.take(driver.site, "dinv:sshd", inspected(features))
    driver.create({}, (), MOUNTS)
    return driver


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def give_keys(driver: DockerDriver) -> None:
    ssh_keys.server_key(driver.config.directory, "dev", "dinv-x")


def published(driver: DockerDriver) -> list[tuple[str, int, int]]:
    return [
        (each["Address"], each["Port"], each["MachinePort"]) for each in driver.config.driver["PublishPorts"]
    ]


def ssh_fields(driver: DockerDriver) -> tuple[str, int, str]:
    kept = driver.config.driver
    return kept["SSHUser"], kept["SSHPort"], kept["SSHKeyPath"]


def test_without_a_server_nothing_is_different(store: Store) -> None:
    driver = created(FakeEngine(), store, features="services", publish="127.0.0.1")
    give_keys(driver)
    assert driver.features == {"services"}
    assert published(driver) == []
    assert ssh_fields(driver) == ("", 0, "")
    assert driver.ssh_server() is None
    assert driver.ssh_address() is None


def test_a_published_machine_has_its_server_published_too(store: Store) -> None:
    engine = FakeEngine()
    driver = created(engine, store, publish="127.0.0.1")
    ((address, port, inside),) = published(driver)
    assert (address, inside) == ("127.0.0.1", 22)
    assert port != driver.config.driver["Port"]
    assert ssh_fields(driver) == ("root", port, "machines/dev/id_ed25519")
    made = engine.containers.inspect("dinv-dev")
    assert made["HostConfig"]["PortBindings"]["22/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]
    assert made["Config"]["Labels"][LABEL_SSH_PORT] == str(port)
    # Whoever finishes the create when it is killed now knows the port.
    assert store.load("dev").driver["PublishPorts"] == driver.config.driver["PublishPorts"]


def test_the_port_of_a_stopped_machine_is_not_free(store: Store) -> None:
    engine = FakeEngine()
    ((_, port, _),) = published(created(engine, store, publish="127.0.0.1"))
    assert ports.used_ports(new_driver(engine, "other", store=store).site)[port] == "dinv-dev"


def test_ports_of_the_users_own_stay(store: Store) -> None:
    driver = created(FakeEngine(), store, publish="127.0.0.1", publish_ports=["8080:80", "2222:22"])
    assert published(driver) == [("127.0.0.1", 8080, 80), ("127.0.0.1", 2222, 22)]
    assert ssh_fields(driver)[1] == 2222


def test_a_port_that_is_taken_is_passed_over(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ((_, first, _),) = published(created(FakeEngine(), store, publish="127.0.0.1"))
    monkeypatch.setattr(ports, "can_bind", lambda _address, port: port != first)
    ((_, second, _),) = published(created(FakeEngine(), store, publish="127.0.0.1"))
    assert second == first + 1


@pytest.mark.parametrize("finished", [False, True])
def test_a_port_that_somebody_got_first_is_chosen_anew_while_it_is_made(
    store: Store, *, finished: bool
) -> None:
    engine = FakeEngine()
    driver = created(engine, store, publish="127.0.0.1", publish_ports=["8080:80"])
    before, (own, (_, first, _)) = driver.url, published(driver)
    engine.containers.refusal = port_taken(first)
    if finished:
        driver.config.ours["Phase"] = READY
        with pytest.raises(PreCreateCheckFailed, match=f'127.0.0.1:{first} of machine "dev" is in use'):
            driver.start(timeout=1)
        return
    with pytest.raises(AddressTaken):
        driver.start(timeout=1)
    engine.containers.refusal = None
    driver.move()
    driver.create({}, (), MOUNTS)
    assert published(driver) == [own, ("127.0.0.1", first + 1, 22)]
    assert ssh_fields(driver)[1] == first + 1
    assert driver.url == before, "its daemon's was free"


def test_where_no_port_is_left_commands_go_in_as_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = new_driver(FakeEngine(), store=store, publish="127.0.0.1")
    driver.pre_create_check(Progress())
    monkeypatch.setattr(ports, "can_bind", lambda *_: False)
    assert not ssh_port.publish(driver.site)
    assert driver.config.driver["PublishPorts"] == []
    driver.config.driver["ImageFeatures"] = ["sshd"]
    assert driver.ssh_server() is None


def test_at_an_address_of_its_own_it_is_at_port_22(store: Store) -> None:
    driver = created(FakeEngine(), store, publish="none")
    driver.config.driver["OwnAddress"] = "10.9.0.5"
    driver.site.settle_address()
    assert published(driver) == []
    assert ssh_fields(driver) == ("root", 22, "machines/dev/id_ed25519")
    assert driver.ssh_server() is None  # its key is not known yet
    give_keys(driver)
    address = driver.ssh_server()
    assert address is not None
    assert (address.host, address.port, address.user) == ("10.9.0.5", 22, "root")
    assert address.key == os.path.join(driver.config.directory, "id_ed25519")
    assert address.checking["HostKeyAlias"] == "dinv-x"
    assert address.checking["StrictHostKeyChecking"] == "yes"


def test_a_vch_publishes_it_at_its_own_address(store: Store) -> None:
    engine = FakeEngine(
        host="vch.test", info={"ID": "vSphere Integrated Containers", "ServerVersion": "v1.5.0"}
    )
    driver = created(engine, store)
    assert driver.config.driver["Port"]
    ((address, port, inside),) = published(driver)
    assert (address, inside) == ("", 22)
    made = engine.containers.inspect("dinv-dev")
    assert made["HostConfig"]["PortBindings"]["22/tcp"] == [{"HostIp": "", "HostPort": str(port)}]
    assert port not in ports.services_of(driver.site)
    give_keys(driver)
    found = driver.ssh_server()
    assert found is not None
    assert (found.host, found.port) == ("vch.test", port)


def test_a_machine_made_anew_without_a_server_forgets_it(store: Store) -> None:
    driver = created(FakeEngine(), store, publish="127.0.0.1")
    image.take(driver.site, "dinv:latest", inspected("services"))
    image.take_features(driver.site)
    assert driver.features == {"services"}
    assert ssh_fields(driver) == ("", 0, "")


@pytest.mark.parametrize("state", ["answers", "stopped", "refuses"])
def test_it_is_used_where_it_answers(store: Store, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine()
    driver = created(engine, store, publish="127.0.0.1")
    give_keys(driver)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    if state != "stopped":
        driver.start(timeout=5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        driver.config.driver["PublishPorts"][0]["Port"] = server.getsockname()[1]
        if state == "refuses":
            server.close()
        assert (driver.ssh_address() is not None) is (state == "answers")
        monkeypatch.setattr("shutil.which", lambda _name: None)
        assert driver.ssh_address() is None

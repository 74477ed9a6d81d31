"""Containers that somebody else has made, looked at: what they are, where they are, and what is refused."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import new_driver
from fake_engine import FakeEngine

from dinv.drivers.docker import adoption
from dinv.drivers.docker.adoption import examine
from dinv.errors import CannotAdopt, NotSupported
from dinv.images.dch_photon import DchPhotonContract
from dinv.images.dind import DindContract
from dinv.progress import Progress
from dinv.states import RUNNING
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dinv.drivers.docker.driver import DockerDriver

TLS_SAYS = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"
ANY = "0.0.0.0"  # noqa: S104  (as an engine says it)
PLAIN_SAYS = b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK"


class Listener:
    """A daemon's port that has one answer to everything."""

    def __init__(self, says: bytes) -> None:
        self.says = says
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)  # or who waits for a client gets one more
        self.server.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client:
                if client.recv(4096):
                    client.sendall(self.says)


@pytest.fixture
def daemon() -> Iterator[Listener]:
    """One that speaks TLS."""
    listener = Listener(TLS_SAYS)
    yield listener
    listener.close()


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def photon(engine: FakeEngine, port: int, **changes: Any) -> dict[str, Any]:
    """A dch-photon as its users start it."""
    found: dict[str, Any] = {
        "Id": "id-of-photon",
        "Name": "/photon",
        "Config": {
            "Entrypoint": ["/dinv"],
            "Cmd": ["-tlsverify"],
            "Image": "vmware/dch-photon:18.06",
            "Labels": None,
        },
        "HostConfig": {"Privileged": True, "NetworkMode": "default"},
        "Mounts": [
            {"Name": "images", "Destination": "/var/lib/docker"},
            {"Name": "x", "Destination": "/certs"},
        ],
        "NetworkSettings": {
            "Networks": {"bridge": {"IPAddress": "127.0.0.1"}},
            "Ports": {"2376/tcp": [{"HostIp": ANY, "HostPort": str(port)}], "2375/tcp": None},
        },
        "State": {"Status": "running", "Running": True},
    }
    for key, value in changes.items():
        found[key] = (
            {**found[key], **value} if isinstance(value, dict) and isinstance(found[key], dict) else value
        )
    engine.containers.there["photon"] = found
    return found


def adopted(engine: FakeEngine, tmp_path: Path, name: str = "dev") -> DockerDriver:
    driver = new_driver(engine, name, store=Store(str(tmp_path)))
    driver.config.ours["ImageContract"] = examine(driver.site, "photon", Progress())
    driver.config.ours["Phase"] = READY
    return driver


def refused(engine: FakeEngine, tmp_path: Path) -> str:
    with pytest.raises(CannotAdopt) as caught:
        adopted(engine, tmp_path)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_what_is_found_of_it(engine: FakeEngine, daemon: Listener, tmp_path: Path) -> None:
    photon(engine, daemon.port)
    driver = adopted(engine, tmp_path)
    kept = driver.config.driver
    assert (kept["Container"], kept["ContainerID"], kept["CacheVolume"]) == (
        "photon",
        "id-of-photon",
        "images",
    )
    assert (kept["Isolation"], kept["Image"]) == ("privileged", "vmware/dch-photon:18.06")
    assert driver.url == f"tcp://127.0.0.1:{daemon.port}"
    assert "127.0.0.1" in driver.addresses()
    assert engine.calls == []


def test_it_is_known_by_its_id_and_left_when_it_goes(
    engine: FakeEngine, daemon: Listener, tmp_path: Path
) -> None:
    found = photon(engine, daemon.port, Config={"Labels": {}})
    driver = adopted(engine, tmp_path)
    assert driver.state(timeout=1).state == RUNNING
    (line,) = driver.remove()
    assert "docker rm -f photon" in line
    assert "docker exec photon sh -c 'rm -rf /certs/*'" in line
    assert "photon" in engine.containers.there
    with pytest.raises(NotSupported, match="was adopted"):
        driver.replacement()
    found["Id"] = "another"
    assert "gone" in driver.state(timeout=1).error


def test_a_port_that_moves_is_followed(engine: FakeEngine, daemon: Listener, tmp_path: Path) -> None:
    found = photon(engine, daemon.port)
    driver = adopted(engine, tmp_path)
    found["State"] = {"Status": "exited", "Running": False}
    found["NetworkSettings"]["Ports"] = {"2376/tcp": [{"HostIp": ANY, "HostPort": "4711"}]}
    driver.config.ours["ImageContract"] = "dinv"  # whose files are not looked at
    driver.start(timeout=1)
    assert driver.url == "tcp://127.0.0.1:4711"
    assert driver.port_moves


def test_at_its_own_address_where_no_port_is_published(
    engine: FakeEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption, "_speaks_tls", lambda *_: None)
    photon(
        engine,
        0,
        NetworkSettings={"Ports": {"2376/tcp": None}, "Networks": {"n": {"IPAddress": "172.18.0.2"}}},
    )
    assert adopted(engine, tmp_path).url == "tcp://172.18.0.2:2376"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"State": {"Running": False, "Status": "exited"}}, "docker start photon"),
        ({"HostConfig": {"AutoRemove": True}}, "--rm"),
        ({"HostConfig": {"NetworkMode": "host"}}, "own network"),
        ({"Config": {"Entrypoint": ["nginx"], "Cmd": ["-g"]}}, "it runs nginx -g, which is neither"),
        ({"Config": {"Labels": {"io.dinv.id": "x", "io.dinv.machine": "web"}}}, "dinv export"),
        ({"Config": {"Cmd": None}}, "docker rm -f photon, then dinv create --cache-volume images dev"),
        ({"Mounts": [], "Config": {"Cmd": []}}, "docker rm -f photon, then dinv create dev"),
        ({"NetworkSettings": {"Ports": {"2375/tcp": [{"HostPort": "2375"}]}}}, "plain TCP only"),
        ({"NetworkSettings": {"Ports": None, "Networks": {}}}, "publishes no port 2376"),
    ],
)
def test_what_cannot_be_adopted(
    engine: FakeEngine, daemon: Listener, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    photon(engine, daemon.port, **changes)
    assert words in refused(engine, tmp_path)
    assert engine.calls == []


def test_one_that_is_not_there(engine: FakeEngine, tmp_path: Path) -> None:
    assert "no such container" in refused(engine, tmp_path)


def test_one_that_is_a_machine_already(engine: FakeEngine, daemon: Listener, tmp_path: Path) -> None:
    photon(engine, daemon.port)
    store = Store(str(tmp_path))
    config = MachineConfig.new(
        name="old", store_path=store.path, driver_name="docker", identity="y", created="now"
    )
    config.driver["ContainerID"] = "id-of-photon"
    with store.claim("old", "adopting it"):
        store.save(config)
    assert 'it is the machine "old" of this store' in refused(engine, tmp_path)


def test_a_daemon_without_tls_and_one_that_is_not_there(engine: FakeEngine, tmp_path: Path) -> None:
    plain = Listener(PLAIN_SAYS)
    photon(engine, plain.port)
    assert "without TLS" in refused(engine, tmp_path)
    plain.close()
    assert "does not answer" in refused(engine, tmp_path)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["-tlsverify"], ""),
        (["--tlsverify=true", "-storage", "overlay2"], ""),
        (["-tls"], "asks no client"),
        (["-tlsverify=false"], "2375 by plain TCP"),
        (["-tlsverify", "-local"], "-local"),
        (None, "without -tlsverify"),
    ],
)
def test_the_flags_of_dch_photon(command: list[str] | None, words: str) -> None:
    said = DchPhotonContract().cannot_adopt({"Cmd": command})
    assert words in said
    assert bool(words) == bool(said)


@pytest.mark.parametrize(
    ("variables", "command", "words"),
    [
        (["DOCKER_TLS_CERTDIR=/certs", "A=b"], None, ""),
        (["DOCKER_TLS_CERTDIR=/certs"], ["--mtu=1400"], ""),
        (["DOCKER_TLS_CERTDIR="], [], "plain TCP"),
        ([], [], "plain TCP"),
        (["DOCKER_TLS_CERTDIR=/tls"], [], "in /tls"),
        (["DOCKER_TLS_CERTDIR=/certs"], ["dockerd", "-H", "tcp://0.0.0.0"], "told to run dockerd"),
    ],
)
def test_the_entrypoint_of_dind(variables: list[str], command: list[str] | None, words: str) -> None:
    said = DindContract().cannot_adopt({"Env": variables, "Cmd": command})
    assert words in said
    assert bool(words) == bool(said)

"""Published ports, container networks, bridge networks of a simulated VCH."""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from typing import TYPE_CHECKING, Any

import docker
import pytest
from free_port import free_port
from vch_client import body, make

from dinv.errors import Conflict, EngineError, NotFound, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vch_client import Connect, Simulate

    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

SERVE = "echo served > /www/index.html; exec httpd -f -p 80 -h /www"


def _served(address: str, port: int, *, seconds: float = 20) -> bool:
    """Whether the container's web server answers, given a while to come up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1) as sock:
            sock.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
            sock.settimeout(5)
            if b"200 OK" in sock.recv(1000):
                return True
        time.sleep(0.05)
    return False


def _publish(port: int | str, address: str = "") -> dict[str, Any]:
    return {"80/tcp": [{"HostIp": address, "HostPort": str(port)}]}


@pytest.fixture
def lan(engine: Engine) -> Iterator[str]:
    """A network on the engine behind, to be a container network. Named first, it goes after its simulator."""
    name = f"dinv-vch-test-{uuid.uuid4().hex[:8]}"
    engine.json(
        "POST",
        "/networks/create",
        body={"Name": name, "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.219.84.0/24"}]}},
    )
    yield name
    engine.networks.remove(name)


# Ports


def test_a_port_is_published_on_the_vch(client: Engine) -> None:
    port = free_port()
    make(client, "web", SERVE, PortBindings=_publish(port))
    client.containers.start("web")
    assert _served("127.0.0.1", port)
    shown = client.containers.inspect("web")
    assert shown["NetworkSettings"]["Ports"] == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    assert shown["HostConfig"]["PortBindings"] == shown["NetworkSettings"]["Ports"]
    assert shown["NetworkSettings"]["IPAddress"] == ""
    assert shown["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    (listed,) = client.containers.list()
    assert listed["Ports"] == [
        {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": port, "Type": "tcp"},
    ]
    client.containers.stop("web", grace=0)
    assert client.containers.inspect("web")["NetworkSettings"]["Ports"] == shown["NetworkSettings"]["Ports"]
    assert client.containers.list(all=True)[0]["Ports"] is None


def test_the_port_of_the_api_itself(vch: VchSimulator, connect: Connect) -> None:
    """It is published, and what answers there from then on is the container; only vSphere can end that."""
    client = connect(vch)
    make(client, "web", SERVE, PortBindings=_publish(vch.port))
    client.containers.start("web")
    assert _served("127.0.0.1", vch.port), "the container answers where the API was"
    with pytest.raises(EngineError):
        connect(vch).info()
    vch.power_off("web")
    assert connect(vch).info()["ContainersRunning"] == 0


def test_conflicts_show_at_start(client: Engine) -> None:
    port = free_port()
    make(client, "one", PortBindings=_publish(port))
    make(client, "two", PortBindings=_publish(port))
    client.containers.start("one")
    with pytest.raises(ServerError, match=f"portlayer: error mapping ports: port {port} is not available"):
        client.containers.start("two")
    client.containers.stop("one", grace=0)
    client.containers.start("two")


def test_a_port_that_somebody_else_has(client: Engine) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        make(client, "dev", PortBindings=_publish(port))
        with pytest.raises(ServerError, match=f"error mapping ports: port {port} is not available"):
            client.containers.start("dev")
    client.containers.start("dev")


def test_a_port_of_the_vchs_choice(client: Engine) -> None:
    make(client, "web", SERVE, PortBindings=_publish(""))
    client.containers.start("web")
    (binding,) = client.containers.inspect("web")["NetworkSettings"]["Ports"]["80/tcp"]
    assert _served("127.0.0.1", int(binding["HostPort"]))


def test_what_cannot_be_published(client: Engine) -> None:
    with pytest.raises(ServerError, match="from portlayer: host port ranges are not supported"):
        make(client, "dev", PortBindings=_publish("8000-8010"))
    with pytest.raises(ServerError, match="from portlayer: host IP for port bindings is only supported for"):
        make(client, "dev", PortBindings=_publish(8000, "10.9.8.7"))
    for address in ("", "0.0.0.0", "127.0.0.1"):  # noqa: S104
        client.containers.remove(make(client, "dev", PortBindings=_publish(8000, address)))


# Container networks


def test_a_container_network_gives_an_address(lan: str, simulate: Simulate, connect: Connect) -> None:
    vch = simulate(container_networks={"public": lan})
    engine = connect(vch)
    made = make(engine, "web", SERVE, NetworkMode="public", PortBindings=_publish(80))
    engine.containers.start(made)
    shown = engine.containers.inspect("web")["NetworkSettings"]
    address = shown["Networks"]["public"]["IPAddress"]
    assert address.startswith("10.219.84.")
    assert shown["Ports"] == {"80/tcp": [{"HostIp": address, "HostPort": "80"}]}
    assert _served(address, 80)
    assert not engine.containers.list(filters={"network": ["bridge"]})
    assert engine.containers.list(filters={"network": ["public"]})


def test_without_p_the_firewall_lets_nothing_in(lan: str, simulate: Simulate, connect: Connect) -> None:
    engine = connect(simulate(container_networks={"public": lan}))
    engine.containers.start(make(engine, "web", SERVE, NetworkMode="public"))
    shown = engine.containers.inspect("web")["NetworkSettings"]
    address = shown["Networks"]["public"]["IPAddress"]
    assert address.startswith("10.219.84.")
    assert not shown["Ports"]
    assert not _served(address, 80, seconds=2)


def test_an_address_that_was_asked_for(lan: str, simulate: Simulate, connect: Connect) -> None:
    engine = connect(simulate(container_networks={"public": lan}))
    asked = body(SERVE, NetworkMode="public", PortBindings=_publish(80))
    endpoint = {"public": {"IPAMConfig": {"IPv4Address": "10.219.84.50"}}}
    engine.containers.create("web", {**asked, "NetworkingConfig": {"EndpointsConfig": endpoint}})
    engine.containers.start("web")
    assert (
        engine.containers.inspect("web")["NetworkSettings"]["Networks"]["public"]["IPAddress"]
        == "10.219.84.50"
    )
    assert _served("10.219.84.50", 80)


def test_addresses_by_dhcp(lan: str, simulate: Simulate, connect: Connect) -> None:
    from dinv.testing.vch import ContainerNetwork

    engine = connect(simulate(container_networks=[ContainerNetwork("public", lan, dhcp=True)]))
    asked = body(NetworkMode="public", PortBindings=_publish(80))
    endpoint = {"public": {"IPAMConfig": {"IPv4Address": "10.219.84.50"}}}
    with pytest.raises(ServerError, match="no IP range"):
        engine.containers.create("web", {**asked, "NetworkingConfig": {"EndpointsConfig": endpoint}})
    make(engine, "web", NetworkMode="public", PortBindings=_publish(80))
    with pytest.raises(ServerError, match="context deadline exceeded"):
        engine.containers.start("web")
    make(engine, "named", NetworkMode="public", PortBindings=_publish(80), Dns=["10.219.84.1"])
    engine.containers.start("named")


def test_two_containers_on_one_network_may_want_the_same_port(
    lan: str, simulate: Simulate, connect: Connect
) -> None:
    engine = connect(simulate(container_networks={"public": lan}))
    for name in ("one", "two"):
        engine.containers.start(make(engine, name, NetworkMode="public", PortBindings=_publish(2376)))


def test_network_ls(lan: str, simulate: Simulate) -> None:
    vch = simulate(container_networks={"public": lan})
    docker_py = docker.DockerClient(base_url=vch.address, version="1.25")
    try:
        assert {each.name: each.attrs["Driver"] for each in docker_py.networks.list()} == {
            "bridge": "bridge",
            "public": "external",
        }
    finally:
        docker_py.close()


def test_the_engine_behind_has_to_have_the_network(simulate: Simulate) -> None:
    from dinv.errors import InputError

    with pytest.raises(InputError, match="has no network nothing-of-this-name"):
        simulate(container_networks={"public": "nothing-of-this-name"})


# Bridge networks


def test_one_network_at_create(client: Engine) -> None:
    client.json("POST", "/networks/create", body={"Name": "back"})
    two: dict[str, Any] = {"EndpointsConfig": {"bridge": {}, "back": {}}}
    with pytest.raises(ServerError, match="Container can be connected to one vicnetwork endpoint only"):
        client.containers.create("dev", {**body(), "NetworkingConfig": two})
    make(client, "dev")
    client.json("POST", "/networks/back/connect", body={"Container": "dev"})
    client.containers.start("dev")
    assert set(client.containers.inspect("dev")["NetworkSettings"]["Networks"]) == {"bridge", "back"}
    with pytest.raises(Conflict):
        client.json("POST", "/networks/back/connect", body={"Container": "dev"})
    with pytest.raises(ServerError, match="does not yet implement DisconnectContainerFromNetwork"):
        client.json("POST", "/networks/back/disconnect", body={"Container": "dev"})
    client.containers.stop("dev", grace=0)
    with pytest.raises(ServerError, match="back has active endpoints"):
        client.networks.remove("back")
    client.containers.remove("dev")
    client.networks.remove("back")


def test_a_network_that_nobody_was_started_on_can_be_removed(client: Engine) -> None:
    client.json("POST", "/networks/create", body={"Name": "back"})
    make(client, "dev", NetworkMode="back")
    client.networks.remove("back")


def test_containers_of_a_network_know_each_other_by_name(client: Engine) -> None:
    client.json("POST", "/networks/create", body={"Name": "back"})
    client.containers.start(make(client, "web", NetworkMode="back"))
    client.containers.start(make(client, "user", NetworkMode="back"))
    address = client.containers.inspect("web")["NetworkSettings"]["Networks"]["back"]["IPAddress"]
    out: list[bytes] = []
    # Whether it is answered depends on the engine behind and its firewall; the name is what counts.
    client.execs.run("user", ["ping", "-c", "1", "-w", "1", "web"], stdout=out.append, timeout=60)
    assert f"PING web ({address})".encode() in b"".join(out)


def test_networks_that_cannot_be(vch: VchSimulator, client: Engine) -> None:
    with pytest.raises(ServerError, match="scope type not supported"):
        client.json("POST", "/networks/create", body={"Name": "back", "Driver": "overlay"})
    two = {"Config": [{"Subnet": "10.219.86.0/24"}, {"Subnet": "10.219.87.0/24"}]}
    with pytest.raises(EngineError, match="one ipam config"):
        client.json("POST", "/networks/create", body={"Name": "back", "IPAM": two})
    with pytest.raises(ServerError, match="cannot remove builtin scope"):
        client.networks.remove("bridge")
    client.json("POST", "/networks/create", body={"Name": "here"})
    with pytest.raises(Conflict, match="vicnetwork here already exists"):
        client.json("POST", "/networks/create", body={"Name": "here"})
    with pytest.raises(NotFound, match="network back not found"):
        client.networks.inspect("back")
    assert not vch.calls.unimplemented

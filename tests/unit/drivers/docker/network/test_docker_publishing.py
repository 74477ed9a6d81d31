"""Further ports that a machine's endpoint publishes."""

from __future__ import annotations

from typing import Any

import pytest
from docker_machine import container, made
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

from dinv.drivers.docker.network import publishing
from dinv.errors import InputError, PreCreateCheckFailed, ServerError


def entry(port: int, into: int, protocol: str = "tcp", address: str = "") -> dict[str, Any]:
    return {"Address": address, "Port": port, "MachinePort": into, "Protocol": protocol}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8080", [entry(8080, 8080)]),
        ("8080:80", [entry(8080, 80)]),
        ("8000-8002", [entry(8000, 8000), entry(8001, 8001), entry(8002, 8002)]),
        ("8000-8001:80-81/udp", [entry(8000, 80, "udp"), entry(8001, 81, "udp")]),
        ("5353:53/udp", [entry(5353, 53, "udp")]),
        ("127.0.0.1:8080", [entry(8080, 8080, address="127.0.0.1")]),
        ("10.0.0.1:8080:80/tcp", [entry(8080, 80, address="10.0.0.1")]),
        ("[::1]:8080:80", [entry(8080, 80, address="::1")]),
        ("2376/udp", [entry(2376, 2376, "udp")]),
    ],
)
def test_what_is_asked_for(text: str, found: list[dict[str, Any]]) -> None:
    assert publishing.parse([text]) == found


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "0", "65536", "8-7", "80:", ":80", "80:80:80", "80/sctp", "8000-8019:80", "300.1.1.1:80"),
        *("2376", "8000:2376", "2370-2380", "1000-2000", "[::g]:80", "80 ", "-80", "80-"),
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(InputError, match="publish_ports"):
        publishing.parse([text])


def test_twice_is_a_mistake() -> None:
    with pytest.raises(InputError, match="twice"):
        publishing.parse(["8080:80", "8079-8081"])
    assert len(publishing.parse(["8080", "8080/udp", "10.0.0.1:8080"])) == 3


@given(st.text(alphabet="0123456789:-./[]tcpud", max_size=24))
def test_no_text_is_too_odd(text: str) -> None:
    try:
        found = publishing.parse([text])
    except InputError:
        return
    for port in found:
        assert 0 < port["Port"] < 65536
        assert 0 < port["MachinePort"] < 65536


def test_they_are_published_for_this_computer_only_on_a_local_endpoint() -> None:
    for host, address in ((None, "127.0.0.1"), ("lab.test", "")):
        engine = FakeEngine(host=host)
        driver = made(engine, publish_ports=["28080:80", "28053:53/udp"])
        bound = engine.containers.inspect(driver.site.container)["HostConfig"]["PortBindings"]
        assert bound["80/tcp"] == [{"HostIp": address, "HostPort": "28080"}]
        assert bound["53/udp"] == [{"HostIp": address, "HostPort": "28053"}]
        assert bound["2376/tcp"][0]["HostPort"] == str(driver.config.driver["Port"])


def test_one_that_a_container_has_is_refused() -> None:
    engine = FakeEngine(host="lab.test")
    bindings = {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    engine.containers.there["web"] = container("web", HostConfig=bindings)
    with pytest.raises(PreCreateCheckFailed, match="by container web"):
        made(engine, publish_ports=["8080"])


def test_one_that_was_taken_meanwhile_is_named() -> None:
    engine = FakeEngine(host="lab.test")
    driver = made(engine, publish_ports=["8080:80"])
    engine.containers.refusal = ServerError(
        "driver failed: Bind for 0.0.0.0:8080 failed: port is already allocated", status=500
    )
    with pytest.raises(PreCreateCheckFailed, match=r"Port 0\.0\.0\.0:8080 .* publish_ports"):
        driver.start(timeout=1)


def test_what_the_endpoint_has_ignored_is_told() -> None:
    engine = FakeEngine(host="lab.test")
    engine.containers.ignores = {"PortBindings"}
    with pytest.raises(PreCreateCheckFailed, match="the published port 80/tcp"):
        made(engine, publish_ports=["8080:80"])


OWN = {"Port": 0, "IP": "10.9.0.5", "OwnAddress": "", "PublishPorts": [entry(8080, 5000)]}
HERE = {
    "Port": 23760,
    "Host": "127.0.0.1",
    "OwnAddress": "172.17.0.2",
    "Endpoint": {"URL": "unix:///var/run/docker.sock"},
    "PublishPorts": [
        entry(53, 5000, "udp"),
        entry(8080, 5000, address="127.0.0.1"),
        entry(9, 9, address="192.0.2.9"),
    ],
}
THERE = {**HERE, "Host": "docker.test", "Endpoint": {"URL": "tcp://docker.test:2376"}}
ANYWHERE = {**THERE, "PublishPorts": [entry(8080, 5000), entry(9, 9, address="::")]}


@pytest.mark.parametrize(
    ("kept", "port", "found"),
    [
        (OWN, 5000, ("10.9.0.5", 5000)),
        (OWN, 22, ("10.9.0.5", 22)),
        ({**OWN, "OwnAddress": "10.9.0.6"}, 22, ("10.9.0.6", 22)),
        ({"Port": 0, "IP": ""}, 22, None),
        (HERE, 5000, ("127.0.0.1", 8080)),
        (HERE, 9, ("192.0.2.9", 9)),
        (HERE, 22, None),
        (THERE, 5000, ("docker.test", 8080)),
        (THERE, 9, ("192.0.2.9", 9)),
        (ANYWHERE, 5000, ("docker.test", 8080)),
        (ANYWHERE, 9, ("docker.test", 9)),
        ({**HERE, "Host": "192.0.2.1"}, 5000, ("127.0.0.1", 8080)),
        ({**HERE, "Endpoint": {"URL": "tcp://localhost:2375"}}, 5000, ("127.0.0.1", 8080)),
    ],
)
def test_where_clients_reach_a_port(kept: dict[str, Any], port: int, found: tuple[str, int] | None) -> None:
    assert publishing.reached_at(kept, port) == found

"""Which port a machine is published on, and by which addresses it is reached."""

from __future__ import annotations

import socket
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import container, made, new_driver
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

from dinv.drivers.docker.network import ports
from dinv.drivers.docker.network.ports import FIRST_PORT, PORTS, addresses, choose, host_of, settle
from dinv.errors import PreCreateCheckFailed
from dinv.labels import LABEL_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.drivers.docker.driver import DockerDriver


def settled(engine: FakeEngine, name: str = "dev", **values: Any) -> DockerDriver:
    driver = new_driver(engine, name, **values)
    settle(driver.site)
    choose(driver.site)
    driver.site.settle_address()
    return driver


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this computer that somebody has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        (None, ("127.0.0.1", True)),
        ("localhost", ("localhost", True)),
        ("127.0.0.9", ("127.0.0.9", True)),
        ("::1", ("::1", True)),
        ("10.0.0.1", ("10.0.0.1", False)),
        ("lab.test", ("lab.test", False)),
    ],
)
def test_where_the_endpoints_ports_are(host: str | None, found: tuple[str, bool]) -> None:
    assert host_of(new_driver(FakeEngine(host=host)).site) == found


@pytest.mark.parametrize(
    ("host", "publish", "address", "reached"),
    [
        (None, None, "127.0.0.1", "127.0.0.1"),
        (None, "0.0.0.0", "0.0.0.0", "127.0.0.1"),  # noqa: S104  (what is tested)
        (None, "10.0.0.2", "10.0.0.2", "10.0.0.2"),
        (None, "127.0.0.5", "127.0.0.5", "127.0.0.5"),
        (None, "::1", "::1", "::1"),
        ("lab.test", None, "", "lab.test"),
        ("lab.test", "10.0.0.2", "10.0.0.2", "10.0.0.2"),
        (None, "none", "", ""),
    ],
)
def test_loopback_here_and_all_addresses_there(
    host: str | None, publish: str | None, address: str, reached: str
) -> None:
    driver = new_driver(FakeEngine(host=host), publish=publish)
    settle(driver.site)
    assert (driver.config.driver["PublishAddress"], driver.config.driver["Host"]) == (address, reached)


def test_a_machine_made_anew_keeps_its_url() -> None:
    assert settled(FakeEngine()).url == settled(FakeEngine()).url


@given(st.lists(st.from_regex(r"[a-z][a-z0-9]{0,9}", fullmatch=True), min_size=2, max_size=5, unique=True))
def test_machines_of_one_endpoint_have_ports_of_their_own(names: list[str]) -> None:
    engine = FakeEngine(host="10.0.0.1")
    chosen = [made(engine, name, identity=name).config.driver["Port"] for name in names]
    assert len(set(chosen)) == len(names)
    assert all(FIRST_PORT <= port < FIRST_PORT + PORTS < 32768 for port in chosen)


def test_a_port_that_was_refused_is_not_tried_again() -> None:
    driver = settled(FakeEngine(host="10.0.0.1"))
    first = driver.config.driver["Port"]
    driver.config.driver["RefusedPorts"] = [first]
    choose(driver.site)
    assert driver.config.driver["Port"] == FIRST_PORT + (first - FIRST_PORT + 1) % PORTS


def test_the_last_port_is_followed_by_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zlib, "crc32", lambda _name: PORTS - 1)
    driver = settled(FakeEngine(host="10.0.0.1"))
    assert driver.config.driver["Port"] == FIRST_PORT + PORTS - 1
    driver.config.driver["RefusedPorts"] = [FIRST_PORT + PORTS - 1]
    choose(driver.site)
    assert driver.config.driver["Port"] == FIRST_PORT


def test_a_port_somebody_has_here_is_not_chosen(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "FIRST_PORT", taken)
    monkeypatch.setattr(ports, "PORTS", 1)
    with pytest.raises(PreCreateCheckFailed, match="free"):
        settled(FakeEngine())
    assert settled(FakeEngine(host="10.0.0.1")).config.driver["Port"] == taken  # that is not here


def test_a_port_asked_for_has_to_be_free(taken: int) -> None:
    with pytest.raises(PreCreateCheckFailed, match=str(taken)):
        settled(FakeEngine(), publish=f"127.0.0.1:{taken}")
    assert settled(FakeEngine(host="10.0.0.1"), publish=f":{taken}").url == f"tcp://10.0.0.1:{taken}"


def test_a_computer_without_ipv6_says_nothing_of_such_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", unsupported)
    assert settled(FakeEngine(), publish="[::1]:4000").config.driver["Port"] == 4000


def test_a_container_that_has_it_is_named() -> None:
    engine = FakeEngine(host="10.0.0.1")
    bindings = {"PortBindings": {"80/tcp": [{"HostPort": "8080"}]}}
    engine.containers.there["web"] = container("web", HostConfig=bindings)
    with pytest.raises(PreCreateCheckFailed, match="web"):
        settled(engine, publish=":8080")


def test_a_stopped_machine_keeps_its_port() -> None:
    """The API lists no ports of stopped containers; the label does."""
    engine = FakeEngine(host="10.0.0.1")
    for label in ("8080", "x", "0", ""):
        found = container("old", identity="o")
        found["Config"]["Labels"][LABEL_PORT] = label
        found["State"]["Status"] = "exited"
        engine.containers.there[f"old-{label}"] = found
    with pytest.raises(PreCreateCheckFailed, match="old-8080"):
        settled(engine, publish=":8080")


def test_an_address_of_version_six_is_in_brackets() -> None:
    driver = settled(FakeEngine(host="10.0.0.1"), publish="[fd00::1]:4000")
    assert (driver.url, driver.ip) == ("tcp://[fd00::1]:4000", "fd00::1")


def test_the_certificate_is_for_all_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolved(host: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        assert host == "lab.test"
        return [(0, 0, 0, "", ("10.0.0.3", 0)), (0, 0, 0, "", ("fd00::3", 0, 0, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    assert addresses(settled(FakeEngine(host="lab.test")).site) == [
        "lab.test",
        "10.0.0.3",
        "fd00::3",
        "dinv-dev",
        "dev",
    ]


def test_a_name_that_does_not_resolve_is_still_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert addresses(settled(FakeEngine(host="lab.test")).site)[0] == "lab.test"


def test_all_addresses_is_no_name() -> None:
    found = addresses(settled(FakeEngine(), publish="0.0.0.0:4000").site)
    assert found == ["127.0.0.1", "dinv-dev", "dev"]


def test_an_own_address_is_in_the_certificate() -> None:
    driver = settled(FakeEngine(), publish="none")
    driver.config.driver["OwnAddress"] = "172.17.0.9"
    assert "172.17.0.9" in addresses(driver.site)

from __future__ import annotations

from typing import Any

import pytest

from dinv.testing.vch.rules import ports
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.state import Container

PUBLIC = "10.1.2.3"


def _container(bindings: dict[str, Any]) -> Container:
    return Container("c", {"HostConfig": {"PortBindings": bindings}}, memory=512, cpus=1)


@pytest.mark.parametrize("address", ["", "0.0.0.0", PUBLIC])  # noqa: S104
def test_addresses_that_a_vch_publishes_on(address: str) -> None:
    ports.check({"80/tcp": [{"HostIp": address, "HostPort": "8080"}]}, PUBLIC)


def test_another_address_is_refused() -> None:
    with pytest.raises(VicError, match="host IP for port bindings is only supported for") as error:
        ports.check({"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}, PUBLIC)
    assert error.value.status == 500


def test_ranges_are_refused() -> None:
    with pytest.raises(VicError, match="host port ranges are not supported for port bindings") as error:
        ports.check({"80/tcp": [{"HostIp": "", "HostPort": "8080-8090"}]}, PUBLIC)
    assert error.value.status == 500


def test_the_engine_behind_publishes_on_the_public_address() -> None:
    assert ports.behind({"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{}]}, PUBLIC) == {
        "80/tcp": [{"HostIp": PUBLIC, "HostPort": "8080"}],
        "81/tcp": [{"HostIp": PUBLIC, "HostPort": ""}],
    }


def test_the_apis_own_port_is_not_the_engine_behinds_to_publish() -> None:
    bindings = {"80/tcp": [{"HostPort": "2376"}], "53/udp": [{"HostPort": "2376"}]}
    assert ports.behind(bindings, PUBLIC, 2376) == {
        "80/tcp": [],
        "53/udp": [{"HostIp": PUBLIC, "HostPort": "2376"}],
    }


@pytest.mark.parametrize("text", ["x", "-1", "70000", "\u0668\u0660", "80 "])
def test_what_is_no_port_is_not_published(text: str) -> None:
    assert ports.behind({"80/tcp": [{"HostPort": text}]}, PUBLIC) == {"80/tcp": []}
    assert ports.wanted(_container({"80/tcp": [{"HostPort": text}]})) == set()


def test_wanted_ports_are_those_with_a_number() -> None:
    bindings = {
        "80/tcp": [{"HostPort": "8080"}],
        "53/udp": [{"HostPort": "53"}],
        "81/tcp": [{"HostPort": ""}],
        "82/tcp": [{"HostPort": "0"}],
        "83/tcp": None,
    }
    assert ports.wanted(_container(bindings)) == {("8080", "tcp"), ("53", "udp")}


@pytest.mark.parametrize(
    "message",
    [
        "programming external connectivity: Bind for 10.1.2.3:8081 failed: port is already allocated",
        "listen tcp 10.1.2.3:8081: bind: address already in use",
    ],
)
def test_a_port_that_the_engine_behind_refuses(message: str) -> None:
    container = _container({"80/tcp": [{"HostPort": "8080"}], "81/tcp": [{"HostPort": "8081"}]})
    refused = ports.refused_behind(container, message)
    assert refused is not None
    assert refused.status == 500
    assert refused.message == "Server error from portlayer: error mapping ports: port 8081 is not available"


def test_other_refusals_are_not_about_ports() -> None:
    assert ports.refused_behind(_container({}), "no space left on device") is None

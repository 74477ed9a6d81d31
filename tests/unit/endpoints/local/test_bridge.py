from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.endpoints.local import bridge
from dinv.endpoints.local.bridge import Bridge, free_subnet, rules_about
from dinv.errors import LocalEngineError

_ROUTES = """\
default via 192.0.2.1 dev eth0
0.0.0.0/1 via 10.8.0.1 dev tun0
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1
unreachable 172.30.5.0/24
local 172.30.6.1 dev other table local proto kernel scope host src 172.30.6.1
broadcast 172.30.7.255 dev other table local proto kernel scope link src 172.30.7.1
"""

_RULES = """\
-P FORWARD DROP
-N DOCKER
-A FORWARD -o dinv-0a0b0c0d -j DOCKER
-A FORWARD -i docker0 -o docker0 -m comment --comment "not dinv-0a0b0c0d" -j ACCEPT
-A FORWARD ! -i dinv-0a0b0c0dx -j ACCEPT
-A POSTROUTING -s 172.30.1.0/24 ! -o br-1 -j MASQUERADE
-A POSTROUTING -s 172.30.1.2/32 -d 172.30.1.2/32 -p tcp -m tcp --dport 2376 -j MASQUERADE
-A POSTROUTING -s 172.30.2.2/32 -d 172.30.2.2/32 -p tcp -m tcp --dport 2376 -j MASQUERADE
"""


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_a_name_is_an_interface_name(seed: str) -> None:
    name = Bridge(seed).name
    assert len(name) <= 15
    assert name.startswith("dinv-")
    assert name.isascii()


def test_two_stores_have_two_bridges() -> None:
    assert Bridge("/home/a/.docker/machine").name != Bridge("/home/b/.docker/machine").name


@given(
    st.lists(
        st.builds(
            lambda address, length: ipaddress.IPv4Network((address, length), strict=False),
            st.ip_addresses(v=4, network="172.16.0.0/12"),
            st.integers(13, 32),
        ),
        max_size=20,
    ),
    st.integers(0, 255),
)
def test_a_free_subnet_has_no_part_in_any_route(taken: list[ipaddress.IPv4Network], offset: int) -> None:
    routes = "\n".join(f"{network} dev eth0 proto static" for network in taken)
    try:
        found = free_subnet(routes, offset)
    except LocalEngineError:
        candidates = ipaddress.summarize_address_range(
            ipaddress.IPv4Address("172.20.0.0"), ipaddress.IPv4Address("172.30.255.255")
        )
        assert all(any(network.overlaps(part) for network in taken) for part in candidates)
        return
    assert found.prefixlen == 24
    assert not any(found.overlaps(network) for network in taken)


def test_every_kind_of_route_counts_but_the_default() -> None:
    assert str(free_subnet(_ROUTES, 5)) == "172.30.8.0/24"
    assert str(free_subnet(_ROUTES, 8)) == "172.30.8.0/24"


def test_no_subnet_left() -> None:
    with pytest.raises(LocalEngineError, match="No subnet is left"):
        free_subnet("172.16.0.0/12 dev eth0", 0)


def test_rules_are_found_by_interface_and_by_address() -> None:
    found = rules_about(_RULES, ["dinv-0a0b0c0d"], [ipaddress.IPv4Network("172.30.1.0/24")])
    assert [" ".join(rule) for rule in found] == [
        "FORWARD -o dinv-0a0b0c0d -j DOCKER",
        "POSTROUTING -s 172.30.1.0/24 ! -o br-1 -j MASQUERADE",
        "POSTROUTING -s 172.30.1.2/32 -d 172.30.1.2/32 -p tcp -m tcp --dport 2376 -j MASQUERADE",
    ]


def test_no_rules_without_anything_to_look_for() -> None:
    assert rules_about(_RULES, [], []) == []


def test_the_search_path_has_the_system_programs_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert bridge.search_path().split(":") == ["/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]


def test_a_missing_program_is_named_with_its_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(bridge, "search_path", lambda: str(tmp_path_factory.mktemp("empty")))
    with pytest.raises(LocalEngineError, match="install the package iproute2"):
        Bridge("/store").make()

"""Which subnets and addresses dinv's own network has."""

from __future__ import annotations

import ipaddress
import itertools

from hypothesis import given
from hypothesis import strategies as st

from dinv.endpoints import subnets

net = ipaddress.IPv4Network


@given(st.integers(0, 2**32 - 1))
def test_all_are_private_and_large_enough(seed: int) -> None:
    found = list(itertools.islice(subnets.for_machines([], seed), 200))
    assert len(set(found)) == 200
    assert all(subnet.is_private and subnet.prefixlen == subnets.OWN_BITS for subnet in found)
    usual = [net("172.17.0.0/16"), net("10.96.0.0/12"), net("172.31.0.0/16"), net("10.88.0.0/16")]
    assert not any(subnets.overlapping(subnet, usual) for subnet in found)


def test_engines_side_by_side_begin_elsewhere() -> None:
    assert next(subnets.for_machines([], 1)) != next(subnets.for_machines([], 2))


def test_an_administrators_pools_come_first() -> None:
    pools: list[dict[str, object]] = [
        {"Base": "10.77.0.0/16", "Size": 24},
        {"Base": "fd00::/48", "Size": 64},
        {"Base": None},
        {},
    ]
    found = list(itertools.islice(subnets.for_machines(pools, 0), 300))
    assert found[0] == net("10.77.255.0/24"), "from its end: the engine begins at its beginning"
    assert all(subnet.subnet_of(net("10.77.0.0/16")) for subnet in found[:256])
    assert not found[256].subnet_of(net("10.77.0.0/16"))


def test_a_pool_of_everything_is_no_endless_list() -> None:
    first = next(subnets.for_machines([{"Base": "10.0.0.0/8", "Size": 26}], 0))
    assert first.subnet_of(net("10.0.0.0/8"))


@given(st.integers(22, 28), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_addresses_of_machines_are_none_that_the_engine_gives(bits: int, third: int, start: int) -> None:
    subnet = net((f"10.213.{third}.0", bits), strict=False)
    gateway = str(subnet[1])
    automatic = subnets.automatic(subnet)
    assert automatic.subnet_of(subnet)
    found = list(subnets.fixed_addresses(subnet, gateway, start))
    assert len(found) == len(set(found)) >= subnet.num_addresses * 3 // 4 - 10
    for text in found[:: len(found) // 10 + 1]:
        address = ipaddress.IPv4Address(text)
        assert address in subnet
        assert address not in automatic
        assert text not in (gateway, str(subnet[0]), str(subnet[-1]))
        assert int(address) % 256 not in (0, 255)


def test_networks_as_endpoints_describe_them() -> None:
    assert subnets.of_network({"IPAM": {"Config": [{"Subnet": "10.1.0.0/24"}, {"Subnet": "fd00::/64"}]}}) == [
        net("10.1.0.0/24")
    ]
    for odd in (None, {"Config": None}, {"Config": [{}, None, {"Subnet": 7}]}):
        assert subnets.of_network({"IPAM": odd}) == []

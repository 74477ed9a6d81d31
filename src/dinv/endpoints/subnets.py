"""Subnets for dinv's own network and for the networks in a machine: the candidates and their order.

All are private by RFC 1918. Those that engines and similar software use by default come last: Docker's pools
begin with 172.17.0.0/16 and 192.168.0.0/20, a swarm's with 10.0.0.0/24, Podman's with 10.88.0.0/16,
Kubernetes' are 10.96.0.0/12, 10.244.0.0/16, 10.42.0.0/15; AWS's hosts are in 172.31.0.0/16, libvirt's in
192.168.122.0/24, and homes use the rest of 192.168.
"""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from ipaddress import IPv4Network
    from typing import Any

OWN_BITS = 22
"""Prefix length of the network that machines are on: a Linux bridge has at most 1024 ports (BR_MAX_PORTS)."""
_OWN = ("10.213.0.0/16", "172.30.0.0/16", "192.168.192.0/18", "10.128.0.0/10")


def for_machines(pools: Iterable[Mapping[str, Any]], seed: int) -> Iterator[IPv4Network]:
    """Yield subnets that dinv's own network on an endpoint can have, best first.

    `pools` are the endpoint's, as reported by `/info` if an administrator has chosen them: these come before
    all others. `seed`, which belongs to the endpoint, decides where the search begins, so that engines side
    by side do not all begin with the same subnet.
    """
    for pool in pools:
        try:
            base = ipaddress.IPv4Network(str(pool.get("Base")))
            bits = max(base.prefixlen, OWN_BITS, min(int(pool.get("Size") or 0), 28))
        except ValueError:
            continue  # IPv6, or unreadable
        # From the end: the engine itself starts at the beginning.
        yield from reversed(list(_some(base, bits)))
    for text in _OWN:
        every = list(_some(ipaddress.IPv4Network(text), OWN_BITS))
        start = seed % len(every)
        yield from every[start:]
        yield from every[:start]


def for_daemons() -> Iterator[IPv4Network]:
    """Yield subnets that the networks in a machine can have: first those that every Docker begins with.

    Users of Docker keep these free, or have routes to what is there.
    """
    for second in range(17, 31):
        yield ipaddress.IPv4Network(f"172.{second}.0.0/16")
    for second in range(214, 255):
        yield ipaddress.IPv4Network(f"10.{second}.0.0/16")
    yield from ipaddress.IPv4Network("192.168.0.0/16").subnets(new_prefix=19)


def _some(base: IPv4Network, bits: int) -> Iterator[IPv4Network]:
    import itertools

    # A pool may be all of 10.0.0.0/8.
    return itertools.islice(base.subnets(new_prefix=bits), 4096)


def overlapping(subnet: IPv4Network, taken: Iterable[IPv4Network]) -> bool:
    """Return whether a subnet overlaps one of those that are taken."""
    return any(subnet.overlaps(network) for network in taken)


def of_network(network: Mapping[str, Any]) -> list[IPv4Network]:
    """Return the IPv4 subnets of a network, as the endpoint describes it; unreadable ones are left out."""
    ipam = network.get("IPAM")
    found = []
    for config in (ipam.get("Config") if isinstance(ipam, dict) else None) or ():
        try:
            found.append(ipaddress.IPv4Network(str(config.get("Subnet")), strict=False))
        except (ValueError, AttributeError):
            continue
    return found


def fixed_addresses(subnet: IPv4Network, gateway: str, start: int) -> Iterator[str]:
    """Yield the addresses for machines in dinv's own network: all but `automatic`'s and the gateway's.

    They form a ring that begins at `start`. Addresses that end in 0 or 255 are left out: some programs take
    them for a network's address.
    """
    first, count = int(subnet[1]), int(automatic(subnet)[0]) - int(subnet[1])
    for step in range(count):
        number = first + (start + step) % count
        address = str(ipaddress.IPv4Address(number))
        if address != gateway and number & 0xFF not in (0, 255):
            yield address


def automatic(subnet: IPv4Network) -> IPv4Network:
    """Return the part of dinv's own network where the endpoint itself assigns addresses: the last quarter.

    It is for containers that join without an address, which could otherwise take a stopped machine's.
    """
    return list(subnet.subnets(prefixlen_diff=2))[-1]

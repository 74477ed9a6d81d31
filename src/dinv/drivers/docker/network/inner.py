"""Where the networks in a machine have their subnets: clear of those that the machine itself is among.

A daemon that is told nothing takes 172.17.0.0/16 and so on, whoever else has that: a container in the machine
would then not reach, and the machine not answer, the hosts that are there. What is known to be in use is
what the endpoint has and gives its networks, what is around it where it is a machine itself, and where this
computer has routes to. It is chosen once, since networks in the machine are made from it.
"""

from __future__ import annotations

import ipaddress

from dinv.drivers.docker.network import nested
from dinv.endpoints import subnets
from dinv.system import routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.drivers.docker.site import Site


def choose(site: Site) -> None:
    """Choose the pools of the machine's daemon, in its config; none where all subnets are in use."""
    kept = site.config.driver
    if not site.flavour.chooses_subnets or kept.get("AddressPools"):
        return
    around = _around(site)
    kept["Avoid"] = [str(subnet) for subnet in around]
    taken = [*around, *routes.networks()]
    kept["AddressPools"] = next(
        (pools(base) for base in subnets.for_daemons() if not subnets.overlapping(base, taken)), []
    )


def _around(site: Site) -> list[ipaddress.IPv4Network]:
    """The subnets that the endpoint has, may give its networks, and is among."""
    kept = site.config.driver
    own = (kept.get("OwnNetwork") or {}).get("Subnet")
    texts = [*nested.to_avoid(site.outer), *([own] if own else [])]
    texts += [str(pool.get("Base")) for pool in site.flavour.address_pools]
    host = site.engine.transport.host
    found = [subnet for network in site.networks() for subnet in subnets.of_network(network)]
    for text in (*texts, host or ""):
        try:
            found.append(ipaddress.IPv4Network(text, strict=False))
        except ValueError:
            continue  # of IPv6, or a name
    return list(dict.fromkeys(found))


def pools(base: ipaddress.IPv4Network) -> list[dict[str, Any]]:
    """A daemon's pools in a subnet: a large network for its bridge, and many small ones.

    dockerd takes the first that is free for its own bridge too, where nobody has told it an address for that
    (moby: libnetwork/ipamutils, daemon/config: default-address-pools).
    """
    large = base.prefixlen + 4
    return [
        {"Base": str(next(base.subnets(new_prefix=large))), "Size": large},
        {"Base": str(list(base.subnets(prefixlen_diff=1))[1]), "Size": 24},
    ]

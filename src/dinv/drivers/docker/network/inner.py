"""The subnets of the networks in a machine: clear of the networks around the machine itself.

By default a daemon takes 172.17.0.0/16 and so on, whoever else has that: containers in the machine could then
not reach the hosts there, and the machine could not answer them. Known to be in use are the endpoint's
networks and its pools, those around it if it is a machine itself, and this computer's routes. The choice is
made once, since networks in the machine are made from it.
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
    """Choose the pools of the machine's daemon, in its config; none if all subnets are in use."""
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
    """Yield the subnets that the endpoint has, may give to its networks, and is connected to."""
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
            continue  # IPv6, or a name
    return list(dict.fromkeys(found))


def pools(base: ipaddress.IPv4Network) -> list[dict[str, Any]]:
    """Return a daemon's pools in a subnet: a large network for its bridge, and many small ones.

    dockerd takes the first free one for its own bridge too, unless it was given an address for that (moby:
    libnetwork/ipamutils, daemon/config: default-address-pools).
    """
    large = base.prefixlen + 4
    return [
        {"Base": str(next(base.subnets(new_prefix=large))), "Size": large},
        {"Base": str(list(base.subnets(prefixlen_diff=1))[1]), "Size": 24},
    ]

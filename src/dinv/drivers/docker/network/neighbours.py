"""A machine and others: whether they reach each other at their own addresses, and what is around it.

For software that runs on several machines and has to connect any of them with any other, with no port of an
endpoint in between.
"""

from __future__ import annotations

from dinv.endpoints import own_network

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.store.record import MachineConfig

_BRIDGE = "bridge"


def apart(site: Site, other: MachineConfig) -> str:
    """Return why the machine and another of the same driver do not reach each other; "" if they may."""
    mine, theirs = site.config.driver, other.driver
    if (mine.get("Endpoint") or {}).get("URL") == (theirs.get("Endpoint") or {}).get("URL"):
        return _on_one_endpoint(site, _network(mine), _network(theirs), other.name)
    for name, kept in ((other.name, theirs), (site.config.name, mine)):
        if _is_local(kept):
            where = f"{name} is on network {_network(kept)}, which ends at its endpoint"
            return f"they are on two endpoints, and {where}"
        if kept.get("Port") or kept.get("Published"):
            return f"they are on two endpoints, and {name} is reached there at a published port only"
    return ""


def _on_one_endpoint(site: Site, mine: str, theirs: str, name: str) -> str:
    if mine == theirs:
        return ""
    drivers = {str(each.get("Name")): each.get("Driver") for each in site.networks()}
    bridges = [
        each for each in (mine, theirs) if each == own_network.NAME or drivers.get(each, _BRIDGE) == _BRIDGE
    ]
    if not bridges:
        return ""  # two macvlan networks may well be routed
    return (
        f"{site.config.name} is to be on network {mine} of {site.endpoint}, and {name} is on {theirs}: the "
        "endpoint "
        "keeps such networks apart"
    )


def _network(kept: Mapping[str, Any]) -> str:
    if (kept.get("OwnNetwork") or {}).get("Wanted"):
        return own_network.NAME
    return str(kept.get("Network") or _BRIDGE)


def _is_local(kept: Mapping[str, Any]) -> bool:
    """Whether the machine's network is dinv's own, a bridge on its endpoint's computer."""
    return bool(kept.get("OwnNetwork"))


def surroundings(site: Site) -> list[str]:
    """Return the subnets around the machine, and those of its own daemon's networks."""
    kept = site.config.driver
    own = (kept.get("OwnNetwork") or {}).get("Subnet")
    pools = [str(pool["Base"]) for pool in kept.get("AddressPools") or ()]
    if not kept.get("Avoid"):
        from dinv.endpoints import subnets

        around = [str(subnet) for network in site.networks() for subnet in subnets.of_network(network)]
    else:
        around = [str(subnet) for subnet in kept["Avoid"]]
    return list(dict.fromkeys([*around, *([own] if own else []), *pools]))

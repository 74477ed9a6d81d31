"""Where machines reach a cache: at an address that stays the same over restarts.

On dinv's own network it is an address there that the cache keeps, as a machine's. On another network that the
user names it is the container's name, which the engine's DNS knows there; where the endpoint keeps the
addresses of stopped containers, it is the address that it gave. Elsewhere the ports are published at the
gateway of the default bridge, which the machines on it reach.
"""

from __future__ import annotations

import ipaddress
import zlib

from dinv.endpoints import own_network, subnets
from dinv.errors import CacheError, PreCreateCheckFailed
from dinv.registries.cache_record import FIRST_PORT
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.caches.site import CacheSite
    from dinv.registries.cache_record import CacheRecord

_BRIDGES = ("bridge", "podman")
"""Names of the network that containers are on by default."""
_PUBLISHED_FROM = 24000
_PUBLISHED_STEP = 50


def own(record: CacheRecord) -> str:
    """Return the name of dinv's own network if the cache has an address there, else ""."""
    return str(record.document.get("OwnNetwork") or "")


def settle(site: CacheSite) -> None:
    """Check the network that was named. Raises PreCreateCheckFailed."""
    network = site.record["Network"]
    if not network:
        return
    found = next((each for each in site.engine.networks.list() if each.get("Name") == network), None)
    if found is None or network in _BRIDGES:
        names = ", ".join(sorted(str(each.get("Name")) for each in site.engine.networks.list()))
        why = "is the default: leave the option away" if found else f"is not there. It has: {names}"
        raise PreCreateCheckFailed(option("network", network) + f": on {site.endpoint} this network {why}")


def prepare(site: CacheSite) -> None:
    """Choose the place of a container about to be made, in the record. Raises PreCreateCheckFailed."""
    record = site.record
    if record["Network"]:
        return
    if site.flavour.has_own_network:
        network = own_network.ensure(site.engine, site.flavour.address_pools, needed=record["Address"])
        if network is not None:
            record["OwnNetwork"] = str(network["Name"])
            if not record["Address"] or not _is_free(site, network, record["Address"]):
                record["Address"] = _free(site, network, refused=())
            record["Publish"] = ""
            return
    record["OwnNetwork"] = record["Address"] = ""
    if site.flavour.keeps_stopped_addresses:
        return
    record["Publish"] = _gateway(site)
    if record.registries[0].port < _PUBLISHED_FROM:
        _renumber(record, _PUBLISHED_FROM + zlib.crc32(record.name.encode()) % 20 * _PUBLISHED_STEP)


def move(site: CacheSite) -> None:
    """Choose another place, in the record, since the one chosen is taken."""
    record = site.record
    if record["Publish"]:
        _renumber(record, record.registries[0].port + _PUBLISHED_STEP)
    elif own(record):
        network = site.engine.networks.inspect(own(record))
        record["Address"] = _free(site, network, refused=(record["Address"],))
    else:
        raise CacheError(record.name, f"The address of cache {record.name} is taken on {site.endpoint}.")


def learn(site: CacheSite) -> None:
    """Record how machines reach the running cache."""
    record = site.record
    if record["Publish"] or record["Address"]:
        record["Host"] = record["Publish"] or record["Address"]
        return
    if not site.flavour.keeps_stopped_addresses:
        record["Host"] = record.container
        return
    found = site.container() or {}
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    addresses = [str(each.get("IPAddress") or "") for each in networks.values()]
    record["Host"] = next(filter(None, addresses), "")
    if not record["Host"]:
        raise CacheError(record.name, f"{site.endpoint} gave cache {record.name} no address.")


def _renumber(record: CacheRecord, first: int) -> None:
    for number, each in enumerate(record["Registries"]):
        each["Port"] = first + number


def _gateway(site: CacheSite) -> str:
    for network in site.engine.networks.list():
        if network.get("Name") in _BRIDGES:
            gateway = own_network.gateway_of(network)
            if gateway:
                return gateway
    raise PreCreateCheckFailed(
        f"{site.endpoint} does not say how its default network reaches it. Name a network for the cache and "
        "its machines with " + option("network") + "."
    )


def _free(site: CacheSite, network: Any, refused: tuple[str, ...]) -> str:
    subnet = subnets.of_network(network)[0]
    used = {*_used(site), *refused}
    start = zlib.crc32(site.record.container.encode())
    for address in subnets.fixed_addresses(subnet, own_network.gateway_of(network), start):
        if address not in used:
            return address
    raise PreCreateCheckFailed(f"No address is left for a cache in network {network['Name']} ({subnet}).")


def _is_free(site: CacheSite, network: Any, address: str) -> bool:
    subnet = subnets.of_network(network)[0]
    return ipaddress.IPv4Address(address) in subnet and address not in _used(site)


def _used(site: CacheSite) -> set[str]:
    """Return the addresses of the endpoint's containers; fixed ones also while they are stopped."""
    used = set()
    for container in site.engine.containers.list(all=True):
        networks = (container.get("NetworkSettings") or {}).get("Networks") or {}
        for endpoint in networks.values():
            used.add(endpoint.get("IPAddress") or "")
            used.add((endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")
    return used


__all__ = ["FIRST_PORT", "learn", "move", "own", "prepare", "settle"]

"""A machine's address on dinv's own network: assigned when it is made, repaired at its starts.

An address is chosen once and kept. If the network changes while a machine is stopped (`docker network prune`,
or a VPN that takes the subnet), this is repaired at its start.
"""

from __future__ import annotations

import contextlib
import ipaddress
import zlib

from dinv.drivers.docker.network import serving
from dinv.endpoints import own_network, subnets
from dinv.errors import EngineError, MachineError, PreCreateCheckFailed
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site
    from dinv.endpoints.own_network import Network


def settle(site: Site) -> None:
    """Give a machine that is to be made an address of its own, unless its flags say otherwise.

    If the endpoint has no network of dinv's yet, and it may be on this computer, `prepare` finds out later:
    before the machine is recorded nothing is made. Raises PreCreateCheckFailed.
    """
    kept = site.config.driver
    kept["OwnNetwork"] = {}
    if not site.flavour.has_own_network or not _open(kept):
        return
    networks = site.networks()
    for network in networks:
        if own_network.is_ours(network) and own_network.is_usable(network):
            take(site, network)
            return
    if any(own_network.is_here(network) for network in networks):
        kept["OwnNetwork"] = {"Wanted": True}


def prepare(site: Site) -> None:
    """Create the network that `settle` found missing; if it cannot be reached, publish a port instead."""
    kept = site.config.driver
    if not (kept.get("OwnNetwork") or {}).get("Wanted"):
        return
    network = own_network.ensure(site.engine, site.flavour.address_pools)
    if network is not None:
        take(site, network)
    else:
        kept["OwnNetwork"] = {}
    # Before the container is made: whoever finishes a killed create must know where it is.
    site.store.save(site.config)


def _open(kept: Mapping[str, Any]) -> bool:
    """Whether the flags leave it to dinv how the machine is reached."""
    return not (kept["Network"] or kept["PublishAddress"] or kept["Port"])


def take(site: Site, network: Network) -> None:
    """Put the machine on the network, at a free address, in its config. Raises PreCreateCheckFailed."""
    kept = site.config.driver
    gateway = own_network.gateway_of(network)
    subnet = subnets.of_network(network)[0]
    kept["OwnNetwork"] = {"Subnet": str(subnet), "Gateway": gateway, "Bridge": own_network.bridge_of(network)}
    kept["Network"] = str(network["Name"])
    kept.update(Published=False, PublishAddress="", Port=0, Host="")
    serving.drop(kept)
    kept["IP"] = _free_address(site)
    site.settle_address()


def move(site: Site) -> None:
    """Choose another address in the same network, since the one chosen is taken."""
    kept = site.config.driver
    kept["RefusedAddresses"] = [*kept.get("RefusedAddresses", []), kept["IP"]]
    kept["IP"] = _free_address(site)
    site.settle_address()


def _free_address(site: Site) -> str:
    """Return an address that no container of the endpoint has, had, or is to have.

    The search begins at one made from the machine's name: a recreated machine keeps its URL, and two that are
    made at once hardly ever choose the same.
    """
    kept = site.config.driver
    own = kept["OwnNetwork"]
    used = {*_used(site), *kept.get("RefusedAddresses", ())}
    start = zlib.crc32(site.config.name.encode())
    for address in subnets.fixed_addresses(ipaddress.IPv4Network(own["Subnet"]), own["Gateway"], start):
        if address not in used and not own_network.elsewhere(address, own["Bridge"]):
            return address
    raise PreCreateCheckFailed(
        f"No address is left for a machine in network {kept['Network']} ({own['Subnet']}) of "
        f"{site.endpoint}. Publish its port instead: " + option("publish", "127.0.0.1")
    )


def _used(site: Site) -> set[str]:
    """Return the addresses of the endpoint's containers; fixed ones also while they are stopped."""
    used = set()
    for container in site.engine.containers.list(all=True):
        if f"/{site.container}" in (container.get("Names") or ()):
            continue
        settings = container.get("NetworkSettings") or {}
        for endpoint in (settings.get("Networks") or {}).values():
            used.add(endpoint.get("IPAddress") or "")
            used.add((endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")
    return used


# At a start


def led_away(site: Site) -> str:
    """Return the device by which this computer would look for the machine, if not its network's bridge.

    "" if all is well, and if the network is not on this computer at all.
    """
    kept = site.config.driver
    bridge = kept["OwnNetwork"].get("Bridge", "")
    return own_network.led_away(kept["IP"], bridge) if bridge else ""


def mend(site: Site, why: str) -> None:
    """Put the stopped machine on a network of dinv's that this computer reaches; `why` is for the user.

    It keeps its address if possible: a network that is gone is recreated as it was. Raises MachineError.
    """
    kept = site.config.driver
    before, address, known = kept["Network"], kept["IP"], (kept["URL"], kept["IPAddress"])
    network = own_network.ensure(
        site.engine, site.flavour.address_pools, like=kept["OwnNetwork"], needed=address
    )
    if network is None:
        raise MachineError(
            site.config.name,
            f'Machine "{site.config.name}" cannot be started: {why}, and no other network can be made on '
            f"{site.endpoint} that this computer reaches. Make the machine anew with its images and a "
            "published port: "
            + command("rm", "--keep-cache", site.config.name)
            + ", then "
            + command(
                "create", "--cache-volume", site.cache_volume, "--publish", "127.0.0.1", site.config.name
            ),
        )
    same = kept["OwnNetwork"]["Subnet"] == str(subnets.of_network(network)[0])
    take(site, network)
    if same and address not in _used(site):
        kept["IP"] = address
    # Until there are certificates for the new address, the old one is recorded: `refresh_address` reports it.
    kept["URL"], kept["IPAddress"] = known
    _attach(site, before)
    site.store.save(site.config)
    where = f"at its old address {address}" if kept["IP"] == address else f"at {kept['IP']} now"
    site.notes.append(f"{why}: the machine is {where}, on network {kept['Network']} ({_subnet(kept)})")


def change(site: Site) -> None:
    """Give a stopped machine another address, since its own is taken."""
    kept = site.config.driver
    address, known = kept["IP"], (kept["URL"], kept["IPAddress"])
    move(site)
    kept["URL"], kept["IPAddress"] = known
    _attach(site, kept["Network"])
    site.store.save(site.config)
    site.notes.append(f"Its address {address} is in use on the endpoint: the machine is at {kept['IP']} now")


def _attach(site: Site, before: str) -> None:
    """Attach the stopped container as its config says, instead of as it was."""
    kept, calls = site.config.driver, site.engine.networks
    # For a network that is gone the engine returns an error, but forgets the container's place in it.
    with contextlib.suppress(EngineError):
        calls.disconnect(before, site.container, force=True)
    settings = {"IPAMConfig": {"IPv4Address": kept["IP"]}}
    try:
        calls.connect(kept["Network"], site.container, endpoint_config=settings)
    except EngineError as error:
        raise MachineError(
            site.config.name,
            f'Machine "{site.config.name}" cannot be put on network {kept["Network"]} of '
            f"{site.endpoint}: {error.message}",
        ) from error


def _subnet(kept: Mapping[str, Any]) -> str:
    return str(kept["OwnNetwork"]["Subnet"])

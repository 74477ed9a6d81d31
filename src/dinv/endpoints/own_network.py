"""dinv's own network on an endpoint, where each machine has an address of its own that it keeps.

It is a bridge network with the label `io.dinv.role=network`, shared by all machines of the endpoint, of any
store. The first machine creates it and the removal of the last one removes it. Machines are only put on it if
this computer reaches it, which is checked and not guessed: the bridge has a random name, and the engine is
on this computer only if a device of this name exists here with the network's gateway as its address. For an
engine in a VM, on another computer or behind a tunnel it does not, whatever the engine's address.

The engine assigns addresses to other containers in another part of the subnet (`subnets.automatic`), so
nothing gets the address of a stopped machine. The driver decides which machine has which address.
"""

from __future__ import annotations

import contextlib
import os
import zlib

from dinv.endpoints import subnets
from dinv.errors import Conflict, EngineError
from dinv.labels import LABEL_KEEP, LABEL_ROLE
from dinv.system import locks, routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from ipaddress import IPv4Network
    from typing import Any

    from dinv.engine import Engine

    Network = Mapping[str, Any]

NAME = "dinv"
ROLE = "network"

_BRIDGE = "com.docker.network.bridge.name"
_TRIES = 8
_FORBIDDEN = (401, 403)
_MAKE_SECONDS = 30.0
_ALONE_SECONDS = 20.0


def ensure(
    engine: Engine,
    pools: Iterable[Mapping[str, Any]] = (),
    *,
    like: Mapping[str, str] | None = None,
    needed: str = "",
    labels: Mapping[str, str] | None = None,
) -> Network | None:
    """Find dinv's network on the endpoint if this computer reaches it, or create it.

    `pools` are the endpoint's own; `like` is an earlier network, whose subnet and bridge are used again if
    possible, and `needed` an address that must be reachable there. Returns None if the network is not
    reachable from here, or may not be created; then there is none.
    """
    networks = engine.networks.list()
    found = _first_usable(networks, needed)
    if found is not None:
        return found
    with _alone():
        return _find_or_make(engine, list(pools), like, needed, labels or {})


def _alone() -> contextlib.AbstractContextManager[None]:
    """Keep other dinv processes, of any user, from creating and removing such networks: engines do not.

    Two calls at once can create two networks of one name (seen with dockerd 20.10).
    """
    return locks.alone("dinv-own-network", seconds=_ALONE_SECONDS)


def _find_or_make(
    engine: Engine,
    pools: Iterable[Mapping[str, Any]],
    like: Mapping[str, str] | None,
    needed: str,
    labels: Mapping[str, str],
) -> Network | None:
    import itertools

    networks = engine.networks.list()
    found = _first_usable(networks, needed)
    if found is not None:
        return found
    names = {str(network.get("Name")) for network in networks}
    for subnet, bridge in itertools.islice(_free(engine, networks, pools, like), _TRIES):
        name = next(name for name in _names() if name not in names)
        try:
            _make(engine, name, subnet, bridge, labels)
        except Conflict:
            names.add(name)  # created meanwhile: dinv's own, or another's
        except EngineError as error:
            # Other reasons than the subnet: an administrator's rule, which applies to all of them.
            if error.status in _FORBIDDEN and "overlap" not in error.message:
                return None
        networks = engine.networks.list()
        found = _first_usable(networks, needed)
        if found is not None:
            return found
        for network in networks:
            if is_ours(network) and bridge_of(network) == bridge and not is_here(network):
                # The engine is elsewhere: another subnet would not change that.
                with contextlib.suppress(EngineError):
                    engine.networks.remove(str(network["Id"]))
                return None
    return None


def _names() -> Iterator[str]:
    yield NAME
    yield from (f"{NAME}-{number}" for number in range(2, 1000))


def _first_usable(networks: Iterable[Network], needed: str) -> Network | None:
    return next((network for network in networks if is_ours(network) and is_usable(network, needed)), None)


def _free(
    engine: Engine,
    networks: Iterable[Network],
    pools: Iterable[Mapping[str, Any]],
    like: Mapping[str, str] | None,
) -> Iterator[tuple[IPv4Network, str]]:
    """Yield subnets that are free as far as known, on the endpoint and here, each with a bridge name."""
    import ipaddress

    taken = [*routes.networks(), *(subnet for network in networks for subnet in subnets.of_network(network))]
    if like and not routes.is_device(like["Bridge"]):
        subnet = ipaddress.IPv4Network(like["Subnet"])
        if not subnets.overlapping(subnet, taken):
            yield subnet, like["Bridge"]
    seed = zlib.crc32(str(engine.info().get("ID")).encode())
    for subnet in subnets.for_machines(pools, seed):
        if not subnets.overlapping(subnet, taken):
            yield subnet, f"dnv{os.urandom(5).hex()}"


def _make(engine: Engine, name: str, subnet: IPv4Network, bridge: str, labels: Mapping[str, str]) -> None:
    engine.networks.create(
        name,
        driver="bridge",
        labels={**labels, LABEL_ROLE: ROLE},
        options={_BRIDGE: bridge},
        ipam={
            "Driver": "default",
            "Config": [
                {
                    "Subnet": str(subnet),
                    "Gateway": str(subnet[1]),
                    "IPRange": str(subnets.automatic(subnet)),
                }
            ],
        },
        timeout=_MAKE_SECONDS,
    )


def remove_unused(engine: Engine) -> None:
    """Remove dinv's networks that have no containers, running or stopped.

    A machine that is just being made on one creates it again at its start.
    """
    # An engine that refuses this is no reason to keep the record of a removed machine.
    with contextlib.suppress(EngineError):
        for network in engine.networks.list(filters={"label": [f"{LABEL_ROLE}={ROLE}"]}):
            if LABEL_KEEP in (network.get("Labels") or {}):
                continue
            with _alone(), contextlib.suppress(EngineError):
                if not engine.containers.list(all=True, filters={"network": [str(network["Name"])]}):
                    engine.networks.remove(str(network["Id"]))


# One network


def is_ours(network: Network) -> bool:
    """Return whether it is a network that dinv created."""
    labelled = (network.get("Labels") or {}).get(LABEL_ROLE) == ROLE
    return labelled and bool(gateway_of(network) and subnets.of_network(network))


def bridge_of(network: Network) -> str:
    """Return the name of its bridge, as created; "" if it was given none."""
    return str((network.get("Options") or {}).get(_BRIDGE) or "")


def gateway_of(network: Network) -> str:
    """Return its gateway's IPv4 address, "" if it has none."""
    ipam = network.get("IPAM")
    for config in (ipam.get("Config") if isinstance(ipam, dict) else None) or ():
        if "." in str(config.get("Gateway") or ""):
            return str(config["Gateway"])
    return ""


def is_here(network: Network) -> bool:
    """Return whether this computer has the network's bridge, with the gateway's address.

    If the bridge has a name that others use too, such as `docker0`, that is a hint and not proof.
    """
    bridge, gateway = bridge_of(network), gateway_of(network)
    if not bridge and network.get("Driver") == "bridge":
        bridge = f"br-{str(network.get('Id'))[:12]}"  # moby: libnetwork/drivers/bridge
    return bool(gateway) and routes.is_device(bridge) and routes.is_own(gateway)


def is_usable(network: Network, needed: str = "") -> bool:
    """Return whether this computer reaches the machines of a network of dinv's, and not a VPN instead.

    `needed` is an address that must be reachable if it is in that network.
    """
    import ipaddress

    if not is_here(network):
        return False
    subnet = subnets.of_network(network)[0]
    looked_at = {str(subnet[2])}
    if needed and ipaddress.IPv4Address(needed) in subnet:
        looked_at.add(needed)
    return {routes.device_to(address) for address in looked_at} == {bridge_of(network)}


def elsewhere(address: str, bridge: str) -> str:
    """Return the device by which this computer looks for an address of a bridge, if not that bridge; else "".

    A VPN can have routes to parts of a subnet, or to single hosts. "" also if there is no such bridge: its
    network was removed meanwhile, or is not on this computer.
    """
    device = routes.device_to(address)
    return device if device != bridge and routes.is_device(bridge) else ""


def led_away(address: str, bridge: str) -> str:
    """Return what `elsewhere` does, while no dinv creates or removes such a network.

    A bridge that is just being created is there before this computer's route to it.
    """
    if not elsewhere(address, bridge):
        return ""
    with _alone():
        return elsewhere(address, bridge)

"""dinv's own network on an endpoint, where each machine has an address of its own that stays.

It is a bridge network with the label `io.dinv.role=network`, shared by all machines of the endpoint, of
whichever store. The first machine makes it and the last one's removal removes it. Machines are put on it
where this computer reaches it, which is seen and not guessed: the bridge has a random name, and only where
a device of this name, with the network's gateway as its address, is on this computer too, is the engine
here. An engine in a VM, on another computer or behind a tunnel has it elsewhere, whatever its address.

An address is chosen once and kept. The engine chooses addresses for others in another part of the subnet
(`subnets.automatic`), so nobody gets the one of a machine that is stopped. What happens to the network
while a machine is stopped, `docker network prune` or a VPN that takes the subnet, is mended at its start.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
import zlib

from dinv.drivers.docker.flavours import LABEL_ROLE
from dinv.drivers.docker.network import subnets
from dinv.errors import Conflict, EngineError, MachineError, PreCreateCheckFailed
from dinv.system import routes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from ipaddress import IPv4Network
    from typing import Any

    from dinv.drivers.docker.driver import DockerDriver
    from dinv.engine import Engine

    Network = Mapping[str, Any]

NAME = "dinv"
ROLE = "network"
LABEL_KEEP = "io.dinv.keep"
"""Label of one that stays when the last machine is gone: it belongs to a local engine."""

_BRIDGE = "com.docker.network.bridge.name"
_TRIES = 8
_FORBIDDEN = (401, 403)
_MAKE_SECONDS = 30.0
_ALONE_SECONDS = 20.0


def settle(driver: DockerDriver) -> None:
    """Give a machine that is to be made an address of its own, unless its flags say otherwise.

    Without a network of dinv's on the endpoint yet, and nothing that speaks against this computer being the
    endpoint's, it is left to `prepare` to find out: before the machine is recorded nothing is made.
    Raises PreCreateCheckFailed.
    """
    kept = driver.config.driver
    kept["OwnNetwork"] = {}
    if not driver.flavour.has_own_network or not _open(kept):
        return
    networks = driver.networks()
    for network in networks:
        if is_ours(network) and _usable(network):
            take(driver, network)
            return
    if any(_is_here(network) for network in networks):
        kept["OwnNetwork"] = {"Wanted": True}


def prepare(driver: DockerDriver) -> None:
    """Make the network that `settle` found missing; where it is not reached, the port is published."""
    kept = driver.config.driver
    if not (kept.get("OwnNetwork") or {}).get("Wanted"):
        return
    network = ensure(driver.engine, driver.flavour.address_pools)
    if network is not None:
        take(driver, network)
    else:
        kept["OwnNetwork"] = {}
    # Before the container is made: who finishes a killed create has to know where it is.
    driver.store.save(driver.config)


def _open(kept: Mapping[str, Any]) -> bool:
    """Whether the flags leave it to dinv how the machine is reached."""
    return not (kept["Network"] or kept["PublishAddress"] or kept["Port"])


def take(driver: DockerDriver, network: Network) -> None:
    """Put the machine on the network, at a free address, in its config. Raises PreCreateCheckFailed."""
    kept = driver.config.driver
    gateway = _gateway(network)
    subnet = subnets.of_network(network)[0]
    kept["OwnNetwork"] = {"Subnet": str(subnet), "Gateway": gateway, "Bridge": bridge_of(network)}
    kept["Network"] = str(network["Name"])
    kept.update(Published=False, PublishAddress="", Port=0, Host="")
    kept["IP"] = _free_address(driver)
    driver.settle_address()


def move(driver: DockerDriver) -> None:
    """Choose another address in the same network: somebody has the one that was chosen."""
    kept = driver.config.driver
    kept["RefusedAddresses"] = [*kept.get("RefusedAddresses", []), kept["IP"]]
    kept["IP"] = _free_address(driver)
    driver.settle_address()


def _free_address(driver: DockerDriver) -> str:
    """An address that no container of the endpoint has, has had, or is to have.

    The search begins at one made from the machine's name: one that is made anew keeps its URL, and two that
    are made at once hardly ever want the same.
    """
    import ipaddress

    kept = driver.config.driver
    own = kept["OwnNetwork"]
    used = {*_used(driver), *kept.get("RefusedAddresses", ())}
    start = zlib.crc32(driver.config.name.encode())
    for address in subnets.fixed_addresses(ipaddress.IPv4Network(own["Subnet"]), own["Gateway"], start):
        if address not in used and not _elsewhere(address, own["Bridge"]):
            return address
    raise PreCreateCheckFailed(
        f"No address is left for a machine in network {kept['Network']} ({own['Subnet']}) of "
        f"{driver.endpoint}. Publish its port instead: --publish 127.0.0.1"
    )


def _used(driver: DockerDriver) -> set[str]:
    """The addresses of the endpoint's containers; those that were asked for also while they are stopped."""
    used = set()
    for container in driver.engine.containers.list(all=True):
        if f"/{driver.container}" in (container.get("Names") or ()):
            continue
        settings = container.get("NetworkSettings") or {}
        for endpoint in (settings.get("Networks") or {}).values():
            used.add(endpoint.get("IPAddress") or "")
            used.add((endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")
    return used


# The network


def ensure(
    engine: Engine,
    pools: Iterable[Mapping[str, Any]] = (),
    *,
    like: Mapping[str, str] | None = None,
    needed: str = "",
    labels: Mapping[str, str] | None = None,
) -> Network | None:
    """Find the network that dinv has on the endpoint and this computer reaches, or make it.

    `pools` are the endpoint's own; `like` is one that was there before, whose subnet and bridge are taken
    again if they can be, and `needed` an address that has to be reached there. None where it is not
    reached from here, or may not be made; then there is none.
    """
    networks = engine.networks.list()
    found = _first_usable(networks, needed)
    if found is not None:
        return found
    with _alone():
        return _find_or_make(engine, list(pools), like, needed, labels or {})


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other dinvs from making and removing such networks, of whichever user: engines do not.

    Two calls at once can give two networks of one name (seen with dockerd 20.10). Names of abstract sockets
    (unix(7)) belong to the network namespace, as the bridges do, so who meets here is who has to. Somebody
    who keeps the name for ever is not waited for longer than the work can take.
    """
    end = time.monotonic() + _ALONE_SECONDS
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as lock:
        while True:
            try:
                lock.bind("\0dinv-own-network")
                break
            except OSError:
                if not routes.KNOWN or time.monotonic() >= end:
                    break
            time.sleep(0.01)
        yield


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
            names.add(name)  # made meanwhile: dinv's own, or somebody else's
        except EngineError as error:
            # Other reasons than the subnet: an administrator's rule, which speaks of all of them.
            if error.status in _FORBIDDEN and "overlap" not in error.message:
                return None
        networks = engine.networks.list()
        found = _first_usable(networks, needed)
        if found is not None:
            return found
        for network in networks:
            if is_ours(network) and bridge_of(network) == bridge and not _is_here(network):
                # It is elsewhere: no other subnet would change that.
                with contextlib.suppress(EngineError):
                    engine.networks.remove(str(network["Id"]))
                return None
    return None


def _names() -> Iterator[str]:
    yield NAME
    yield from (f"{NAME}-{number}" for number in range(2, 1000))


def _first_usable(networks: Iterable[Network], needed: str) -> Network | None:
    return next((network for network in networks if is_ours(network) and _usable(network, needed)), None)


def _free(
    engine: Engine,
    networks: Iterable[Network],
    pools: Iterable[Mapping[str, Any]],
    like: Mapping[str, str] | None,
) -> Iterator[tuple[IPv4Network, str]]:
    """Subnets that nobody known has, on the endpoint or here, each with the name for its bridge."""
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


def is_ours(network: Network) -> bool:
    """Whether it is a network that dinv has made."""
    labelled = (network.get("Labels") or {}).get(LABEL_ROLE) == ROLE
    return labelled and bool(_gateway(network) and subnets.of_network(network))


def bridge_of(network: Network) -> str:
    """The name of its bridge, as it was made; "" for what has no name of its own."""
    return str((network.get("Options") or {}).get(_BRIDGE) or "")


def _gateway(network: Network) -> str:
    ipam = network.get("IPAM")
    for config in (ipam.get("Config") if isinstance(ipam, dict) else None) or ():
        if "." in str(config.get("Gateway") or ""):
            return str(config["Gateway"])
    return ""


def _is_here(network: Network) -> bool:
    """Whether this computer has the network's bridge, with the gateway's address.

    Of a name that others give bridges too, `docker0` say, that is a sign and no proof.
    """
    bridge, gateway = bridge_of(network), _gateway(network)
    if not bridge and network.get("Driver") == "bridge":
        bridge = f"br-{str(network.get('Id'))[:12]}"  # moby: libnetwork/drivers/bridge
    return bool(gateway) and routes.is_device(bridge) and routes.is_own(gateway)


def _usable(network: Network, needed: str = "") -> bool:
    """Whether this computer reaches machines on one of dinv's networks, and no VPN has their addresses.

    `needed` is an address that has to be reached if it is of that network.
    """
    import ipaddress

    if not _is_here(network):
        return False
    subnet = subnets.of_network(network)[0]
    looked_at = {str(subnet[2])}
    if needed and ipaddress.IPv4Address(needed) in subnet:
        looked_at.add(needed)
    return {routes.device_to(address) for address in looked_at} == {bridge_of(network)}


def _elsewhere(address: str, bridge: str) -> str:
    """The device by which this computer looks for an address that is on a bridge of its own; "" for that.

    A VPN can have routes to parts of a subnet, or to single hosts. Of a bridge that is not there, nothing
    is said: its network has been removed meanwhile, or is not on this computer.
    """
    device = routes.device_to(address)
    return device if device != bridge and routes.is_device(bridge) else ""


# At a start


def led_away(driver: DockerDriver) -> str:
    """The device by which this computer would look for the machine, where that is not its network's.

    "" while all is well, and where the network is not on this computer at all.
    """
    kept = driver.config.driver
    bridge = kept["OwnNetwork"].get("Bridge", "")
    return _elsewhere(kept["IP"], bridge) if bridge else ""


def mend(driver: DockerDriver, why: str) -> None:
    """Put the stopped machine on a network of dinv's that this computer reaches; `why` is for the user.

    It keeps its address where that can be: where the network is gone, it is made again as it was.
    Raises MachineError.
    """
    kept = driver.config.driver
    before, address, known = kept["Network"], kept["IP"], (kept["URL"], kept["IPAddress"])
    network = ensure(driver.engine, driver.flavour.address_pools, like=kept["OwnNetwork"], needed=address)
    if network is None:
        raise MachineError(
            driver.config.name,
            f'Machine "{driver.config.name}" cannot be started: {why}, and no other network can be made on '
            f"{driver.endpoint} that this computer reaches. Make the machine anew with its images and a "
            f"published port: dinv rm --keep-cache {driver.config.name}, then dinv create "
            f"--cache-volume {driver.cache_volume} --publish 127.0.0.1 {driver.config.name}",
        )
    same = kept["OwnNetwork"]["Subnet"] == str(subnets.of_network(network)[0])
    take(driver, network)
    if same and address not in _used(driver):
        kept["IP"] = address
    # Until there are certificates for the new one, its address is the one it had: `refresh_address` tells.
    kept["URL"], kept["IPAddress"] = known
    _attach(driver, before)
    driver.store.save(driver.config)
    where = f"at its old address {address}" if kept["IP"] == address else f"at {kept['IP']} now"
    driver.notes.append(f"{why}: the machine is {where}, on network {kept['Network']} ({_subnet(kept)})")


def change_address(driver: DockerDriver) -> None:
    """Give a stopped machine another address, since somebody else has its own."""
    kept = driver.config.driver
    address, known = kept["IP"], (kept["URL"], kept["IPAddress"])
    move(driver)
    kept["URL"], kept["IPAddress"] = known
    _attach(driver, kept["Network"])
    driver.store.save(driver.config)
    driver.notes.append(
        f"Its address {address} is in use on the endpoint: the machine is at {kept['IP']} now"
    )


def _attach(driver: DockerDriver, before: str) -> None:
    """Attach the stopped container as its config says, in place of as it was."""
    kept, calls = driver.config.driver, driver.engine.networks
    # Of a network that is gone the engine says so, and forgets the container's place there all the same.
    with contextlib.suppress(EngineError):
        calls.disconnect(before, driver.container, force=True)
    settings = {"IPAMConfig": {"IPv4Address": kept["IP"]}}
    try:
        calls.connect(kept["Network"], driver.container, endpoint_config=settings)
    except EngineError as error:
        raise MachineError(
            driver.config.name,
            f'Machine "{driver.config.name}" cannot be put on network {kept["Network"]} of '
            f"{driver.endpoint}: {error.message}",
        ) from error


def _subnet(kept: Mapping[str, Any]) -> str:
    return str(kept["OwnNetwork"]["Subnet"])


# At the end


def remove_unused(driver: DockerDriver) -> None:
    """Remove dinv's networks that no container has, running or stopped.

    A machine that is being made on one just now makes it again at its start.
    """
    if not driver.config.driver.get("OwnNetwork"):
        return
    calls = driver.engine.networks
    # What an engine will not do for a machine that is gone is no reason to keep the machine's record.
    with contextlib.suppress(EngineError):
        for network in calls.list(filters={"label": [f"{LABEL_ROLE}={ROLE}"]}):
            if LABEL_KEEP in (network.get("Labels") or {}):
                continue
            with _alone(), contextlib.suppress(EngineError):
                if not driver.engine.containers.list(all=True, filters={"network": [str(network["Name"])]}):
                    calls.remove(str(network["Id"]))

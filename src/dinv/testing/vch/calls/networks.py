"""Networks: the bridge network, those that clients make, and container networks of vSphere's.

A container on a container network has an address of its own. At trust level `published` its firewall lets
in what `-p` names: here a container without `-p` is kept off that network, and shows an address there at
which nothing answers; with `-p`, all its ports answer (the engine behind has no firewall to set).
vmware/vic: lib/apiservers/engine/network/utils.go, backends/network.go.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dinv.testing.vch.settings import ContainerNetwork
    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

BRIDGE = "bridge"
_DEFAULT_MODES = ("default", BRIDGE)
_REFUSED = "[POST /scopes/{scope}/containers]"
_MOST_TRIED = 4096


def container_network(vch: Vch, name: str) -> ContainerNetwork | None:
    """Return the container network of this name, None if it is of another kind, or there is none."""
    return next((network for network in vch.settings.container_networks if network.name == name), None)


def check(container: Container) -> None:
    """Raise VicError if a container is to be on several networks at once."""
    if len(_endpoints(container)) > 1:
        raise errors.bare("NetworkMode error: Container can be connected to one vicnetwork endpoint only")


def choose(vch: Vch, container: Container) -> None:
    """Find the one network that a container is created on. Raises VicError.

    It is the one in EndpointsConfig, else NetworkMode; the port layer has no network without a name.
    """
    mode = next(iter(_endpoints(container)), "") or str(container.host.get("NetworkMode") or "")
    if container.asked.get("NetworkDisabled"):
        mode = "none"
    elif not mode:
        raise errors.from_portlayer(
            f"{_REFUSED}[404] addContainerNotFound  "
            f"&{{Code:404 Message:path /scopes//containers was not found}}"
        )
    name = BRIDGE if mode in _DEFAULT_MODES else mode
    container.network = name
    network = container_network(vch, name)
    if network is None:
        if name not in (BRIDGE, "none") and name not in vch.networks:
            raise errors.from_portlayer(
                f"{_REFUSED}[500] addContainerInternalServerError  "
                f"&{{Code:500 Message:scope {name} not found}}"
            )
        return
    address = _asked_address(container)
    if address and network.dhcp:
        raise errors.from_portlayer(f"network {name} has no IP range from which {address} could be given")
    if not container.port_bindings:
        container.closed_address = address or _unused_address(vch, network)


def behind_name(vch: Vch, container: Container) -> str:
    """The network on the engine behind that stands for the container's."""
    if container.closed_address:
        return BRIDGE
    return _behind(vch, container.network)


def endpoints(vch: Vch, container: Container) -> JSON:
    """NetworkingConfig for the engine behind."""
    if container.network in (BRIDGE, "none") or container.closed_address:
        return {}
    asked = _endpoints(container).get(container.network) or {}
    endpoint: JSON = {"Aliases": [container.name, *(asked.get("Aliases") or [])]}
    if address := _asked_address(container):
        endpoint["IPAMConfig"] = {"IPv4Address": address}
    return {"EndpointsConfig": {behind_name(vch, container): endpoint}}


def claim(vch: Vch, container: Container) -> None:
    """Raise VicError for a container that would never learn its address, which a start waits for."""
    network = container_network(vch, container.network)
    if network is not None and network.dhcp and not container.host.get("Dns"):
        raise errors.from_portlayer("unable to wait for process launch status: context deadline exceeded")


def activate(container: Container) -> None:
    """A container has been started: its networks count it as active until it is removed, running or not."""
    container.active_on = {container.network, *container.connected}


def shown(vch: Vch, container: Container, found: JSON) -> JSON:
    """NetworkSettings.Networks of an inspect or a list, with the names that clients know."""
    if container.closed_address:
        running = any(network.get("IPAddress") for network in found.values())
        address = container.closed_address if running else ""
        return {container.network: {"IPAddress": address, "NetworkID": container.network, "Aliases": None}}
    names = {_behind(vch, name): name for name in _names(vch)}
    return {names.get(name, name): network for name, network in found.items()}


def _names(vch: Vch) -> Iterator[str]:
    yield BRIDGE
    yield from vch.networks
    for network in vch.settings.container_networks:
        yield network.name


def _behind(vch: Vch, name: str) -> str:
    network = container_network(vch, name)
    if network is not None:
        return network.engine_network
    return vch.behind_name(name) if name in vch.networks else name


def _endpoints(container: Container) -> dict[str, JSON]:
    found = (container.asked.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    return {name: endpoint or {} for name, endpoint in found.items()}


def _asked_address(container: Container) -> str:
    for endpoint in _endpoints(container).values():
        return str((endpoint.get("IPAMConfig") or {}).get("IPv4Address") or "")
    return ""


def _unused_address(vch: Vch, network: ContainerNetwork) -> str:
    """Return a free address of the network, from its upper end, where the engine assigns last."""
    found = vch.behind.json("GET", f"/networks/{network.engine_network}")
    used = {str(each.get("IPv4Address", "")).partition("/")[0] for each in found["Containers"].values()}
    used |= {container.closed_address for container in vch.containers.values()}
    for config in found["IPAM"]["Config"]:
        subnet = ipaddress.ip_network(config["Subnet"])
        top = int(subnet.broadcast_address)
        for number in range(top - 1, max(top - _MOST_TRIED, int(subnet.network_address)), -1):
            address = str(ipaddress.ip_address(number))
            if subnet.version == 4 and address not in used and address != config.get("Gateway"):
                return address
    raise errors.from_portlayer(f"no address is left on network {network.name}")


# Handlers


def network_list(context: Context) -> Answer:
    """GET /networks."""
    vch, filters = context.vch, context.filters()
    found = [describe(vch, name) for name in _names(vch)]
    return Answer.json(
        [
            network
            for network in found
            if all(part in network["Name"] for part in filters.get("name", [])[:1])
            and network["Id"].startswith(tuple(filters.get("id", [""])))
            and network["Driver"] in filters.get("driver", [network["Driver"]])
        ]
    )


def network_inspect(context: Context) -> Answer:
    """GET /networks/NAME."""
    return Answer.json(describe(context.vch, find(context.vch, context.groups["name"])))


def find(vch: Vch, reference: str) -> str:
    """The name of a network that is given by name or id. Raises 404."""
    for name in _names(vch):
        if reference == name or describe(vch, name)["Id"] == reference:
            return name
    raise VicError(404, f"network {reference} not found")


def describe(vch: Vch, name: str) -> JSON:
    """A network as inspect and list show it, with this VCH's containers only."""
    found: JSON = vch.behind.json("GET", f"/networks/{_behind(vch, name)}")
    external = container_network(vch, name) is not None
    body = vch.networks.get(name, {})
    members = {
        identity: {**member, "Name": vch.containers[identity].name}
        for identity, member in (found.get("Containers") or {}).items()
        if identity in vch.containers and not vch.containers[identity].closed_address
    }
    return {
        "Name": name,
        "Id": found["Id"],
        "Created": found.get("Created", ""),
        "Scope": "",
        "Driver": "external" if external else BRIDGE,
        "EnableIPv6": False,
        "IPAM": found.get("IPAM"),
        "Internal": False,
        "Attachable": False,
        "Containers": members,
        "Options": {},
        "Labels": dict(body.get("Labels") or {}),
    }


def network_create(context: Context) -> Answer:
    """POST /networks/create: bridge networks, with one subnet at most."""
    vch, body = context.vch, context.body("network")
    name, driver = str(body.get("Name") or ""), str(body.get("Driver") or BRIDGE)
    configs = (body.get("IPAM") or {}).get("Config") or []
    if len(configs) > 1:
        raise errors.bare("at most one ipam config supported")
    if driver != BRIDGE:
        raise VicError(500, "scope type not supported")
    with vch.lock:
        if name in _names(vch):
            raise VicError(409, f"vicnetwork {name} already exists")
        vch.behind.json(
            "POST",
            "/networks/create",
            body={
                "Name": vch.behind_name(name),
                "Driver": BRIDGE,
                "IPAM": {"Config": configs},
                "Labels": vch.label,
                "CheckDuplicate": True,
            },
        )
        vch.networks[name] = body
        found = describe(vch, name)
    return Answer.json({"Id": found["Id"], "Warning": ""}, 201)


def network_connect(context: Context) -> Answer:
    """POST /networks/NAME/connect, before the container starts."""
    vch, body = context.vch, context.body("connection")
    name = find(vch, context.groups["name"])
    container = vch.find(str(body.get("Container") or ""))
    if vch.inspect(container)["State"].get("Running") or container.starting:
        raise errors.conflict("a running container cannot be connected to a network")
    endpoint = body.get("EndpointConfig") or {}
    aliases = [] if name == BRIDGE else [container.name, *(endpoint.get("Aliases") or [])]
    try:
        vch.behind.json(
            "POST",
            f"/networks/{_behind(vch, name)}/connect",
            body={
                "Container": container.id,
                "EndpointConfig": {"Aliases": aliases, "IPAMConfig": endpoint.get("IPAMConfig")},
            },
        )
    except BehindError as error:
        raise VicError(error.status, vch.own_words(error.message)) from error
    container.connected.add(name)
    return Answer(200)


def network_remove(context: Context) -> Answer:
    """DELETE /networks/NAME."""
    vch = context.vch
    name = find(vch, context.groups["name"])
    if name not in vch.networks:
        raise VicError(500, "cannot remove builtin scope")
    vch.listed()  # a container removed behind our back is on no network
    with vch.lock:
        active = any(name in container.active_on for container in vch.containers.values())
    try:
        if not active:
            vch.behind.json("DELETE", f"/networks/{_behind(vch, name)}")
    except BehindError as error:
        active = "active endpoints" in error.message
        if not active:
            raise VicError(500, vch.own_words(error.message)) from error
    if active:
        raise VicError(500, f"{name} has active endpoints")
    with vch.lock:
        vch.networks.pop(name, None)
    return Answer(204)


HANDLERS = {
    "Networks": network_list,
    "FindNetwork": network_inspect,
    "CreateNetwork": network_create,
    "ConnectContainerToNetwork": network_connect,
    "DeleteNetwork": network_remove,
}

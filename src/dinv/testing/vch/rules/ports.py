"""Published ports, as a VCH's port map has them (vmware/vic: lib/apiservers/engine/backends/portmap).

What is asked for is checked when a container is created; whether a port is free, only when it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.errors import DinvError
from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Container, Vch

    JSON = dict[str, Any]

_PORTS = 65536
_TAKEN = ("port is already allocated", "address already in use", "Ports are not available")


def check(bindings: dict[str, list[JSON]], public: str) -> None:
    """Raise VicError for what a VCH cannot publish: ranges, and addresses of its own choosing."""
    for port, wanted in bindings.items():
        for binding in wanted:
            if (binding.get("HostIp") or "") not in ("", "0.0.0.0", public):  # noqa: S104  (compared with)
                raise errors.from_portlayer(
                    "host IP for port bindings is only supported for 0.0.0.0 and the public interface IP "
                    "address"
                )
            if "-" in port or "-" in str(binding.get("HostPort") or ""):
                raise errors.from_portlayer("host port ranges are not supported for port bindings")


def behind(bindings: dict[str, list[JSON]], public: str, api_port: int = 0) -> JSON:
    """HostConfig.PortBindings for the engine behind, which publishes on the VCH's public address.

    The port of the VCH's API is left out: the engine behind cannot publish what the simulator listens on,
    and iptables on the real one can (server.py). So is what is no port number, which VIC skips too.
    """
    return {
        port: [
            {"HostIp": public, "HostPort": wanted}
            for wanted in (str(binding.get("HostPort") or "") for binding in bindings_of)
            if not wanted or (_is_port(wanted) and (int(wanted) != api_port or not port.endswith("/tcp")))
        ]
        for port, bindings_of in bindings.items()
    }


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < _PORTS


def wanted(container: Container) -> set[tuple[str, str]]:
    """Ports of the VCH that a container asks for by number, with their protocols."""
    return {
        (str(binding["HostPort"]), port.partition("/")[2] or "tcp")
        for port, bindings in container.port_bindings.items()
        for binding in bindings
        if _is_port(str(binding.get("HostPort") or ""))
    }


def claim(vch: Vch, container: Container, running: list[Container]) -> None:
    """Raise VicError if one of the container's ports belongs to another running one."""
    if on_container_network(vch, container):
        return
    given = [str(binding.get("HostPort")) for each in container.port_bindings.values() for binding in each]
    if "0" in given:
        raise errors.from_portlayer("error mapping ports: source port must be specified")
    mine = wanted(container)
    for other in running:
        if other is container or on_container_network(vch, other):
            continue
        for port, _ in sorted(mine & wanted(other)):
            raise not_available(port)


def api_port_of(vch: Vch, container: Container) -> str:
    """The container's port that is published where the VCH's own API is, "" for none.

    VIC only asks its own loopback address whether a port is free, and the API listens on the client's.
    """
    if on_container_network(vch, container):
        return ""
    for port, bindings in container.port_bindings.items():
        number, _, protocol = port.partition("/")
        if protocol in ("", "tcp") and any(
            str(each.get("HostPort")) == str(vch.api_port) for each in bindings
        ):
            return number
    return ""


def api_holder(vch: Vch) -> tuple[str, int] | None:
    """Return the address of the container that has the port of the VCH's API while it runs; else None."""
    container = vch.api_holder
    if container is None:
        return None
    try:
        found = vch.inspect(container)
    except (VicError, DinvError):
        found = {}
    networks = (found.get("NetworkSettings") or {}).get("Networks") or {}
    address = next((str(each["IPAddress"]) for each in networks.values() if each.get("IPAddress")), "")
    if not (found.get("State") or {}).get("Running") or not address:
        vch.api_holder = None
        return None
    return address, int(api_port_of(vch, container))


def on_container_network(vch: Vch, container: Container) -> bool:
    """Whether the container has an address of its own, and its ports are not the VCH's."""
    return any(network.name == container.network for network in vch.settings.container_networks)


def not_available(port: str) -> VicError:
    """Return VIC's message about a port that is in use, at a start."""
    return errors.from_portlayer(f"error mapping ports: port {port} is not available")


def refused_behind(container: Container, message: str) -> VicError | None:
    """Return VIC's message if the engine behind could not publish a port; None for another reason."""
    if not any(words in message for words in _TAKEN):
        return None
    ports = [port for port, _ in sorted(wanted(container))]
    named = [port for port in ports if f":{port}" in message]
    return not_available((named or ports or ["0"])[0])


def shown(vch: Vch, container: Container, address: str, found: JSON) -> JSON:
    """NetworkSettings.Ports and HostConfig.PortBindings of an inspect, which are the same, running or not.

    With the VCH's address, or on a container network with `address`, the container's own; the ports that its
    image exposes and nobody publishes have null (network/utils.go: PortMapFromContainer). `found` is what the
    engine behind has published: it knows ports that were left to choice.
    """
    direct = on_container_network(vch, container)
    host = (address or "0.0.0.0") if direct else vch.settings.public  # noqa: S104  (shown, not bound)
    ports: JSON = {}
    for port, bindings in container.port_bindings.items():
        given = [str(each.get("HostPort") or "") for each in found.get(port) or ()]
        ports[port] = [
            {
                "HostIp": host,
                "HostPort": str(binding.get("HostPort") or "") or _chosen(direct, port, given),
            }
            for binding in bindings
        ]
    return {**dict.fromkeys(container.image_config.get("ExposedPorts") or {}), **ports}


def _chosen(direct: bool, port: str, given: list[str]) -> str:  # noqa: FBT001
    if direct:
        return port.partition("/")[0]
    return given[0] if given else ""

"""Published ports, as a VCH's port map has them (vmware/vic: lib/apiservers/engine/backends/portmap).

What is asked for is looked at when a container is created; whether a port is free, only when it starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.testing.vch import errors
from dinv.testing.vch.errors import VicError

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Container, Vch

    JSON = dict[str, Any]

_TAKEN = ("port is already allocated", "address already in use", "Ports are not available")


def check(bindings: dict[str, list[JSON]], public: str) -> None:
    """Raise VicError for what a VCH cannot publish: ranges, and addresses of its own choosing."""
    for port, wanted in bindings.items():
        if "-" in port:
            raise VicError(500, "host port ranges are not supported for port bindings")
        for binding in wanted:
            if "-" in str(binding.get("HostPort") or ""):
                raise VicError(500, "host port ranges are not supported for port bindings")
            if (binding.get("HostIp") or "") not in ("", "0.0.0.0", public):  # noqa: S104  (compared with)
                raise VicError(
                    500,
                    "host IP for port bindings is only supported for 0.0.0.0 and the public interface IP "
                    "address",
                )


def behind(bindings: dict[str, list[JSON]], public: str) -> JSON:
    """HostConfig.PortBindings for the engine behind, which publishes on the VCH's public address."""
    return {
        port: [{"HostIp": public, "HostPort": str(binding.get("HostPort") or "")} for binding in wanted]
        for port, wanted in bindings.items()
    }


def wanted(container: Container) -> set[tuple[str, str]]:
    """Ports of the VCH that a container asks for by number, with their protocols."""
    return {
        (str(binding["HostPort"]), port.partition("/")[2] or "tcp")
        for port, bindings in container.port_bindings.items()
        for binding in bindings
        if str(binding.get("HostPort") or "0") != "0"
    }


def claim(vch: Vch, container: Container, running: list[Container]) -> None:
    """Raise VicError when one of the container's ports belongs to another running one."""
    if on_container_network(vch, container):
        return
    mine = wanted(container)
    for other in running:
        if other is container or on_container_network(vch, other):
            continue
        for port, _ in sorted(mine & wanted(other)):
            raise not_available(port)


def on_container_network(vch: Vch, container: Container) -> bool:
    """Whether the container has an address of its own, and its ports are not the VCH's."""
    return any(network.name == container.network for network in vch.settings.container_networks)


def not_available(port: str) -> VicError:
    """What VIC says of a port that is in use, at start."""
    return errors.bare(f"error mapping ports: port {port} is not available")


def refused_behind(container: Container, message: str) -> VicError | None:
    """What VIC says where the engine behind could not publish a port; None for another reason."""
    if not any(words in message for words in _TAKEN):
        return None
    ports = [port for port, _ in sorted(wanted(container))]
    named = [port for port in ports if f":{port}" in message]
    return not_available((named or ports or ["0"])[0])

"""The port of the endpoint that a machine is published on, and the addresses it is reached by.

A port is chosen once and kept, so that the URL survives restarts; Docker's own random ports change with each
start. The choice begins with a number made from the machine's name, so that a recreated machine keeps its
URL, and two that are made at once hardly ever choose the same.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import zlib

from dinv.drivers.docker.flavours.engine import DAEMON_PORT
from dinv.drivers.docker.network import nested, publishing, serving
from dinv.errors import PreCreateCheckFailed
from dinv.formats.host_port import of_url
from dinv.labels import LABEL_PORT, LABEL_SSH_PORT
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site

FIRST_PORT = 23760
PORTS = 4000
"""From 23760 to 27759: no well-known registrations, and below Linux's ephemeral ports (32768)."""

_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME = re.compile(rf"({_LABEL}\.)*(?![0-9]+$){_LABEL}", re.IGNORECASE)
"""Names that can be resolved (RFC 1123, 2.1); names of machines and containers can have others."""

_ANY = ("", "0.0.0.0", "::")  # noqa: S104  (compared with, never bound)


def host_of(site: Site) -> tuple[str, bool]:
    """Return where ports published on the endpoint are reached, and whether that is this computer."""
    host = site.engine.transport.host
    if host is None:
        return "127.0.0.1", True
    if site.outer is not None:
        return host, False
    if host == "localhost":
        return host, True
    try:
        return host, ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host, False


def settle(site: Site) -> None:
    """Decide what `--publish` left open: address and host. `choose` decides the port."""
    settle_address(site, site.config.driver)


def settle_address(site: Site, kept: dict[str, Any]) -> None:
    """Do so in a machine's config, that of now or as it is to be."""
    host, local = host_of(site)
    if not kept["PublishAddress"] and kept["Published"]:
        # A VCH publishes on its own public address, and does not accept another.
        kept["PublishAddress"] = "127.0.0.1" if local and site.flavour.chooses_address else ""
    address = kept["PublishAddress"]
    # A loopback address of the endpoint is this computer's only if the endpoint is on it.
    elsewhere = not local and address not in _ANY and ipaddress.ip_address(address).is_loopback
    kept["Host"] = host if address in _ANY or elsewhere else address
    if address == "::" and local:
        kept["Host"] = "::1"
    if not kept["Published"]:
        kept["Host"] = ""


def refresh_address(site: Site) -> bool:
    """Ask the endpoint where the started machine is; return True if that has changed."""
    kept = site.config.driver
    before = kept.get("URL", "")
    settings = site.engine.containers.inspect(site.container).get("NetworkSettings") or {}
    networks = list((settings.get("Networks") or {}).values())
    # The second entry is only there on a network without IPv4, which Docker has since 27.
    found = (network.get(key) for key in ("IPAddress", "GlobalIPv6Address") for network in networks)
    kept["OwnAddress"] = next((address for address in found if address), "")
    if not site.recorded_flavour.chooses_address and kept["Port"]:
        follow(site, settings.get("Ports") or {})
    site.settle_address()
    return bool(before != kept.get("URL"))


def follow(site: Site, published: Mapping[str, Any]) -> None:
    """Take over the address that the endpoint reports for a running machine.

    A VCH's public address may differ from its API's (vmware/vic: network/utils.go); if the API's name or
    address leads there too, that stays. `published` is NetworkSettings.Ports.
    """
    kept = site.config.driver
    for binding in published.get(DAEMON_PORT) or ():
        address = str(binding.get("HostIp") or "")
        if address not in _ANY and address not in (kept["Host"], *_resolved(kept["Host"])):
            kept["Host"] = address


def follow_port(site: Site, published: Mapping[str, Any]) -> None:
    """Take over the port of a machine whose endpoint chooses another at each start (`docker run -p 2376`)."""
    bound = (str(binding.get("HostPort") or "") for binding in published.get(DAEMON_PORT) or ())
    port = next((int(text) for text in bound if text.isdecimal()), 0)
    if port:
        site.config.driver["Port"] = port


def choose(site: Site) -> None:
    """Choose the ports to publish on, or check that those the user chose are free.

    All that dinv chooses is chosen anew: what it chose before may be what somebody else has got meanwhile.
    Raises PreCreateCheckFailed.
    """
    kept = site.config.driver
    serving.drop(kept)
    if kept["Published"]:
        serving.add(kept)
    further = kept.get("PublishPorts") or []
    if not kept["Published"] and not further:
        return
    _, local = host_of(site)
    services = services_of(site)
    if further:
        _check_further(site, further, services, local=local)
    if not kept["Published"]:
        return
    used = used_ports(site)
    refused = services.union(kept.get("RefusedPorts", ()), (port["Port"] for port in further))

    def is_free(port: int) -> bool:
        taken = port in used or port in refused
        return not taken and (not local or can_bind(kept["PublishAddress"], port))

    if kept["PortChosen"]:
        check_chosen(site, kept["Port"], used=used, services=services, is_free=is_free)
    else:
        kept["Port"] = _first_free(site, is_free)
    others = (port for port in _candidates(site) if port != kept["Port"])
    if not serving.place(further, others, is_free):
        raise nested.no_port(site.outer) if site.outer is not None else _no_port(site)


def check_chosen(
    site: Site,
    port: int,
    *,
    used: Mapping[int, str],
    services: frozenset[int],
    is_free: Callable[[int], bool],
) -> None:
    """Raise PreCreateCheckFailed unless the daemon can be published at a port that somebody chose."""
    if port in services:
        raise PreCreateCheckFailed(
            f"Port {port} is one of {site.endpoint}'s own: published there, the machine would "
            "take the place of its API or SSH, and nobody could reach the endpoint any more. "
            "Choose another with " + option("publish") + ", or leave the port to dinv."
        )
    if not is_free(port):
        by = f" by container {used[port]}" if port in used else ""
        raise PreCreateCheckFailed(
            f"Port {port} is in use on {site.endpoint}{by}. "
            "Choose another with " + option("publish") + ", or leave the port to dinv."
        )


def _first_free(site: Site, is_free: Callable[[int], bool]) -> int:
    candidates, outer = _candidates(site), site.outer
    for port in candidates:
        if is_free(port):
            if outer is not None:
                nested.add_spare_ports(site.config.driver["PublishPorts"], port, candidates, is_free)
            return port
    if outer is not None:
        raise nested.no_port(outer)
    raise _no_port(site)


def _no_port(site: Site) -> PreCreateCheckFailed:
    return PreCreateCheckFailed(
        f"No port from {FIRST_PORT} to {FIRST_PORT + PORTS - 1} is free on {site.endpoint}."
    )


def _candidates(site: Site) -> list[int]:
    """Yield the ports that a machine can be published on, the preferred one first."""
    leading_in = nested.leading_in(site.outer) if site.outer is not None else None
    if leading_in is not None:
        return leading_in
    start = zlib.crc32(site.config.name.encode())
    return [FIRST_PORT + (start + step) % PORTS for step in range(PORTS)]


def _check_further(
    site: Site, further: list[dict[str, Any]], services: frozenset[int], *, local: bool
) -> None:
    """Check that the ports of `--publish-ports` are free. Raises PreCreateCheckFailed."""
    publishing.settle(further, local=local and site.flavour.chooses_address)
    guarded = dict.fromkeys(services, "of its own services") if further else {}
    publishing.check(further, {**used_ports(site), **guarded}, str(site.endpoint))
    for port in further if local else ():
        if port["Protocol"] == "tcp" and not can_bind(port["Address"], port["Port"]):
            raise PreCreateCheckFailed(
                option("publish-ports") + f": port {port['Port']} is in use on this computer. Choose another."
            )


def services_of(site: Site) -> frozenset[int]:
    """Return ports of the endpoint's own services that it would give away."""
    flavour, address = site.flavour, site.engine.transport.address
    if flavour.guards_services or not address.startswith("tcp://"):
        return flavour.services
    where = of_url(address)
    return flavour.services | {where[1]} if where else flavour.services


def used_ports(site: Site) -> dict[int, str]:
    """Return ports of the endpoint's containers, by owner; dinv's also while they are stopped."""
    used: dict[int, str] = {}
    for container in site.engine.containers.list(all=True):
        name = (container.get("Names") or ["?"])[0].lstrip("/")
        for port in container.get("Ports") or ():
            if port.get("PublicPort"):
                used[int(port["PublicPort"])] = name
        for kind in (LABEL_PORT, LABEL_SSH_PORT):
            label = (container.get("Labels") or {}).get(kind, "")
            if label.isdigit() and int(label):
                used[int(label)] = name
    return used


def can_bind(address: str, port: int) -> bool:
    """Return whether the port is free here. Only a hint: a local socket may lead into another network."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address, port))
    except OSError as error:
        import errno

        return error.errno != errno.EADDRINUSE
    return True


def addresses(site: Site) -> list[str]:
    """Return names and addresses for the server certificate.

    The host as given and as resolved, the published address, the machine's own address if it is known, and
    the names that other containers of its network know it by.
    """
    kept = site.config.driver
    found = [kept["Host"], *_resolved(kept["Host"]), kept["PublishAddress"], kept["IP"]]
    # The own address of a machine reached at a published port may change with each start.
    own = "" if kept["Port"] else kept.get("OwnAddress", "")
    found += [own, *(name for name in (site.container, site.config.name) if _HOST_NAME.fullmatch(name))]
    return list(dict.fromkeys(name for name in found if name and name not in _ANY))


def _resolved(host: str) -> list[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return []
    if not host or host == "localhost":
        return []
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    return [str(entry[4][0]) for entry in found]

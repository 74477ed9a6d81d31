"""Further ports of a machine that its endpoint publishes, besides its daemon's: `create --publish-ports`.

They are for what containers in the machine publish, if the machine's own address cannot be reached. In a
machine's config each is {"Address", "Port", "MachinePort", "Protocol"}; Address "" means all addresses. One
that dinv has chosen, as nobody named it, has "Chosen" as well, and is chosen anew if somebody else was first.
"""

from __future__ import annotations

import ipaddress
import re

from dinv.drivers.docker.flavours.engine import DAEMON_PORT
from dinv.errors import OptionError, PreCreateCheckFailed
from dinv.formats.host_port import of_url, unbracketed
from dinv.formats.urls import LARGEST_PORT
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

MOST = 256
"""The limit, since the endpoint runs a process for each (docker-proxy)."""

_ONE = re.compile(
    r"(?:(?P<address>\[[^][]+\]|\d+\.\d+\.\d+\.\d+):)?"
    r"(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?"
    r"(?::(?P<inner_first>\d{1,5})(?:-(?P<inner_last>\d{1,5}))?)?"
    r"(?:/(?P<protocol>tcp|udp))?"
)


def parse(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Parse `--publish-ports`: `8000-8019`, `8080:80`, `127.0.0.1:5353:53/udp`. Raises InputError."""
    found = [port for text in texts for port in _parse(str(text))]
    if len(found) > MOST:
        raise OptionError(f": {len(found)} ports are too many, {MOST} at most", option="publish-ports")
    seen = set()
    for port in found:
        key = port["Address"], port["Port"], port["Protocol"]
        if key in seen:
            raise OptionError(f": {port['Port']}/{port['Protocol']} is there twice", option="publish-ports")
        seen.add(key)
    return found


def _parse(text: str) -> list[dict[str, Any]]:
    match = _ONE.fullmatch(text)
    if match is None:
        raise _refused(text, "is not FIRST[-LAST][:FIRST[-LAST]][/udp], such as 8000-8019 or 8080:80")
    outer = _range(text, match["first"], match["last"])
    inner = _range(text, match["inner_first"], match["inner_last"]) if match["inner_first"] else outer
    if len(outer) != len(inner):
        raise _refused(text, f": {len(outer)} ports cannot lead to {len(inner)}")
    protocol = match["protocol"] or "tcp"
    if any(f"{port}/{protocol}" == DAEMON_PORT for port in inner):
        raise _refused(text, ": where the machine's daemon is published, " + option("publish") + " says")
    address = unbracketed(match["address"] or "")
    try:
        address = str(ipaddress.ip_address(address)) if address else ""
    except ValueError as error:
        raise _refused(text, f': "{address}" is not an IP address') from error
    return [
        {"Address": address, "Port": port, "MachinePort": into, "Protocol": protocol}
        for port, into in zip(outer, inner, strict=True)
    ]


def _range(text: str, first: str, last: str | None) -> range:
    begin, end = int(first), int(last or first)
    if not 0 < begin <= end <= LARGEST_PORT:
        raise _refused(text, f": {first}-{last} is not a range of ports" if last else "is not a port")
    return range(begin, end + 1)


def _refused(text: str, why: str) -> OptionError:
    return OptionError(why, option="publish-ports", value=text)


def settle(ports: Iterable[dict[str, Any]], *, local: bool) -> None:
    """Decide where ports without an address are published: on a local endpoint for this computer only."""
    for port in ports:
        if not port["Address"] and local:
            port["Address"] = "127.0.0.1"


def check(ports: Iterable[Mapping[str, Any]], used: Mapping[int, str], endpoint: str) -> None:
    """Raise PreCreateCheckFailed if a container of the endpoint has one of the ports."""
    for port in ports:
        if port["Port"] in used:
            raise PreCreateCheckFailed(
                option("publish-ports")
                + f": port {port['Port']} is in use on {endpoint} by container {used[port['Port']]}. "
                "Choose another."
            )


def bindings(ports: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, str]]]:
    """Return the PortBindings of the create call."""
    found: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        key = f"{port['MachinePort']}/{port['Protocol']}"
        found.setdefault(key, []).append({"HostIp": port["Address"], "HostPort": str(port["Port"])})
    return found


def refused(ports: Iterable[Mapping[str, Any]], message: str) -> Mapping[str, Any] | None:
    """Return which of the ports a start was refused for, by the endpoint's message; None for another."""
    return next((port for port in ports if re.search(rf":{port['Port']}\b", message)), None)


def reached_at(kept: Mapping[str, Any], port: int) -> tuple[str, int] | None:
    """Return where clients reach a TCP port of a machine, by its config: at its own address, or published.

    The own address of a machine whose daemon is published is not counted on: few clients reach it.
    """
    own = kept.get("OwnAddress") or kept.get("IP")
    if not kept.get("Port"):
        return (own, port) if own else None
    for published in kept.get("PublishPorts") or ():
        if (published["MachinePort"], published["Protocol"]) == (port, "tcp"):
            return _host(kept, published["Address"]), published["Port"]
    return None


def _host(kept: Mapping[str, Any], address: str) -> str:
    """Return where clients reach what is published at an address of the endpoint."""
    if not address or ipaddress.ip_address(address).is_unspecified:
        return str(kept["Host"])
    elsewhere = ipaddress.ip_address(address).is_loopback and not _is_here(kept)
    return str(kept["Host"]) if elsewhere else address


def _is_here(kept: Mapping[str, Any]) -> bool:
    """Return whether the endpoint is on this computer, so that its loopback is ours."""
    found = of_url(str((kept.get("Endpoint") or {}).get("URL") or ""))
    if found is None:
        return True  # a socket
    try:
        return ipaddress.ip_address(found[0]).is_loopback
    except ValueError:
        return found[0] == "localhost"

"""Why a machine whose daemon listens cannot be reached.

A port that is published on 127.0.0.1 of an endpoint is only reachable if the endpoint is on this computer, or
its ports are forwarded, as Docker Desktop does. An endpoint behind a tunnel (`ssh -L`, socat, `kubectl
port-forward`) has an address of this computer too, but its ports are not here; that cannot be seen before
there is a port.
"""

from __future__ import annotations

from dinv.errors import DinvError
from dinv.formats.urls import TLS_PORT
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers.docker.site import Site

_LISTENS = "0A"  # in /proc/net/tcp (linux: include/net/tcp_states.h)
_SECONDS = 10.0


def why(site: Site) -> str:
    """Return what keeps clients from a machine that listens; "" if it does not, or if that is not known."""
    if not _listens(site):
        return ""
    kept, endpoint = site.config.driver, site.endpoint
    if not kept.get("Port"):
        network = kept.get("Network") or "bridge"
        return (
            f"it listens at {site.url}, and there is no route from here to network {network} of {endpoint}. "
            "Make it with a published port: " + command("create", "--publish", "ADDRESS")
        )
    if _is_loopback(str(kept.get("Host", ""))):
        return (
            f"its port is published on {kept['PublishAddress'] or 'all addresses'} of {endpoint}, which is "
            "not on this computer: its address looks like a tunnel's. Name the endpoint by where it is ("
            + option("endpoint", "ssh://USER@HOST")
            + "), or publish on an address of it that is reached from here: "
            + option("publish", "ADDRESS")
        )
    return (
        f"its port is published there, and something in between blocks it, perhaps a firewall. Open "
        f"port {kept['Port']}, or publish on another address or port of {endpoint}: "
        + option("publish", "ADDRESS:PORT")
    )


def _is_loopback(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _listens(site: Site) -> bool:
    """Return whether something listens on the daemon's port in the machine."""
    said = bytearray()
    try:
        site.channel().run(
            ["cat", "/proc/net/tcp", "/proc/net/tcp6"],
            stdout=said.extend,
            stderr=lambda _: None,
            timeout=_SECONDS,
        )
    except DinvError:
        return False
    return listens(said.decode(errors="replace"))


def listens(table: str) -> bool:
    """Return whether the daemon's port is listened on, by /proc/net/tcp (proc(5)): hex ADDRESS:PORT."""
    rows = (line.split() for line in table.splitlines())
    return any(row[1:2] and row[1].endswith(f":{TLS_PORT:04X}") and row[3:4] == [_LISTENS] for row in rows)

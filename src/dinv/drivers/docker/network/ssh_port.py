"""The port of the endpoint at which a machine's SSH server is published, if its daemon is published, too.

Clients do not reach such a machine at an address of its own. The port is chosen once, as the daemon's is.
"""

from __future__ import annotations

import zlib

from dinv.drivers.docker.network import nested, ports, publishing
from dinv.formats.host_port import SSH_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.drivers.docker.site import Site


def publish(site: Site) -> bool:
    """Let a machine that is about to be made have its port 22 published, if that is how it is reached.

    Returns whether that has changed its config. If no port is left, it has no SSH server as far as clients
    are concerned: commands go in by exec.
    """
    kept = site.config.driver
    if not kept.get("Port") or publishing.reached_at(kept, SSH_PORT) is not None:
        return False
    _, local = ports.host_of(site)
    address = kept["PublishAddress"] if site.flavour.chooses_address else ""
    further = list(kept.get("PublishPorts") or ())
    taken = {
        *ports.used_ports(site),
        *ports.services_of(site),
        *(kept.get("RefusedPorts") or ()),
        *(each["Port"] for each in further),
        kept["Port"],
    }
    for port in _candidates(site):
        if port not in taken and (not local or ports.can_bind(address, port)):
            one = {"Address": address, "Port": port, "MachinePort": SSH_PORT, "Protocol": "tcp"}
            kept["PublishPorts"] = [*further, {**one, "Chosen": True}]
            return True
    return False


def _candidates(site: Site) -> Iterable[int]:
    leading_in = nested.leading_in(site.outer) if site.outer is not None else None
    if leading_in is not None:
        return leading_in
    # Not where the search for its daemon's port begins: a machine that is made anew has both again.
    start = zlib.crc32(f"{site.config.name}:{SSH_PORT}".encode())
    return [ports.FIRST_PORT + (start + step) % ports.PORTS for step in range(ports.PORTS)]

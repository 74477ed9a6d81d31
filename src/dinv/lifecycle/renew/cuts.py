"""What new certificates cost those who use a machine at the time."""

from __future__ import annotations

from dinv.lifecycle.host.restarting import stops_containers
from dinv.states import RUNNING
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.host import Host


def of(machine: Host) -> str:
    """Return what is cut when the machine takes up new certificates, for the user; "" if nothing is.

    Nothing is in a machine with a TLS front, and in one that does not run. Raises EndpointError, EngineError.
    """
    if machine.driver.state(timeout=STATE_SECONDS).state != RUNNING:
        return ""
    return of_running(machine)


def of_running(machine: Host) -> str:
    """Return the same for a machine that is known to run."""
    if machine.provisioner.rotates_in_place():
        return ""
    streams = "open docker commands of everybody are cut (logs -f, exec, builds)"
    if stops_containers(machine):
        return f"Docker restarts: {streams}, and its containers stop"
    return f"Docker restarts: {streams}; containers go on"

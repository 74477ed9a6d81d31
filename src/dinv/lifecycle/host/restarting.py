"""What a restart of a machine's daemon does to the containers in the machine."""

from __future__ import annotations

from dinv.errors import DinvError
from dinv.lifecycle.host import clients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.lifecycle.host import Host


def stops_containers(
    machine: Host, options: Mapping[str, Any] | None = None, *, recreated: bool = False
) -> bool:
    """Return whether containers stop when a running machine's daemon is restarted, or the machine recreated.

    `options` are engine options that will have changed by then. The daemon is asked whether it has any; if it
    does not answer, it may.
    """
    try:
        with clients.engine(machine) as engine:
            info = engine.info()
    except DinvError:
        return True
    if not int(info.get("ContainersRunning") or 0):
        return False
    in_swarm = str((info.get("Swarm") or {}).get("LocalNodeState") or "inactive") != "inactive"
    flags = {**machine.config.engine_options, **(options or {})}.get("ArbitraryFlags") or ()
    return recreated or machine.provisioner.restart_stops or in_swarm or "live-restore=false" in flags

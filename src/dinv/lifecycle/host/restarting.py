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
    does not answer, it may. Live-restore keeps them, unless it is switched off in the machine, where its
    daemon.json has the last word, or by the options.
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
    if recreated or machine.provisioner.restart_stops or in_swarm:
        return True
    setting = machine.provisioner.live_restore()
    if setting is None:
        return "live-restore=false" in flags
    # What has been written since the daemon was started, or told, does not hold for it yet.
    return not (setting and info.get("LiveRestoreEnabled"))

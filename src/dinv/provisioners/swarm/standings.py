"""What swarms say of their machines, for lists: each swarm is asked once, by one of its managers."""

from __future__ import annotations

import time

from dinv.errors import DinvError
from dinv.provisioners.membership import CLUSTER, ROLE, Standing
from dinv.provisioners.peers import open_daemon
from dinv.provisioners.swarm import managers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dinv.store.record import MachineConfig

NO_QUORUM = "no quorum"
DOWN = "down"
UNREACHABLE = "unreachable"


def ask(
    configs: Iterable[MachineConfig], *, timeout: float, trace: Callable[[str], None] | None = None
) -> dict[str, Standing]:
    """Return what is known of the machines, by name, within `timeout` seconds."""
    import threading

    swarms: dict[str, list[MachineConfig]] = {}
    for config in configs:
        swarms.setdefault(str(config.membership.get(managers.SWARM_ID) or config.name), []).append(config)
    found: dict[str, Standing] = {}
    end = time.monotonic() + timeout
    threads = [
        threading.Thread(target=lambda each=members: found.update(_of_swarm(each, end, trace)), daemon=True)
        for members in swarms.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _of_swarm(
    configs: list[MachineConfig], end: float, trace: Callable[[str], None] | None
) -> dict[str, Standing]:
    """Ask the machines, those recorded as managers first, until one knows the nodes."""
    locals_: dict[str, str] = {}
    for config in sorted(configs, key=lambda each: (each.membership.get(ROLE) != "manager", each.name)):
        left = end - time.monotonic()
        if left <= 0:
            break
        try:
            with open_daemon(config, timeout=left, trace=trace) as engine:
                state = engine.swarm.state()
                if managers.controls(state):
                    return {each.name: of_node(each, engine.swarm.nodes()) for each in configs}
        except DinvError:
            continue
        if word := _local(state):
            locals_[config.name] = word
    quorumless = NO_QUORUM in locals_.values()
    return {
        config.name: Standing(
            str(config.membership.get(CLUSTER) or ""),
            str(config.membership.get(ROLE) or ""),
            locals_.get(config.name) or (NO_QUORUM if quorumless else ""),
        )
        for config in configs
    }


def _local(state: Mapping[str, Any]) -> str:
    """Return the word for a daemon that is not a manager that decides; "" if it may be well."""
    if state.get("LocalNodeState") == managers.LOCKED:
        return managers.LOCKED
    if state.get("ControlAvailable"):
        return NO_QUORUM
    return "" if state.get("LocalNodeState") == managers.ACTIVE else str(state.get("LocalNodeState") or "")


def of_node(config: MachineConfig, nodes: Iterable[Mapping[str, Any]]) -> Standing:
    """Return the standing of a machine by the nodes that a manager knows."""
    cluster = str(config.membership.get(CLUSTER) or "")
    wanted = config.membership.get(managers.NODE)
    node = next((each for each in nodes if each["ID"] == wanted), None)
    if node is None:
        return Standing(cluster, str(config.membership.get(ROLE) or ""), "removed")
    spec, status = node.get("Spec") or {}, node.get("Status") or {}
    manager = node.get("ManagerStatus") or {}
    state = str(status.get("State") or "")
    if state == "ready":
        words = {"drain": "drained", "pause": "paused"}
        state = words.get(str(spec.get("Availability")), state)
        if manager and manager.get("Reachability") == UNREACHABLE:
            state = UNREACHABLE
    return Standing(cluster, str(spec.get("Role") or ""), state)

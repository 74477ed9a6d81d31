"""What swarms say of their machines, for lists: each swarm is asked once, by one of its managers."""

from __future__ import annotations

import time

from dinv.errors import DeadlineExceeded, DinvError
from dinv.provisioners import peers
from dinv.provisioners.membership import CLUSTER, ROLE, UNKNOWN, Standing
from dinv.provisioners.swarm import managers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dinv.engine import Engine
    from dinv.store.record import MachineConfig

NO_QUORUM = "no quorum"
SPARE_SECONDS = 0.3
"""Left of a list's time when a manager is given up that waits for others, so that this can still be said."""
UNREACHABLE = "unreachable"


def ask(
    configs: Iterable[MachineConfig], *, timeout: float, trace: Callable[[str], None] | None = None
) -> dict[str, Standing]:
    """Return what is known of the machines, by name, within `timeout` seconds."""
    import threading

    swarms: dict[str, list[MachineConfig]] = {}
    known = list(configs)
    for config in known:
        swarms.setdefault(str(config.membership.get(managers.SWARM_ID) or config.name), []).append(config)
    found: dict[str, Standing] = {}
    end = time.monotonic() + timeout
    threads = [
        threading.Thread(target=_ask, args=(members, end, trace, found), daemon=True)
        for members in swarms.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {config.name: _recorded(config, UNKNOWN) for config in known} | found


def _ask(
    configs: list[MachineConfig],
    end: float,
    trace: Callable[[str], None] | None,
    found: dict[str, Standing],
) -> None:
    """Ask the machines of a swarm, those recorded as managers first, until one knows the nodes.

    What is known by then is in `found` at any time. One that does not answer takes no more than its share.
    """
    words: dict[str, str] = {}
    order = sorted(configs, key=lambda each: (each.membership.get(ROLE) != "manager", each.name))
    for number, config in enumerate(order):
        left = end - time.monotonic() - SPARE_SECONDS
        if left <= 0:
            return
        share = left / (len(order) - number)
        try:
            with peers.open_daemon(config, timeout=left, trace=trace) as engine:
                engine.ping(timeout=share)
                state = _state(engine, share)
                if managers.controls(state):
                    nodes = engine.swarm.nodes()
                    found.update({each.name: of_node(each, nodes) for each in configs})
                    return
        except DinvError:
            continue
        words[config.name] = _local(state)
        lost = NO_QUORUM if NO_QUORUM in words.values() else ""
        found.update(
            {each.name: _recorded(each, words.get(each.name) or lost or UNKNOWN) for each in configs}
        )


def _recorded(config: MachineConfig, state: str) -> Standing:
    kept = config.membership
    return Standing(str(kept.get(CLUSTER) or ""), str(kept.get(ROLE) or ""), state)


def _state(engine: Engine, seconds: float) -> Mapping[str, Any]:
    """Return a daemon's state; of one that answers, and waits for other managers, within `seconds`."""
    try:
        return engine.swarm.state(timeout=seconds)
    except DeadlineExceeded:
        return {"LocalNodeState": managers.ACTIVE, "ControlAvailable": True}


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

"""A node's work: handed over before its machine stops, taken on again when it serves."""

from __future__ import annotations

import time

from dinv import errors
from dinv.errors import DinvError, NotFound
from dinv.formats import host_port
from dinv.provisioners.membership import ROLE
from dinv.provisioners.swarm import addresses, keys, leaving, locking, managers, quorum
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.swarm.node import Node

    JSON = dict[str, Any]

UNLOCK_SECONDS = 20.0
ACTIVE_SECONDS = 20.0
"""How long a node may take to be one again: longer only if the other managers are not there."""


def rest(membership: Node, progress: Progress) -> None:
    """Hand its tasks to other nodes: see `Membership.rest`."""
    control = managers.find(membership.store, membership.config, itself=True, trace=membership.trace)
    if control is None:
        return
    with control:
        nodes = control.ask(control.engine.swarm.nodes)
        own = leaving.own_nodes(membership, nodes)
        if not own:
            return
        node = str(own[0]["ID"])
        counted = dict(managers.tallies(nodes))
        if node in counted:
            _warn_of_quorum(membership, counted, node, progress)
        if not managers.decide(nodes):
            return  # nothing can be moved
        if not takes_tasks(own[0]) or not any(takes_tasks(each) for each in nodes if each["ID"] != node):
            return  # somebody else drained it, or nobody could take over
        leaving.note_drained(membership, own[0])
        with progress.working("Swarm", f"draining {membership.config.name}"):
            leaving.drain(control, node)


def _warn_of_quorum(membership: Node, counted: Mapping[str, bool], node: str, progress: Progress) -> None:
    reachable = sum(counted.values())
    if len(counted) > 1 and not quorum.has(len(counted), reachable - counted[node]):
        progress.warn(
            f"Without {membership.config.name} its swarm has no majority of managers: until it is back "
            "nothing can be "
            "changed there, and no task is moved."
        )


def takes_tasks(node: Mapping[str, Any]) -> bool:
    """Return whether tasks are given to a node."""
    spec, status = node.get("Spec") or {}, node.get("Status") or {}
    return spec.get("Availability") == "active" and status.get("State") == "ready"


def resume(membership: Node, progress: Progress, *, timeout: float) -> None:
    """Be a node again, and take tasks if it did before: see `Membership.resume`."""
    config = membership.config
    with membership.daemon() as engine:
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
        if state.get("LocalNodeState") == managers.LOCKED:
            state = locking.unlock(membership, engine, progress)
        state = _active(membership, engine, state, timeout)
        if managers.controls(state) and keys.read(config.directory):
            membership.keep_key(engine)  # it may have been changed while this one was stopped
    node = str(state.get("NodeID") or config.membership.get(managers.NODE) or "")
    _note_address(membership, progress)
    role = "manager" if state.get("ControlAvailable") else config.membership.get(ROLE)
    if node != config.membership.get(managers.NODE) or role != config.membership.get(ROLE):
        membership.record(**{managers.NODE: node, ROLE: role})
    if config.membership.get(managers.DRAINED):
        take_tasks(membership, node)


def _active(membership: Node, engine: Engine, state: JSON, timeout: float) -> JSON:
    """Wait until the daemon is a node again, for `timeout` seconds. Raises ClusterError."""
    name = membership.config.name
    end = time.monotonic() + min(timeout, ACTIVE_SECONDS)
    while state.get("LocalNodeState") != managers.ACTIVE:
        local = state.get("LocalNodeState") or managers.INACTIVE
        if local == managers.INACTIVE:
            raise errors.ClusterError(name, f'Machine "{name}" has left its swarm.')
        if time.monotonic() >= end:
            raise _not_back(name, state)
        time.sleep(managers.POLL_SECONDS)
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
    return state


def _not_back(name: str, state: JSON) -> errors.ClusterError:
    said = f'Machine "{name}" is not back in its swarm: {managers.refusal(state)}.'
    if state.get("ControlAvailable"):
        said = (
            said
            + " Start the other managers; if they are lost: "
            + command("provision", "--force-new-cluster", name)
            + "."
        )
    return errors.ClusterError(name, said)


def _note_address(membership: Node, progress: Progress) -> None:
    """Say so where a manager is at another address than the one that the others know it by."""
    config = membership.config
    known = str(config.membership.get(managers.ADDRESS) or "")
    try:
        now = host_port.join(membership.advertised(), addresses.PORT)
    except DinvError:
        return
    if not known or known == now:
        return
    if config.membership.get(ROLE) == "manager":
        progress.warn(
            f"{config.name} is at {now} now, and its swarm knows it at {known}: other nodes may not find "
            "it. A swarm "
            "with one manager is mended by " + command("provision", "--force-new-cluster", config.name)
        )
    else:
        membership.record(**{managers.ADDRESS: now})


def take_tasks(membership: Node, node: str) -> None:
    """Have its node be as available as it was before dinv drained it. Raises ClusterError."""
    # True: by an earlier dinv, which drained only nodes that were active.
    kept = membership.config.membership.get(managers.DRAINED)
    before = kept if isinstance(kept, str) else "active"
    control = managers.find(membership.store, membership.config, itself=True, trace=membership.trace)
    if control is not None:
        with control:
            try:
                control.ask(lambda: control.engine.swarm.update_node(node, Availability=before))
            except NotFound:
                raise errors.ClusterError(
                    membership.config.name,
                    f'The swarm of machine "{membership.config.name}" has removed its node.',
                ) from None
    membership.record(**{managers.DRAINED: None})

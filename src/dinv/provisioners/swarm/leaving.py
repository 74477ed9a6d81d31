"""Leaving a swarm: drained, demoted, left, and its node removed by a manager that stays.

The order matters: a manager that only stops being there is still counted among those that have to agree
(swarmkit's Raft members). A machine that is stopped or gone cannot leave by itself; its node is removed all
the same. Nothing here fails on what is done already.
"""

from __future__ import annotations

import contextlib
import time

from dinv import errors
from dinv.errors import BadRequest, DeadlineExceeded, DinvError, EndpointError, EngineError, NotFound
from dinv.provisioners.membership import CLUSTER
from dinv.provisioners.swarm import managers, quorum
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.swarm.managers import Control
    from dinv.provisioners.swarm.node import Node

LEAVE_SECONDS = 30.0
TASKS_SECONDS = 20.0
"""How long tasks are waited for that are to move elsewhere: services have ten seconds to stop."""
DEMOTION_SECONDS = 30.0
POLL_SECONDS = 0.2

_OVER = ("complete", "shutdown", "failed", "rejected", "remove", "orphaned")
"""States of tasks that have ended (swarmkit: api/types.proto, TaskState)."""


def check_leave(membership: Node) -> None:
    """Raise QuorumAtRisk, or ClusterUnreachable: see `Membership.check_leave`."""
    name = membership.config.name
    with contextlib.ExitStack() as stack:
        try:
            control = managers.find(membership.store, membership.config, itself=True, trace=membership.trace)
        except errors.ClusterUnreachable as error:
            if not managers.members(membership.store, membership.config):
                return  # there is nobody else, as far as this store knows: the swarm ends with it
            raise _undecided(membership, error) from error
        if control is None:
            return
        stack.enter_context(control)
        try:
            nodes = managers.settled(membership.store, membership.config, control)
        except errors.ClusterUnreachable as error:
            raise _undecided(membership, error) from error
    own = {str(node["ID"]) for node in own_nodes(membership, nodes)}
    counted = dict(managers.tallies(nodes))
    if own and not managers.decide(nodes):
        # A leader that has just lost the others still answers, and decides nothing.
        lost = next((n for n in managers.members(membership.store, membership.config)), membership.config)
        raise _undecided(
            membership,
            errors.ClusterUnreachable(name, "swarm", [(lost.name, "its swarm has no quorum of managers")]),
        )
    leaving = own & counted.keys()
    if not leaving:
        return
    if not managers.lasting(nodes) - own:
        others = [node for node in nodes if node["ID"] not in own]
        if others:
            raise errors.QuorumAtRisk(
                name,
                f"it is the last manager of its swarm, and {_count(len(others), 'node')} would be left "
                "without one",
                "Promote one of them first (docker node promote), or remove them first.",
            )
        return
    reachable = sum(counted.values())
    up = any(counted[node] for node in leaving)
    if not quorum.survives(len(counted), reachable, leaver_reachable=up):
        raise errors.QuorumAtRisk(
            name,
            f"of the {len(counted)} managers of its swarm {reachable} can be reached, and without it the "
            "others would "
            "have no majority",
            "Start the other managers first, or demote those that are gone (docker node demote).",
        )


def _undecided(membership: Node, error: errors.ClusterUnreachable) -> DinvError:
    """Return the error that no manager decides, for a machine that is to be removed."""
    name = membership.config.name
    stopped = [machine for machine, _ in error.whys if machine != name]
    first = stopped[0] if stopped else name
    return errors.QuorumAtRisk(
        name,
        "no manager of its swarm could take its node out: "
        + "; ".join(f"{machine}: {why}" for machine, why in error.whys),
        "Start one of them ("
        + command("start", first)
        + "), or make a new swarm of one that is left ("
        + command("provision", "--force-new-cluster", first)
        + ").",
    )


def leave(membership: Node, progress: Progress, *, force: bool) -> list[str]:
    """Take it out: see `Membership.leave`."""
    if not membership.config.membership:
        return []
    with contextlib.ExitStack() as stack:
        control, without = None, None
        try:
            control = managers.find(membership.store, membership.config, trace=membership.trace)
        except errors.ClusterUnreachable as error:
            without = error
        own = _own_daemon(membership, stack)
        if without is not None and not force and not (own is not None and _is_last(own)):
            raise without
        if control is not None:
            stack.enter_context(control)
            return _leave_by(membership, control, own, progress, force=force)
        left = _left(membership, without, own)
        if own is not None:
            _leave_itself(own, force=True)
        return left


def _leave_by(
    membership: Node, control: Control, own: Engine | None, progress: Progress, *, force: bool
) -> list[str]:
    """Take it out by a manager that stays."""
    nodes = _nodes_of(membership, control, own)
    left = []
    for node in nodes:
        left += _guarded(membership, control, node, progress, wait=own is not None, force=force)
    if own is not None:
        _leave_itself(own, force=force or not nodes)
    for node in nodes:
        remove_node(membership, control, node)
    return left


def _left(membership: Node, error: errors.ClusterUnreachable | None, own: Engine | None) -> list[str]:
    """Return what is left where no manager takes its node out; `own` is its daemon, if that answers."""
    kept, name = membership.config.membership, membership.config.name
    node = kept.get(managers.NODE)
    if own is not None and _is_last(own):
        others = ", ".join(each.name for each in managers.members(membership.store, membership.config))
        said = f"It was the last manager of its swarm: {others} can only leave that now, or be removed."
        return [said] if others else []
    if error is not None:
        which = f"node {node}" if node else f"the node called {name}"
        remove = f"docker --context {error.whys[0][0]} node rm --force {node or name}"
        where = f"In the swarm of {kept.get(CLUSTER)}, of which no manager decides"
        # Whether a join that failed has made one nobody can say.
        left = "is" if node else "may be"
        return [f"{where}, {which} {left} left. Once one does: {remove}"]
    if own is not None and node:
        where = "If its swarm still has managers, which this store does not know"
        return [f"{where}, it has its node, too. There: docker node rm {node}"]
    return []


def _is_last(own: Engine) -> bool:
    with contextlib.suppress(DinvError):
        state = own.swarm.state(timeout=managers.CALL_SECONDS)
        return managers.controls(state) and int(state.get("Managers") or 0) == 1
    return False


def _own_daemon(membership: Node, stack: contextlib.ExitStack) -> Engine | None:
    """Return a client of its own daemon, if that answers and is in a swarm."""
    try:
        engine = stack.enter_context(membership.daemon())
        engine.ping(timeout=managers.LOOK_SECONDS)
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
    except DinvError:
        return None  # stopped, half made, or gone
    return None if (state.get("LocalNodeState") or managers.INACTIVE) == managers.INACTIVE else engine


def _nodes_of(membership: Node, control: Control, own: Engine | None) -> list[str]:
    """Return the ids of its nodes, by the record, by its daemon, and by what managers know."""
    found = [str(membership.config.membership.get(managers.NODE) or "")]
    if own is not None:
        with contextlib.suppress(DinvError):
            found.append(str(own.swarm.state(timeout=managers.CALL_SECONDS).get("NodeID") or ""))
    nodes = control.ask(control.engine.swarm.nodes)
    found += [str(node["ID"]) for node in own_nodes(membership, nodes)]
    there = {str(node["ID"]) for node in nodes}
    return [each for each in dict.fromkeys(found) if each in there]


def own_nodes(membership: Node, nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of `nodes` that are the machine: by the id in its record, or by its label."""
    kept = membership.config.membership.get(managers.NODE)
    labelled = {str(node["ID"]) for node in managers.of_identity(nodes, membership.config.identity)}
    return [node for node in nodes if node["ID"] == kept or node["ID"] in labelled]


def _guarded(
    membership: Node, control: Control, node: str, progress: Progress, *, wait: bool, force: bool
) -> list[str]:
    """Drain and demote one of its nodes; return what could not be done, with `force`."""
    try:
        with progress.working("Swarm", f"taking {membership.config.name} out of it"):
            note_drained(membership, control.ask(lambda: control.engine.swarm.node(node)))
            drain(control, node, wait=wait)
            demote(control, node)
    except NotFound:
        return []
    except DinvError as error:
        if not force:
            raise
        said = error.message if isinstance(error, EngineError) else error.text
        return [f"Its node {node} is left in the swarm of {control.name}: {said}"]
    return []


def note_drained(membership: Node, node: Mapping[str, Any]) -> None:
    """Record how available its node is, before dinv drains it: what is killed after that is put right."""
    before = str((node.get("Spec") or {}).get("Availability") or "")
    if before not in {"", "drain"} and membership.config.membership.get(managers.NODE) in {None, node["ID"]}:
        membership.record(**{managers.DRAINED: before})


def drain(control: Control, node: str, *, wait: bool = True) -> None:
    """Have a node's tasks go elsewhere, and `wait` until they have, for TASKS_SECONDS. Raises NotFound."""
    swarm = control.engine.swarm
    state = (control.ask(lambda: swarm.node(node)).get("Status") or {}).get("State")
    control.ask(lambda: swarm.update_node(node, Availability="drain"))
    if state != "ready" or not wait:
        return  # nobody there to stop them
    end = time.monotonic() + TASKS_SECONDS
    while _running(control.ask(lambda: swarm.tasks(filters={"node": [node]}))) and time.monotonic() < end:
        time.sleep(POLL_SECONDS)


def _running(tasks: list[dict[str, Any]]) -> bool:
    return any((task.get("Status") or {}).get("State") not in _OVER for task in tasks)


def demote(control: Control, node: str) -> None:
    """Make a node a worker, and wait until it is counted no more. Raises NotFound, ClusterError."""
    swarm = control.engine.swarm
    control.ask(lambda: swarm.update_node(node, Role="worker"))
    end = time.monotonic() + DEMOTION_SECONDS
    while control.ask(lambda: swarm.node(node)).get("ManagerStatus"):
        if time.monotonic() >= end:
            raise DeadlineExceeded(f"Demoting node {node}", DEMOTION_SECONDS)
        time.sleep(POLL_SECONDS)


def _leave_itself(own: Engine, *, force: bool) -> None:
    """Have its own daemon leave. One that does not takes nothing with it: its node is removed by force."""
    for forced in (force, True):
        try:
            own.swarm.leave(force=forced, timeout=LEAVE_SECONDS)
        except (EngineError, EndpointError, DeadlineExceeded):
            continue
        return


def remove_node(membership: Node, control: Control, node: str) -> None:
    """Have a manager forget a node, which may be a manager that is gone. Raises EngineError."""
    swarm = control.engine.swarm
    end = time.monotonic() + DEMOTION_SECONDS
    while True:
        try:
            control.ask(lambda: swarm.remove_node(node, force=True))
        except NotFound:
            return
        except BadRequest:
            # A member of Raft, until that has taken it out.
            if time.monotonic() >= end:
                raise
            control.ask(lambda: swarm.update_node(node, Role="worker"))
            time.sleep(POLL_SECONDS)
        else:
            if membership.trace:
                membership.trace(f"node {node} was removed from the swarm of {control.name}")
            return


def remove_nodes(membership: Node, progress: Progress, *, force: bool) -> None:
    """Have a manager forget all nodes of the machine, if there is one. Raises ClusterUnreachable."""
    control = managers.find(membership.store, membership.config, trace=membership.trace)
    if control is None:
        return
    with control:
        for node in _nodes_of(membership, control, None):
            _guarded(membership, control, node, progress, wait=False, force=force)
            remove_node(membership, control, node)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"

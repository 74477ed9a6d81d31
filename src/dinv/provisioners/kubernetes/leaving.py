"""Leaving a cluster: drained, out of the database, deleted. The machine may be stopped, or gone."""

from __future__ import annotations

import contextlib

from dinv import errors
from dinv.errors import ClusterUnreachable, DinvError, KubernetesError
from dinv.provisioners.kubernetes import api, joining, servers, working
from dinv.provisioners.kubernetes.node import SERVER
from dinv.provisioners.membership import ROLE
from dinv.states import RUNNING
from dinv.timeouts import STATE_SECONDS
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress
    from dinv.provisioners.kubernetes.part import Part

LEAVE_SECONDS = 120.0
"""For a server to be taken out of the database; one that is just joining has to become a member first."""
FORCED_SECONDS = 45.0
"""With `force`, as a create that has failed is undone: as a rule enough for one that has just begun."""


def check_leave(membership: Part) -> None:
    """Raise QuorumAtRisk if the cluster would be left without a server, or without a majority of them."""
    config = membership.config
    if membership.role != SERVER or not config.membership.get(servers.JOINED):
        return
    members = servers.members(membership.store, config)
    if not members:
        return
    others = [each for each in members if each.membership.get(ROLE) == SERVER]
    if not others:
        names = ", ".join(each.name for each in members)
        raise errors.QuorumAtRisk(
            config.name, f"{names} would be without a server", "Remove the agents first."
        )
    try:
        nodes = servers.answering([*others, config], config.name).nodes()
    except ClusterUnreachable as error:
        raise _refused(membership, others[0].name, _said(error)) from error
    staying = {
        name: node for name, node in nodes.items() if api.is_server(node) and name != membership.node_name
    }
    if not staying:  # they have not joined yet
        names = ", ".join(each.name for each in members)
        raise errors.QuorumAtRisk(
            config.name, f"{names} would be without a server", "Remove what is joining it first."
        )
    ready = sum(api.is_ready(node) for node in staying.values())
    needed = len(staying) // 2 + 1
    if ready < needed:
        raise errors.QuorumAtRisk(
            config.name,
            f"of the {len(staying)} servers that would stay {ready} are ready, and {needed} have to be",
            "Start the others first.",
        )


def leave(membership: Part, progress: Progress, *, force: bool) -> list[str]:
    """Take its node out of the cluster; return what is left there. Raises ClusterError without `force`."""
    config = membership.config
    if not config.membership.get(servers.NODE):
        return []  # no server has heard of it
    others = [
        each
        for each in servers.members(membership.store, config)
        if each.membership.get(ROLE) == SERVER and each.membership.get(servers.JOINED)
    ]
    if not others:
        return []  # the cluster goes with it, or is gone
    try:
        client = servers.answering(others, config.name)
        node = client.node(membership.node_name)
        if node is not None:
            _hand_over(membership, client, node, progress)
        why = _leave_database(
            membership, client, progress, timeout=FORCED_SECONDS if force else LEAVE_SECONDS
        )
        if not why:
            _end(membership)
            client.delete_node(membership.node_name)
    except KubernetesError as error:
        why = error.reason
    except ClusterUnreachable as error:
        why = _said(error)
    if not why:
        return []
    if not force:
        raise _refused(membership, others[0].name, why)
    return [_left(membership, others[0].name, why)]


def _hand_over(membership: Part, client: api.Api, node: dict[str, object], progress: Progress) -> None:
    if api.is_ready(node):
        if not api.is_cordoned(node):
            client.cordon(membership.node_name, on=True)
        if left := working.drain(membership, client, progress):
            progress.note(f"{left} pods of {membership.name} could not be moved: they end with it")


def _leave_database(membership: Part, client: api.Api, progress: Progress, *, timeout: float) -> str:
    """Take a server that runs out of the cluster's database; return why that could not be done."""
    if membership.role != SERVER:
        return ""
    name = membership.node_name
    try:
        if membership.driver.state(timeout=STATE_SECONDS).state != RUNNING:
            return ""
        inside = membership.inside()
        _, said, _ = inside.run(*membership.contract.services_command, "status")
        if b"runs, process" not in said:
            return ""
        with progress.working("Kubernetes", f"taking {name} out of the cluster's database"):
            return membership.distribution.leave(inside, name, client, timeout=timeout)
    except DinvError:
        return ""  # it is as good as gone: the others take it out along with its node


def _end(membership: Part) -> None:
    """End its services, if it runs: a node that is just starting would come back after it was deleted."""
    with contextlib.suppress(DinvError):
        if membership.driver.state(timeout=STATE_SECONDS).state == RUNNING:
            joining.end_services(membership, membership.inside())


def _said(error: ClusterUnreachable) -> str:
    return "; ".join(f"{name}: {reason.rstrip('.')}" for name, reason in error.whys)


def _refused(membership: Part, server: str, why: str) -> errors.CannotLeave:
    """Return the error; a server of a cluster without a majority that is stopped is what it lacks."""
    name = membership.config.name
    with contextlib.suppress(DinvError):
        if membership.role == SERVER and membership.driver.state(timeout=STATE_SECONDS).state != RUNNING:
            return errors.CannotLeave(name, server, why, stopped=name)
    return errors.CannotLeave(name, server, why, stopped=server)


def _left(membership: Part, server: str, why: str) -> str:
    left = (
        f"Its node {membership.node_name} may still be in the cluster ({why}). Delete it there: kubectl "
        f"--context {server} delete node {membership.node_name}"
    )
    if membership.role != SERVER:
        return left
    return (
        f"{left}. If {server} has lost its majority by that, make a cluster of it alone before: "
        + command("provision", "--force-new-cluster", server)
    )

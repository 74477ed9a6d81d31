"""A node that rests while its machine is stopped, and works again; a cluster made anew from one server."""

from __future__ import annotations

import time

from dinv.errors import ClusterError, KubernetesError, NotSupported
from dinv.provisioners.kubernetes import api, joining, servers
from dinv.provisioners.kubernetes.node import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress
    from dinv.provisioners.kubernetes.part import Part

DRAIN_SECONDS = 60.0
POLL_SECONDS = 0.5
RESET_SECONDS = 120.0


def rest(membership: Part, progress: Progress) -> None:
    """Cordon the node, and have its pods started by others, if there are others. Raises ClusterError."""
    if not membership.config.membership.get(servers.JOINED):
        return
    client = anywhere(membership)
    nodes = client.nodes()
    own = nodes.pop(membership.node_name, None)
    if own is None or not any(api.is_ready(node) and not api.is_cordoned(node) for node in nodes.values()):
        return  # nobody would take its pods: they are there again when it is
    if not api.is_cordoned(own):
        # Recorded before: what a kill leaves cordoned is not taken for the user's own wish.
        membership.record(**{servers.CORDONED: True})
        client.cordon(membership.node_name, on=True)
    left = drain(membership, client, progress)
    if left:
        progress.note(
            f"{left} pods of {membership.name} could not be moved in {DRAIN_SECONDS:g} s: they end with it"
        )


def drain(membership: Part, client: api.Api, progress: Progress) -> int:
    """Evict the node's pods, which is cordoned, and wait until they are gone; return how many are left."""
    end = time.monotonic() + DRAIN_SECONDS
    with progress.working("Kubernetes", f"draining {membership.node_name}"):
        asked: set[tuple[str, str]] = set()
        while pods := client.pods_to_move(membership.node_name):
            asked |= {pod for pod in pods if pod not in asked and client.evict(*pod)}
            if time.monotonic() >= end:
                # Asked anew: evictions may have taken that long, and moved what was there before.
                return len(client.pods_to_move(membership.node_name))
            progress.update(f"{len(pods)} pods")
            time.sleep(POLL_SECONDS)
    return 0


def resume(membership: Part, progress: Progress, *, timeout: float) -> None:
    """Wait until it is a node that is Ready, with the kubeconfig that it has now, and uncordon it."""
    if membership.config.membership.get(servers.JOINED):
        joining.make_ready(membership, progress, seconds=timeout)


def anywhere(membership: Part) -> api.Api:
    """Return a client of the cluster, by another server if there is one. Raises ClusterUnreachable."""
    others = servers.members(membership.store, membership.config)
    return servers.answering([*others, membership.config], membership.name)


def recover(membership: Part, progress: Progress, *, timeout: float) -> None:
    """Make it the only server of its cluster, which keeps what is in it: `k3s server --cluster-reset`.

    Raises NotSupported, ClusterError.
    """
    config = membership.config
    command = membership.distribution.reset(membership.node()) if membership.role == SERVER else ""
    if not command or not config.membership.get(servers.JOINABLE):
        raise NotSupported(
            config.name,
            f'Machine "{config.name}" is {"an agent" if membership.role != SERVER else "the only server"} of '
            f"its cluster, or {membership.distribution.name} knows no way to make a new one of it.",
        )
    inside = membership.inside()
    # As the first one: with a server to join it would refuse.
    membership.record(**{servers.SERVER_URL: None})
    joining.end_services(membership, inside)
    files = membership.distribution.files(membership.node())
    membership.driver.channel().put(files)
    with progress.working("Kubernetes", f"making a new cluster of {config.name}"):
        # One that does not end would keep the next from it.
        seconds = max(timeout, RESET_SECONDS)
        words = f"timeout {seconds:.0f} {command}"
        status, said, why = inside.run("sh", "-c", words, timeout=seconds + 30)
    if status and membership.distribution.reset_already not in why:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise ClusterError(
            config.name, f'No new cluster could be made of machine "{config.name}": {why or last or status}'
        )
    try:
        gone = [
            each
            for each in servers.members(membership.store, config)
            if each.membership.get("Role") == SERVER
        ]
    except KubernetesError:
        gone = []
    for other in gone:
        progress.note(f"{other.name} is no server of it any more: remove it, and make it anew to join")

"""A swarm that has lost its quorum, begun anew by one of its managers: services, secrets and nodes stay.

(moby: daemon/cluster/swarm.go, Init with ForceNewCluster.)
"""

from __future__ import annotations

import time

from dinv import errors
from dinv.errors import EngineError
from dinv.formats import host_port
from dinv.provisioners.membership import ROLE
from dinv.provisioners.swarm import addresses, locking, managers
from dinv.provisioners.swarm.options import MANAGER
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.progress import Progress
    from dinv.provisioners.swarm.node import Node

INIT_SECONDS = 60.0


def recover(membership: Node, progress: Progress, *, timeout: float) -> None:
    """See `Membership.recover`."""
    config = membership.config
    name = config.name
    advertised = host_port.join(membership.advertised(), addresses.PORT)
    with membership.daemon() as engine:
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
        if state.get("LocalNodeState") == managers.LOCKED:
            # With autolock none is begun anew by one that is locked (moby#36852).
            state = locking.unlock(membership, engine, progress)
        local = state.get("LocalNodeState") or managers.INACTIVE
        if local in {managers.INACTIVE, managers.LOCKED} or (
            local == managers.ACTIVE and not state.get("ControlAvailable")
        ):
            raise errors.ClusterError(
                name,
                f'Machine "{name}" cannot make a new swarm of the old one: {managers.refusal(state)}. Only '
                "a manager "
                "has what the swarm knew.",
            )
        _check_lost(membership)
        body = {
            "ListenAddr": addresses.LISTEN,
            "AdvertiseAddr": advertised,
            "ForceNewCluster": True,
            "Spec": {"Name": "default"},
        }
        try:
            with progress.working("Swarm", f"beginning it anew at {advertised}"):
                engine.swarm.init(body, timeout=INIT_SECONDS)
        except EngineError as error:
            raise errors.ClusterError(
                name,
                f'Machine "{name}" cannot make a new swarm of the old one: its daemon says '
                f'"{error.message}".',
            ) from error
        end = time.monotonic() + timeout
        while not managers.controls(state := engine.swarm.state(timeout=managers.CALL_SECONDS)):
            if time.monotonic() >= end:
                raise errors.ClusterError(
                    name, f'The new swarm of machine "{name}" has no manager after {timeout:g} s.'
                )
            time.sleep(managers.POLL_SECONDS)
        membership.record(
            **{
                managers.SWARM_ID: managers.swarm_id(state),
                managers.NODE: state.get("NodeID"),
                managers.ADDRESS: advertised,
                ROLE: MANAGER,
            }
        )
        membership.keep_key(engine)
    progress.line("Swarm", f"begun anew by {name}, at {advertised}", "recovered")
    for other in managers.members(membership.store, config):
        if other.membership.get(ROLE) == MANAGER:
            progress.note(
                f"{other.name} was a manager of the old one, and joins again by: "
                + command("provision", other.name)
            )


def _check_lost(membership: Node) -> None:
    """Refuse while another manager decides: two swarms would come of one. Raises ClusterError.

    But for the only manager, which has moved to another address.
    """
    name = membership.config.name
    try:
        control = managers.find(membership.store, membership.config, trace=membership.trace)
    except errors.ClusterUnreachable:
        return
    if control is None:
        return
    with control:
        other = control.name
    raise errors.ClusterError(
        name,
        f'The swarm of machine "{name}" has not lost its quorum: {other} is a manager of it that decides. '
        "To have "
        f"{name} join it again: " + command("provision", name),
    )

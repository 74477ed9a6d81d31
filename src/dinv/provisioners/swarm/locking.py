"""Autolock: managers that are locked after a start, and the key that unlocks them."""

from __future__ import annotations

import time

from dinv import errors
from dinv.errors import DeadlineExceeded, Unauthorized
from dinv.provisioners.swarm import keys, managers
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.provisioners.swarm.node import Node

    JSON = dict[str, Any]

UNLOCK_SECONDS = 20.0


def unlock_key(membership: Node, progress: Progress, *, rotate: bool) -> str:
    """Return the key, a new one with `rotate`; it is kept with each manager in the store."""
    name = membership.config.name
    known = keys.read(membership.config.directory)
    try:
        control = managers.find(membership.store, membership.config, itself=True, trace=membership.trace)
    except errors.ClusterUnreachable:
        if rotate or not known:
            raise
        return known[0]
    if control is None:
        raise errors.ClusterError(name, f'Machine "{name}" is in no swarm.')
    with control:
        if rotate:
            with progress.working("Swarm", "making a new key"):
                control.ask(lambda: control.engine.swarm.update(lambda _: None, rotate_unlock_key=True))
        key = control.ask(control.engine.swarm.unlock_key)
    if not key:
        raise errors.ClusterError(
            name,
            f'The swarm of machine "{name}" does not lock its managers. One that does is begun with '
            + option("autolock")
            + f", or by docker --context {name} swarm update --autolock.",
        )
    for config in (membership.config, *managers.members(membership.store, membership.config)):
        if config.membership.get("Role") == "manager":
            keys.keep(config.directory, key)
    return key


def unlock(membership: Node, engine: Engine, progress: Progress) -> JSON:
    """Unlock its daemon by a key that the store has; return the daemon's state. Raises SwarmLocked."""
    name = membership.config.name
    for key in _keys(membership):
        try:
            with progress.working("Swarm", f"unlocking {name}"):
                engine.swarm.unlock(key, timeout=UNLOCK_SECONDS)
        except Unauthorized:
            continue
        except DeadlineExceeded as error:
            # dockerd answers once the manager takes part in decisions (moby: daemon/cluster/swarm.go), and
            # until then begins no new swarm either.
            raise errors.ClusterError(
                name,
                f'Machine "{name}" has been unlocked, and waits for the other managers of its swarm, '
                "which has no quorum without them. Start them.",
            ) from error
        break
    else:
        raise errors.SwarmLocked(name)
    end = time.monotonic() + UNLOCK_SECONDS
    while True:
        state = engine.swarm.state(timeout=managers.CALL_SECONDS)
        if state.get("LocalNodeState") == managers.ACTIVE or time.monotonic() >= end:
            break
        time.sleep(managers.POLL_SECONDS)
    if state.get("ControlAvailable"):
        membership.keep_key(engine)
    return state


def _keys(membership: Node) -> Iterator[str]:
    """Yield the keys to try, each once: its own, those of the others, and the one that a manager has now."""
    tried: set[str] = set()
    others = managers.members(membership.store, membership.config)
    for config in (membership.config, *others):
        for key in keys.read(config.directory):
            if key not in tried:
                tried.add(key)
                yield key
    try:
        control = managers.find(membership.store, membership.config, trace=membership.trace)
    except errors.ClusterUnreachable:
        return
    if control is not None:
        with control:
            key = control.ask(control.engine.swarm.unlock_key)
        if key and key not in tried:
            yield key

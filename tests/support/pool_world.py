"""Pools of machines of the fake driver, and where each of their machines is."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from fake_driver import World

from dinv.errors import EndpointUnreachable, StoreError
from dinv.pools.records import PoolStore
from dinv.progress import Progress
from dinv.states import RUNNING
from dinv.store.store import Store

if TYPE_CHECKING:
    from dinv.lifecycle.claim import Claim
    from dinv.machines import Machines
    from dinv.pools.pools import PoolStatus


def look(claim: Claim) -> None:
    """What a claim does to see whether a machine is alive, without a daemon."""
    World.current.step("look")
    if World.current.states.get(claim.machine.name) != RUNNING:
        raise EndpointUnreachable(claim.machine.url, "connection refused")


def pool_of(machines: Machines, size: int, **more: Any) -> PoolStatus:
    """A pool `ci` with so many machines ready."""
    machines.pools.create("ci", size=size, driver="fake", **more)
    (status,) = machines.pools.reconcile()
    return status


def places(path: str) -> dict[str, list[str]]:
    """By identity, where the records of a machine are: in the "store" or in the "pool"."""
    found: dict[str, list[str]] = {}
    for where, store in (("store", Store(path)), ("pool", PoolStore(path).machines("ci"))):
        for name in store.names():
            with contextlib.suppress(StoreError):
                found.setdefault(store.load(name).identity, []).append(where)
    return found


class Said(Progress):
    """What the user was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(text)

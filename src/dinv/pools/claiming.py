"""Claiming: a machine that is ready in a pool gets an owner (`dinv.lifecycle.claim` has the transaction)."""

from __future__ import annotations

import contextlib
import os

from dinv.errors import (
    DeadlineExceeded,
    EndpointError,
    EngineError,
    MachineBusy,
    MachineNotFound,
    MachineUnusable,
    PoolNotFound,
)
from dinv.lifecycle.claim import Claim, claim
from dinv.lifecycle.host import Host, telling
from dinv.pools import members
from dinv.pools.planning import FAILED, READY
from dinv.store.claims import locked
from dinv.store.layout import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.pools.records import PoolRecord, PoolStore
    from dinv.progress import Progress
    from dinv.store.lease import Lease
    from dinv.store.store import Store

DEAD = (EndpointError, EngineError, DeadlineExceeded, MachineUnusable)
"""What says that an unclaimed machine cannot be handed out."""


class Wanted:
    """What a claim is for: a machine `name` of `store`.

    Whether it gets a docker `context`, its own `labels`, and its `lease`, which begins with the claim; and
    whether it is for one command (`run`).
    """

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        context: bool = True,
        labels: Mapping[str, str] | None = None,
        lease: Lease | None = None,
        run: bool = False,
    ) -> None:
        self.store = store
        self.name = name
        self.context = context
        self.labels = dict(labels or {})
        self.lease = lease
        self.run = run


def take(
    pools: PoolStore,
    pool: PoolRecord,
    wanted: Wanted,
    progress: Progress,
    *,
    trace: Callable[[str], None] | None = None,
) -> Host | None:
    """Claim a machine of a pool; return its host, or None if none is ready.

    One that turns out to be dead is marked as failed, and the next is taken. Raises MachineExists,
    HookRefused, CertificateError, StoreNotWritable, and what stops a claim after the machine was taken.
    """
    check_name(wanted.name)
    if pool.removing:
        raise PoolNotFound(pool.name)
    _free_name(wanted, progress, trace)
    machines, image = pools.machines(pool.name), pools.image(pool.name, pool.generation)
    for each in members.order(members.unclaimed(machines), pool.generation, image):
        with contextlib.suppress(MachineBusy, MachineNotFound):  # somebody else is claiming it
            host = _take(machines, each.key, pool, wanted, progress, trace=trace)
            if host is not None:
                telling.tell(host, "ready", progress, command="claim")
                return host
    return None


def _take(
    machines: Store,
    key: str,
    pool: PoolRecord,
    wanted: Wanted,
    progress: Progress,
    *,
    trace: Callable[[str], None] | None,
) -> Host | None:
    with locked(machines, key, f"claiming it as {wanted.name}", patience=0):
        config = machines.load(key)
        if config.pool.get("State") != READY:
            return None
        generation = str(config.pool.get("Generation") or "")
        work = Claim(
            Host(config, machines, trace=trace),
            progress,
            store=wanted.store,
            name=wanted.name,
            context=wanted.context,
            labels=wanted.labels,
            lease=wanted.lease,
            run=wanted.run,
        )
        try:
            with progress.working("Machine", f"claiming {key} of pool {pool.name}"):
                host = claim(work)
        except DEAD as error:
            if work.taken:
                raise
            progress.warn(f"Machine {key} of pool {pool.name} is dead, and parked: {error.text}")
            members.mark(machines, config, pool.name, FAILED, generation=generation, why=error.text)
            return None
        finally:
            wanted.store.held.discard(wanted.name)
            work.machine.close()
    if generation != pool.generation:
        progress.note(f"It was made with earlier options of pool {pool.name}")
    return host


def _free_name(wanted: Wanted, progress: Progress, trace: Callable[[str], None] | None) -> None:
    """See to it that nothing is in the way of a name but a machine. Raises MachineExists, MachineBusy."""
    store, name = wanted.store, wanted.name
    if not os.path.lexists(store.directory(name)):
        return
    from dinv.lifecycle.create import sweep

    with store.claim(name, "creating it") as leftovers:
        if leftovers:
            progress.note(f"Cleaning up what an interrupted create of {name} has left")
            sweep(store, name, progress, trace)
        store.remove(name)

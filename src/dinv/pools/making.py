"""Making a machine of a pool, and parking one that has failed."""

from __future__ import annotations

import contextlib
import os

from dinv.errors import DinvError, MachineNotFound, StoreError
from dinv.lifecycle.claim.sealing import seal
from dinv.lifecycle.create import create
from dinv.lifecycle.host import Host
from dinv.pools import members, options
from dinv.pools.planning import FAILED, PARKED, READY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.pools.records import PoolRecord
    from dinv.progress import Progress
    from dinv.store.store import Store

STOP_SECONDS = 10.0


def new_key(pool: str) -> str:
    """Return a name for another machine of a pool."""
    return f"{pool}-{os.urandom(4).hex()}"


def make(
    machines: Store,
    key: str,
    pool: PoolRecord,
    progress: Progress,
    trace: Callable[[str], None] | None,
) -> None:
    """Make one machine; it is ready then.

    A kill leaves it half made, which the next reconciler removes. After an error it is marked as failed, with
    the reason, if there is anything of it to look at. Raises the errors of `create`.
    """
    try:
        with create(
            machines, key, options.for_create(pool.options, os.environ), progress, trace=trace
        ) as host:
            image = host.driver.image_id()
        with machines.lock(key, "making it ready"), Host(machines.load(key), machines, trace=trace) as host:
            seal(host)
            members.mark(machines, host.config, pool.name, READY, generation=pool.generation, image=image)
    except DinvError as error:
        with contextlib.suppress(MachineNotFound, StoreError):
            failed(machines, key, pool.name, pool.generation, error.text, unless_ready=False)
        raise


def failed(
    machines: Store, key: str, pool: str, generation: str, why: str, *, unless_ready: bool = False
) -> None:
    """Mark a machine as failed. Raises MachineNotFound, MachineBusy, StoreError."""
    with machines.lock(key, "looking at it"):
        config = machines.load(key)
        if not unless_ready or config.pool.get("State") == READY:
            members.mark(machines, config, pool, FAILED, generation=generation, why=why)


def park(machines: Store, key: str, trace: Callable[[str], None] | None) -> None:
    """Stop a machine that has failed, as far as that can be done, and keep it for inspection."""
    with machines.lock(key, "parking it"):
        config = machines.load(key)
        with contextlib.suppress(DinvError), Host(config, machines, trace=trace) as host:
            host.driver.stop(timeout=STOP_SECONDS)
        kept = config.pool
        members.mark(
            machines,
            config,
            str(kept.get("Name")),
            PARKED,
            generation=str(kept.get("Generation")),
            why=str(kept.get("Why")),
        )

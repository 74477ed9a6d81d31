"""Places in a pool: whoever makes a machine takes one first, so that no two take the last under a maximum.

A place is a file `places/WHOSE-KEY` in the pool's directory, locked by the process that makes the machine: a
kill gives it back. Once the machine has a record this counts, and the place beside it no more.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import MachineBusy, PoolBusy, PoolFull, PoolNotFound, StoreNotWritable
from dinv.pools import members
from dinv.pools.members import LEFT, PoolMachine
from dinv.pools.planning import CLAIMED, CREATING, PARKED
from dinv.system import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.pools.records import PoolRecord, PoolStore
    from dinv.store.store import Store

POOLS, OWNERS = "pool", "store"
"""Where the machine will be: in its pool, or in the store as somebody's."""
COUNT_SECONDS = 30.0
"""How long to wait for others who are counting, each for as long as it takes to read the records."""
_STATES = {POOLS: CREATING, OWNERS: CLAIMED}


@contextlib.contextmanager
def taken(pools: PoolStore, store: Store, pool: str, where: str, key: str) -> Iterator[PoolRecord]:
    """Have a place in a pool for a machine `key` of the pool or of the store; yield the pool's record.

    Raises PoolNotFound, PoolFull, PoolBusy, MachineBusy, StoreNotWritable.
    """
    with contextlib.ExitStack() as stack:
        with _counting(pools, pool):
            record = pools.load(pool)
            if record.removing:
                raise PoolNotFound(pool)
            _sweep(_directory(pools, pool))
            if record.maximum and len(counted(found(pools, store, record))) >= record.maximum:
                raise PoolFull(pool, record.maximum)
            _hold(_directory(pools, pool), where, key, stack)
        yield record


def found(pools: PoolStore, store: Store, record: PoolRecord) -> list[PoolMachine]:
    """Return a pool's machines, claimed ones included, and those whose makers have places so far."""
    unclaimed = members.unclaimed(pools.machines(record.name), generation=record.generation)
    claimed = members.claimed(store, record.name)
    # One that is claimed between the two looks is in both.
    owned = {each.config.identity for each in claimed if each.config is not None}
    there = [each for each in unclaimed if each.config is None or each.config.identity not in owned]
    there += claimed
    held = _held(pools, record.name)
    for each in there:
        # Created, and not marked as ready: `ready` hooks run between the two locks.
        if each.state == LEFT and (POOLS, each.key) in held:
            each.state = CREATING
    names = {(OWNERS if each.state == CLAIMED else POOLS, each.key) for each in there}
    coming = [place for place in held if place not in names]
    return there + [
        PoolMachine(key, _STATES[where], None, generation=record.generation) for where, key in coming
    ]


def counted(machines: list[PoolMachine]) -> list[PoolMachine]:
    """Return those that count for the maximum: parked ones do not, nor what a kill has left half made."""
    return [each for each in machines if each.state not in (PARKED, LEFT)]


def _directory(pools: PoolStore, pool: str) -> str:
    return os.path.join(pools.directory(pool), "places")


@contextlib.contextmanager
def _counting(pools: PoolStore, pool: str) -> Iterator[None]:
    """Be the only one who counts, and takes a place."""
    path = os.path.join(pools.directory(pool), ".places")
    if not pools.exists(pool):
        raise pools.not_found(pool)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locks.held(path, wait=locks.until(time.monotonic() + COUNT_SECONDS, 0.02)))
        except BlockingIOError as error:
            raise PoolBusy(pool, "counting its machines") from error
        except FileNotFoundError as error:
            raise pools.not_found(pool) from error
        except OSError as error:
            raise StoreNotWritable(path, error.strerror or str(error)) from error
        yield


def _hold(directory: str, where: str, key: str, stack: contextlib.ExitStack) -> None:
    path = os.path.join(directory, f"{where}-{key}")
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        descriptor = stack.enter_context(locks.held(path, wait=locks.past_lookers(path)))
        os.write(descriptor, f"creating it, process {os.getpid()}".encode())
    except BlockingIOError as error:
        raise MachineBusy(key, "creating it") from error
    except OSError as error:
        raise StoreNotWritable(path, error.strerror or str(error)) from error
    stack.callback(_forget, path)


def _forget(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _sweep(directory: str) -> None:
    """Remove the files of those who were killed. Only for whoever counts: one may be locked just now."""
    for name, is_held in _files(directory):
        if not is_held:
            _forget(os.path.join(directory, name))


def _held(pools: PoolStore, pool: str) -> list[tuple[str, str]]:
    """Return the places that are taken: where, and by which name."""
    found = []
    for name, is_held in _files(_directory(pools, pool)):
        where, _, key = name.partition("-")
        if is_held and where in _STATES:
            found.append((where, key))
    return found


def _files(directory: str) -> Iterator[tuple[str, bool]]:
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        descriptor = locks.is_held(os.path.join(directory, name))
        if descriptor is not None:
            os.close(descriptor)
        yield name, descriptor is not None

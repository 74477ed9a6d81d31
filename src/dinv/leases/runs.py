"""Which machines of `dinv run` have a process that looks after them.

A run holds a lock on a file of its own in the store, `runs/NAME.lock`, from before its machine is made until
it is removed. The kernel drops the lock when the process dies, however it dies: a machine of a run whose lock
nobody holds is nobody's, and the next run, or `dinv reap`, removes it.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import CacheOfRunBusy, MachineBusy, StoreError
from dinv.store.layout import writing
from dinv.system import locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

_LOOK_SECONDS = 0.5
"""Between two looks at whether a cache is free."""


def _path(store: Store, name: str) -> str:
    return os.path.join(store.path, "runs", f"{name}.lock")


@contextlib.contextmanager
def _locked(path: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock of a file that is gone afterwards, waiting for it for so long. Raises BlockingIOError."""
    with writing(path):
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    end = time.monotonic() + seconds
    descriptor = locks.open_locked(
        path, wait=locks.until(end, _LOOK_SECONDS) if seconds else locks.past_lookers(path)
    )
    try:
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}".encode())
        yield
    finally:
        try:
            with contextlib.suppress(OSError):
                os.unlink(path)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def looked_after(store: Store, name: str) -> Iterator[None]:
    """Hold the lock of a run with a machine of this name. Raises MachineBusy, StoreNotWritable."""
    path = _path(store, name)
    try:
        with _locked(path):
            yield
    except BlockingIOError as error:
        raise MachineBusy(name, f"another run, {_holder(path)}") from error


@contextlib.contextmanager
def cache(store: Store, name: str, endpoint: str, progress: Progress, *, wait: float) -> Iterator[None]:
    """Hold the cache of this name on an endpoint, waiting `wait` seconds for the run that has it.

    Runs of other stores are not known here: the endpoint says that one of those has it, when the machine is
    to be made. Raises CacheOfRunBusy.
    """
    import binascii

    path = _path(store, f".cache-{name}-{binascii.crc32(endpoint.encode()):08x}")
    busy = locks.is_held(path)
    if busy is not None:
        os.close(busy)
        if wait:
            progress.note(f"Cache {name} is in use by another run, {_holder(path)}: waiting for it")
    try:
        with _locked(path, wait):
            yield
    except BlockingIOError as error:
        raise CacheOfRunBusy(name, _holder(path), wait) from error


def is_left(store: Store, config: MachineConfig) -> bool:
    """Return whether it is a machine of a run that has ended without removing it."""
    # One of a pool that is being claimed for a run says so in the journal of that claim.
    if not (config.run or (config.claim or {}).get("Run")):
        return False
    held = locks.is_held(_path(store, config.name))
    if held is None:
        return True
    os.close(held)
    return False


def left(store: Store) -> list[str]:
    """Return the names of the machines that earlier runs have left; damaged records are passed over."""
    found = []
    for name in store.names():
        with contextlib.suppress(StoreError):
            if is_left(store, store.load(name)):
                found.append(name)
    return found


def _holder(path: str) -> str:
    held = locks.is_held(path)
    if held is None:
        return "which has just ended"
    try:
        return locks.said(held) or "which does not say which"
    finally:
        os.close(held)

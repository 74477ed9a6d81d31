"""Who may write a machine now: its lock, and the claim of a name for a new one.

In a module of its own because every prompt loads the rest of the store.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import LocksNotKept, MachineBusy, MachineExists, StoreNotWritable
from dinv.store.layout import writing
from dinv.system import locks
from dinv.system.files import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.store.layout import Layout

PAUSE_SECONDS = 0.02
RELEASED_SECONDS = (0.0, 0.01, 0.05, 0.2)
"""Pauses before removing what is left of a machine whose lock was closed: FUSE tells its server of that after
close(2) has returned."""


@contextlib.contextmanager
def locked(store: Layout, name: str, doing: str, *, patience: float | None = None) -> Iterator[None]:
    """Hold the lock of an existing machine; `doing` is what others are told about it.

    Raises MachineNotFound, or MachineBusy at once if another process has it; with `patience` it is waited for
    that many seconds, with 0 not even for one that only looks.
    """
    with contextlib.ExitStack() as stack:
        while True:
            if not store.exists(name):
                raise store.missing(name)
            if _lock(store, name, doing, stack, patience):
                break
        yield


@contextlib.contextmanager
def claimed(store: Layout, name: str, doing: str, *, whole: Callable[[], bool]) -> Iterator[bool]:
    """Claim `name` for a new machine: make its directory and hold its lock.

    Yields whether the directory already contains something, left by a create that was killed. `whole` tells
    whether an existing record is of a finished machine. Raises MachineExists if there is a machine of this
    name, ConfigError if there is one that cannot be read, MachineBusy, StoreNotWritable, LocksNotKept.
    """
    directory = store.directory(name)
    with contextlib.ExitStack() as stack:
        while True:
            with writing(directory):
                os.makedirs(store.path, mode=0o700, exist_ok=True)
                os.makedirs(store.machines_directory, mode=0o700, exist_ok=True)
                made = True
                try:
                    os.mkdir(directory, 0o700)
                except FileExistsError:
                    made = False
                    # A file, or a dangling link, will not disappear as a removed machine does.
                    dangling = os.path.islink(directory) and not os.path.isdir(directory)
                    if dangling or os.path.isfile(directory):
                        raise
            try:
                if _lock(store, name, doing, stack):
                    break
            except LocksNotKept:
                if made:  # no machine can be made there, and none could be removed
                    with contextlib.suppress(OSError):
                        remove_tree(directory)
                raise
        leftovers = set(os.listdir(directory)) - {".lock"}
        if "config.json" in leftovers and whole():
            raise MachineExists(name)
        yield bool(leftovers)


def _let_go(store: Layout, held: list[int]) -> None:
    for descriptor in held:
        # Its words would otherwise pass for those of a holder while somebody looks, if this process lives on.
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)
    for pause in RELEASED_SECONDS:
        if not store.still_open:
            return
        time.sleep(pause)
        with contextlib.suppress(OSError):
            store.sweep_removed()


def _lock(
    store: Layout, name: str, doing: str, stack: contextlib.ExitStack, patience: float | None = None
) -> bool:
    """Try to lock; return False if the directory was removed meanwhile and the caller has to look again."""
    path = os.path.join(store.directory(name), ".lock")
    wait = (
        locks.past_lookers(path)
        if patience is None
        else locks.until(time.monotonic() + patience, PAUSE_SECONDS)
    )
    # Release the lock whatever interrupts this.
    held: list[int] = []
    stack.callback(_let_go, store, held)
    try:
        held.append(locks.open_locked(path, wait=wait))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError as error:
        raise MachineBusy(name, _said_in(path)) from error
    except OSError as error:
        raise StoreNotWritable(path, error.strerror or str(error)) from error
    with writing(path):
        os.ftruncate(held[0], 0)
        os.pwrite(held[0], f"{doing}, process {os.getpid()}\n".encode(), 0)
    store.held.add(name)
    stack.callback(store.held.discard, name)
    return True


def _said_in(path: str) -> str:
    try:
        descriptor = os.open(path, locks.LOOK)
    except OSError:  # its holder has just removed it
        return ""
    try:
        return locks.said(descriptor)
    finally:
        os.close(descriptor)

"""Several records of one machine in one store, as copying a machine's directory makes them.

The identity in a record (`Dinv.ID`) tells a machine from every other. Two records with the same identity
would change the same container, each under its own lock. So only one of them is the machine: the one in the
directory that its record names. The others, its copies, can be used to connect, cannot be changed, and can be
removed: the machine itself is removed with its last record.
"""

from __future__ import annotations

import contextlib
import time

from dinv.errors import MachineBusy, MachineNotFound, RecordCopied, StoreError
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

WAIT_SECONDS = 10.0
POLL_SECONDS = 0.05


def originals(configs: Iterable[MachineConfig]) -> Mapping[str, str]:
    """Return the names of records that are copies, each with the name of its original."""
    by_identity: dict[str, list[MachineConfig]] = {}
    for config in configs:
        if config.identity:
            by_identity.setdefault(config.identity, []).append(config)
    found = {}
    for same in by_identity.values():
        if len(same) > 1:
            first = next((config for config in same if config.name == config.first_name), same[0])
            found.update({config.name: first.name for config in same if config is not first})
    return found


def others(store: Store, config: MachineConfig) -> list[MachineConfig]:
    """Return the other records of the machine that can be read."""
    found = []
    for name in store.names() if config.identity else ():
        with contextlib.suppress(StoreError):
            other = store.load(name) if name != config.name else config
            if other is not config and other.identity == config.identity:
                found.append(other)
    return found


def text(name: str, original: str) -> str:
    """Return what users are told about a copy."""
    return (
        f'it is a copy of the record of machine "{original}", and is not changed under this name. '
        "Remove this record, and nothing else: " + command("rm", name)
    )


def check(store: Store, config: MachineConfig) -> None:
    """Raise RecordCopied if a record is a copy; only one in another directory than its own can be."""
    if config.name == config.first_name:
        return
    original = originals([config, *others(store, config)]).get(config.name)
    if original:
        raise RecordCopied(config.name, original, text(config.name, original))


@contextlib.contextmanager
def kept_by(store: Store, config: MachineConfig) -> Iterator[str]:
    """Yield the name of another record of the machine, which stays while this lasts; "" if there is none.

    The caller must hold the lock of its own record. Raises MachineBusy.
    """
    for other in others(store, config):
        with contextlib.ExitStack() as stack:
            try:
                _lock(store, other.name, stack, wait=config.name < other.name)
                still = store.load(other.name).identity == config.identity
            except (MachineNotFound, StoreError) as error:
                if isinstance(error, MachineBusy):
                    raise
                still = False
            if still:
                yield other.name
                return
    yield ""


def _lock(store: Store, name: str, stack: contextlib.ExitStack, *, wait: bool) -> None:
    """Of two processes that remove both records at the same time, one waits and the other is refused."""
    end = time.monotonic() + (WAIT_SECONDS if wait else 0)
    while True:
        try:
            stack.enter_context(store.lock(name, "removing another record of it"))
        except MachineBusy:
            if time.monotonic() >= end:
                raise
            time.sleep(POLL_SECONDS)
        else:
            return

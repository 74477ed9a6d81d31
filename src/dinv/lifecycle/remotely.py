"""Operations on a machine that a service looks after: asked of that, with the machine's lock."""

from __future__ import annotations

import contextlib

from dinv.lifecycle.host import Host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.drivers.remote import Remote
    from dinv.store.store import Store


@contextlib.contextmanager
def asked(
    store: Store, name: str, doing: str, trace: Callable[[str], None] | None
) -> Iterator[tuple[Host, Remote] | None]:
    """Hold the lock of such a machine, and give what can be asked; None, without a lock, for any other.

    `doing` is what others are told about the lock. Raises MachineNotFound, MachineBusy, ConfigError.
    """
    with Host(store.load(name), store, trace=trace) as machine:
        if machine.driver_class.provisioned or machine.driver.remote() is None:
            yield None
            return
    with store.lock(name, doing), Host(store.load(name), store, trace=trace) as machine:
        remote = machine.driver.remote()
        yield None if remote is None else (machine, remote)

"""Operations on a machine that a service looks after: asked of that, with the machine's lock."""

from __future__ import annotations

import contextlib

from dinv.lifecycle.host import Host, context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.drivers.remote import Remote
    from dinv.progress import Progress
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


def certify(machine: Host, remote: Remote, progress: Progress) -> None:
    """Have a new key of the user's certified, for the store and the docker context.

    The caller must hold the machine's lock. Raises CertificateError, and what the service raises.
    """
    remote.certify()
    machine.store.save(machine.config)
    context.write(machine.config, progress, had_one=True)

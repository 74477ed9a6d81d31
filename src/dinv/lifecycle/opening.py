"""Open a machine by name, with its lock held, for operations such as upgrade and provision."""

from __future__ import annotations

import contextlib

from dinv.errors import MachineUnfinished, NotSupported
from dinv.lifecycle.host import Host, unfinished
from dinv.store import twins
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


@contextlib.contextmanager
def opened(store: Store, name: str, doing: str, trace: Callable[[str], None] | None) -> Iterator[Host]:
    """Hold its lock; `doing` is what others are told about it.

    Raises MachineNotFound, MachineBusy, ConfigError, NotSupported, RecordCopied.
    """
    with store.lock(name, doing), Host(store.load(name), store, trace=trace) as machine:
        check_looked_after(machine)
        machine.finish_certificates()
        yield machine


def check_looked_after(machine: Host) -> None:
    """Raise NotSupported for a machine that dinv does not manage, RecordCopied for a copied record."""
    twins.check(machine.store, machine.config)
    if machine.driver.left_alone:
        raise NotSupported(machine.name, f'Machine "{machine.name}" ' + machine.driver.left_alone + ".")


def check_finished(config: MachineConfig, *, doing: str = "", provision: bool = False) -> None:
    """Raise MachineUnfinished if the machine's create, adoption or upgrade did not finish.

    `doing` is what cannot be done with it, as in `be exported`; that needs a finished upgrade, too. With
    `provision`, that is the way to finish it.
    """
    name = config.name
    cannot = f'Machine "{name}" cannot {doing}: ' if doing else ""
    if config.unfinished and provision:
        raise MachineUnfinished(
            name,
            f'The create of machine "{name}" did not finish. Finish it first: ' + command("provision", name),
        )
    if config.unfinished:
        raise MachineUnfinished(name, cannot + unfinished.status(config).error)
    if doing and config.unsettled:
        raise MachineUnfinished(
            name,
            f"{cannot}its {config.unsettled} has not finished. Finish it first: " + command("start", name),
        )

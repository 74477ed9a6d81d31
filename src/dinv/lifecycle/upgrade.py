"""Upgrading: a machine is made anew from another image, with the same volumes, certificates and options.

    record it -> make the new container -> stop the old one and set it aside -> certificates and options
    in -> start -> wait for it -> record that it answers -> remove the old one

What was before is in config.json, under Dinv.Upgrade, from the first step to the last: whatever kills this
process, `settle` finds it there and goes back to the old container, or on with the new one if that had
answered. `start`, `restart`, `stop`, `kill` and the next `upgrade` settle first; `rm` removes both.
"""

from __future__ import annotations

import copy

from dinv.errors import DinvError, MachineGone, MachineUnfinished, NotSupported
from dinv.lifecycle.host import Host, unfinished
from dinv.states import RUNNING, STOPPED
from dinv.store import twins
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.drivers import Offer
    from dinv.progress import Progress
    from dinv.store.store import Store


def upgrade(
    store: Store,
    name: str,
    progress: Progress,
    *,
    image: str = "",
    force: bool = False,
    timeout: float = SERVE_SECONDS,
    trace: Callable[[str], None] | None = None,
) -> bool:
    """Make a machine anew from `image`, or from a newer version of its own; it runs afterwards.

    Returns False when it was made from exactly that image already, and was only started if it was stopped;
    with `force` it is made anew all the same. Containers in the machine are stopped; those with a restart
    policy are back afterwards. Raises what `create` raises, having put the old container in its place
    again; if that fails too, the error has a note that says how to finish.
    """
    with store.lock(name, "upgrading it"), Host(store.load(name), store, trace=trace) as machine:
        check_ours(machine)
        machine.finish_certificates()
        if machine.config.unfinished:
            raise MachineUnfinished(name, unfinished(machine.config).error)
        if machine.config.ours.get("Upgrade"):
            settle(machine, progress, timeout=timeout)
        offer = machine.driver.replacement().offer(image, progress)
        if offer.same and not force:
            if machine.driver.state(timeout=STATE_SECONDS).state == STOPPED:
                # In docker-machine, too, a machine that was upgraded runs.
                with progress.working("Machine", f"starting {machine.name}"):
                    machine.driver.start(timeout=timeout)
                machine.serve(progress, timeout=timeout)
            return False
        _replace(machine, offer, progress, timeout)
    return True


def check_ours(machine: Host) -> None:
    """Raise NotSupported for a machine that dinv does not look after, RecordCopied for a copied record."""
    twins.check(machine.store, machine.config)
    if machine.driver.left_alone:
        raise NotSupported(machine.name, f'Machine "{machine.name}" {machine.driver.left_alone}.')


def settle(machine: Host, progress: Progress, *, timeout: float) -> None:
    """Finish or undo an upgrade that was killed; the caller holds the machine's lock.

    The machine runs afterwards if it ran before the upgrade, or if the upgrade had come to its end.
    """
    journal = machine.config.ours["Upgrade"]
    if journal.get("Answers"):
        progress.note(f"Finishing an interrupted upgrade of {machine.name}")
        _finish(machine)
        return
    progress.note(f"Undoing an interrupted upgrade of {machine.name}")
    _go_back(machine, journal, progress, timeout)


def _replace(machine: Host, offer: Offer, progress: Progress, timeout: float) -> None:
    config = machine.config
    journal = {
        "Driver": copy.deepcopy(config.driver),
        "ImageContract": config.ours.get("ImageContract", ""),
        "DockerVersion": config.ours.get("DockerVersion", ""),
        "Running": machine.driver.state(timeout=STATE_SECONDS).state == RUNNING,
        "Answers": False,
    }
    # What the new image cannot be given is said before anything is touched.
    machine.use_contract(offer.contract)
    contract, options = machine.contract, machine.daemon_options
    environment = contract.environment(options, wait_seconds=0)
    command = contract.command(options, config.driver_name)
    config.ours["Upgrade"] = journal
    machine.store.save(config)
    try:
        config.driver["Image"] = offer.image
        with progress.working("Machine", f"replacing {machine.name}"):
            machine.driver.replacement().replace(environment, command, contract.mounts)
        # With the certificates that there are; `serve` makes others if the address has changed.
        machine.provisioner.provision()
        with progress.working("Machine", f"starting {machine.name}"):
            machine.driver.start(timeout=timeout)
        machine.serve(progress, timeout=timeout)
        machine.provisioner.prove(progress)
        journal["Answers"] = True
        machine.store.save(config)
    except BaseException as error:
        journal["Answers"] = False
        _undo(machine, journal, progress, timeout, error)
        raise
    _finish(machine)


def _finish(machine: Host) -> None:
    machine.driver.replacement().let_go()
    del machine.config.ours["Upgrade"]
    machine.store.save(machine.config)


def _undo(
    machine: Host, journal: dict[str, Any], progress: Progress, timeout: float, error: BaseException
) -> None:
    try:
        _go_back(machine, journal, progress, timeout)
    except BaseException as failure:  # noqa: BLE001  (a second Ctrl-C, too; the first error goes on)
        why = f" ({failure})" if isinstance(failure, DinvError) else ""
        error.add_note(
            f"The machine as it was could not be put back{why}. Try again: dinv start {machine.name}"
        )
    else:
        error.add_note(f'Machine "{machine.name}" is as it was before.')


def _go_back(machine: Host, journal: dict[str, Any], progress: Progress, timeout: float) -> None:
    """The old container in its place, and what the config said of it; started if it ran."""
    config = machine.config
    try:
        machine.driver.replacement().take_back()
    except MachineGone:
        # Nothing to go back to, ever: what is left is a machine without a container, which `rm` knows.
        del config.ours["Upgrade"]
        machine.store.save(config)
        raise
    config.driver.clear()
    config.driver.update(copy.deepcopy(journal["Driver"]))
    machine.use_contract(str(journal["ImageContract"]))
    config.ours["DockerVersion"] = journal["DockerVersion"]
    if journal["Running"]:
        if machine.driver.state(timeout=STATE_SECONDS).state != RUNNING:
            # The address may have changed, and certificates with it: those of the store are put in again.
            machine.provisioner.provision()
            with progress.working("Machine", f"starting {machine.name}"):
                machine.driver.start(timeout=timeout)
        machine.serve(progress, timeout=timeout)
    del config.ours["Upgrade"]
    machine.store.save(config)

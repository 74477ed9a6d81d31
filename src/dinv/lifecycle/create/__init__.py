"""The create transaction: from a name to a machine that answers, or back to nothing.

The record is written before anything is created, so if this process is killed, `rm` or the same `create`
finds what is left and finishes it. Every other failure, Ctrl-C and SIGTERM included, is undone here.
"""

from __future__ import annotations

import contextlib

from dinv.errors import ConfigError, Interrupted
from dinv.lifecycle import steps
from dinv.lifecycle.create.creation import Creation
from dinv.lifecycle.create.options import CreateOptions
from dinv.lifecycle.host import Host, telling
from dinv.lifecycle.remove import unmake
from dinv.lifecycle.steps import Step
from dinv.store.layout import check_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.progress import Progress
    from dinv.store.store import Store

__all__ = ["STEPS", "CreateOptions", "create", "sweep"]

STEPS: tuple[Step[Creation], ...] = (
    Step("configure", Creation.configure, undo=Creation.forget),
    Step("check", Creation.check),
    Step("record", Creation.record, undo=Creation.unmake, atomic=True),
    Step("image", Creation.prepare_image, when=Creation.provisioned),
    Step("requirements", Creation.examine, when=Creation.in_cluster),
    # If the machine starts before it has certificates, they are begun only after `container`: making them
    # takes CPU time, which would delay the calls before the start.
    Step("container", Creation.create_container, when=Creation.starts_first),
    Step("certificates", Creation.certify, when=Creation.provisioned, beside=True),
    Step("container", Creation.create_container, when=Creation.not_started),
    Step("start", Creation.start, when=Creation.starts_first),
    Step("keep", Creation.keep, when=Creation.provisioned, needs="certificates"),
    Step("provision", Creation.provision, when=Creation.certifiable),
    Step("start", Creation.start, when=Creation.starts_last),
    Step("address", Creation.settle_address, when=Creation.provisioned),
    Step("serve", Creation.serve, when=Creation.provisioned),
    Step("prove", Creation.prove, when=Creation.provisioned),
    Step("join", Creation.join, when=Creation.in_cluster),
    Step("context", Creation.write_context),
    Step("ready", Creation.finish),
)


def create(
    store: Store,
    name: str,
    options: CreateOptions,
    progress: Progress,
    *,
    trace: Callable[[str], None] | None = None,
) -> Host:
    """Create the machine `name` and return its host.

    Raises InputError, MachineExists, MachineBusy, PreCreateCheckFailed, ImageMissing, MachineDied,
    MachineNotReady, AcceptsAnyone, ContainersCannotRun, HookRefused, and the errors of reaching the endpoint.
    After an error nothing of the machine is left, unless `keep_on_failure` says so or the endpoint went away;
    then the error is raised with a note (PEP 678) that says how to finish.
    """
    check_name(name)
    creation = Creation(store, name, options, progress, trace)
    try:
        with store.claim(name, "creating it") as leftovers:
            if leftovers:
                progress.note(f"Cleaning up what an interrupted create of {name} has left")
                sweep(store, name, progress, trace)
            steps.run(creation, STEPS)
        # Without the lock: a hook may well begin to use the machine.
        telling.tell(creation.machine, "ready", progress, command="create")
    except BaseException as error:
        creation.machine.close()
        if isinstance(error, (KeyboardInterrupt, Interrupted)):
            # It may have arrived between the claim and the transaction that would undo it.
            store.abandon(name)
        raise
    return creation.machine


def sweep(store: Store, name: str, progress: Progress, trace: Callable[[str], None] | None) -> None:
    """Remove what an interrupted create has left. The caller must have claimed the name."""
    # Without a record, it was killed before anything was created.
    with contextlib.suppress(ConfigError), Host(store.load(name), store, trace=trace) as machine:
        if trace is not None and machine.config.step:
            trace(f"the create of {name} that was interrupted had come to: {machine.config.step}")
        unmake(machine, progress)
    store.empty(name)

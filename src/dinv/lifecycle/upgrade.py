"""Upgrading: a machine is recreated from another image, with the same volumes, certificates and options.

What was there before is in config.json, under Dinv.Upgrade, from `record` to the last step: whatever kills
this process, `settle` finds it there and goes back to the old container, or on with the new one if that had
answered. `start`, `restart`, `stop`, `kill` and the next `upgrade` settle first; `rm` removes both.
"""

from __future__ import annotations

import copy

from dinv.lifecycle import change, steps
from dinv.lifecycle.host import telling
from dinv.lifecycle.host.serving import serve
from dinv.lifecycle.opening import check_finished, opened
from dinv.lifecycle.recreation import Recreation
from dinv.lifecycle.steps import Step
from dinv.states import RUNNING, STOPPED
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.fields import UpgradeJournal
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
    """Recreate a machine from `image`, or from a newer version of its own; it runs afterwards.

    Returns False if it was already made from exactly that image, and was only started if it was stopped; with
    `force` it is recreated anyway. Containers in the machine are stopped; those with a restart policy are
    back afterwards. Raises the errors of `create`, after putting the old container back in its place; if
    that fails too, the error has a note that says how to finish.
    """
    with opened(store, name, "upgrading it", trace) as machine:
        check_finished(machine.config)
        if machine.config.change:
            change.settle(machine, progress, timeout=timeout)
        if machine.config.upgrade:
            settle(machine, progress, timeout=timeout)
        offer = machine.driver.replacement().offer(image, progress)
        if offer.same and not force:
            if machine.driver.state(timeout=STATE_SECONDS).state == STOPPED:
                # In docker-machine, too, a machine runs after an upgrade.
                with progress.working("Machine", f"starting {machine.name}"):
                    machine.driver.start(timeout=timeout)
                serve(machine, progress, timeout=timeout)
            return False
        steps.run(
            Upgrade(machine, progress, timeout, image=offer.image, contract=offer.contract),
            STEPS,
        )
    telling.tell(machine, "provisioned", progress, command="upgrade")
    telling.tell(machine, "ready", progress, command="upgrade")
    return True


def settle(machine: Host, progress: Progress, *, timeout: float) -> None:
    """Finish or undo an upgrade that was killed. The caller must hold the machine's lock.

    The machine runs afterwards if it ran before the upgrade, or if the upgrade had got to its end.
    """
    killed = Upgrade(machine, progress, timeout)
    journal = machine.config.upgrade
    if machine.trace is not None and journal.get("Step"):
        machine.trace(f"the upgrade of {machine.name} that was interrupted had come to: {journal['Step']}")
    if journal.get("Answers"):
        progress.note(f"Finishing an interrupted upgrade of {machine.name}")
        steps.finish(killed, STEPS)
        return
    progress.note(f"Undoing an interrupted upgrade of {machine.name}")
    steps.undo(killed, STEPS)


class Upgrade(Recreation):
    """One upgrade. What it restores is in its journal, so that this can be done for one that was killed."""

    kind = "upgrade"

    def __init__(
        self, machine: Host, progress: Progress, timeout: float, *, image: str = "", contract: str = ""
    ) -> None:
        super().__init__(machine, progress, timeout)
        self.image = image
        self.image_contract = contract
        self.before: UpgradeJournal = {}
        """The journal's first entries: what was there before."""

    def journal(self) -> dict[str, Any] | None:
        """Return the record's Dinv.Upgrade, which exists from `record` to `let-go`."""
        journal: Any = self.machine.config.upgrade or None
        found: dict[str, Any] | None = journal
        return found

    # The steps

    def take_options(self) -> None:
        """The new image accepts the machine's options."""
        machine, config = self.machine, self.machine.config
        self.before = {
            "Driver": copy.deepcopy(config.driver),
            "ImageContract": config.image_contract,
            "DockerVersion": config.docker_version,
            "Running": machine.driver.state(timeout=STATE_SECONDS).state == RUNNING,
            "Answers": False,
        }
        machine.use_contract(self.image_contract)
        self.take_init()

    def record(self) -> None:
        """The previous state is recorded: from here on, an upgrade that is killed is undone."""
        config = self.machine.config
        config.upgrade = {**self.before, "Step": "record"}
        self.machine.store.save(config)

    def replace(self) -> None:
        """The new container exists, not started; the old one is stopped and set aside."""
        self.machine.config.driver["Image"] = self.image
        self.make_anew()

    def prove(self) -> None:
        """A container has run in it, or earlier in a machine of the same kind."""
        self.machine.provisioner.prove(self.progress)

    def conclude(self) -> None:
        """It is recorded that the new container works: from here on nothing is undone."""
        self.machine.config.upgrade["Answers"] = True
        self.machine.store.save(self.machine.config)

    def let_go(self) -> None:
        """The old container is gone, and the upgrade is over."""
        self.machine.driver.replacement().let_go()
        self.forget()

    # How they are undone

    def doubt(self) -> None:
        """It is not recorded that the new container works."""
        self.machine.config.upgrade["Answers"] = False

    def restore(self) -> None:
        """The record is as it was; the machine runs if it ran before."""
        machine, config = self.machine, self.machine.config
        journal = config.upgrade
        config.driver.clear()
        config.driver.update(copy.deepcopy(journal["Driver"]))
        machine.use_contract(str(journal["ImageContract"]))
        config.docker_version = journal["DockerVersion"]
        if journal["Running"]:
            if machine.driver.state(timeout=STATE_SECONDS).state != RUNNING:
                # The address, and so the certificates, may have changed: install those of the store again.
                machine.provisioner.provision()
                self.start()
            serve(machine, self.progress, timeout=self.timeout)
        self.forget()

    def forget(self) -> None:
        self.machine.config.upgrade = None
        self.machine.store.save(self.machine.config)


STEPS: tuple[Step[Upgrade], ...] = (
    Step("options", Upgrade.take_options),
    Step("record", Upgrade.record, undo=Upgrade.restore, atomic=True),
    Step("replace", Upgrade.replace, undo=Upgrade.take_back),
    Step("provision", Upgrade.provision),
    Step("start", Upgrade.start),
    Step("serve", Upgrade.serve),
    Step("prove", Upgrade.prove),
    Step("conclude", Upgrade.conclude, undo=Upgrade.doubt, final=True),
    Step("let-go", Upgrade.let_go),
)

"""The work of each step of a change; `dinv.lifecycle.change` says in what order, and why.

The limits come last: they are given all at once or not at all, and can then be read from the endpoint, so a
change that was killed at that moment is known to hold. One that was given memory where it had no limit could
not be undone, since the API cannot take a limit away.
"""

from __future__ import annotations

import copy

from dinv.drivers.alteration import RECREATION, RELOAD, RESTART, UPDATE
from dinv.lifecycle.host import certificates
from dinv.lifecycle.host.serving import serve
from dinv.lifecycle.recreation import Recreation
from dinv.states import RUNNING
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.lifecycle.change.plan import Plan
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.fields import ChangeJournal


class Change(Recreation):
    """One change. What it restores is in its journal, so that this can be done for one that was killed."""

    kind = "set"

    def __init__(
        self, machine: Host, progress: Progress, timeout: float, *, plan: Plan | None = None
    ) -> None:
        super().__init__(machine, progress, timeout)
        self.entries: ChangeJournal = machine.config.change
        """What the journal has, also before it is recorded."""
        if plan is not None:
            self.entries = {
                "Driver": copy.deepcopy(dict(machine.config.driver)),
                "EngineOptions": copy.deepcopy(machine.config.engine_options),
                "NewDriver": plan.driver,
                "NewEngineOptions": plan.engine_options,
                "Means": list(plan.means),
                "Running": plan.running,
                "Moves": False,
                "Answers": False,
            }
        self.touched = plan is None
        """Whether the daemon may run with the new options: of one that was killed, that is not known."""

    def journal(self) -> dict[str, Any] | None:
        """Return the record's Dinv.Change, which exists from `record` to `let-go`."""
        journal: Any = self.machine.config.change or None
        found: dict[str, Any] | None = journal
        return found

    def forget(self) -> None:
        """Remove Dinv.Change from the record."""
        self.machine.config.change = None
        self.machine.store.save(self.machine.config)

    def holds(self) -> bool:
        """Whether the new settings hold: that is recorded, or it can be seen."""
        if self.entries.get("Answers"):
            return True
        return self.updates() and self.machine.driver.alteration().has(self.entries["NewDriver"])

    # What the order of the steps depends on

    def recreates(self) -> bool:
        """Whether the machine is made anew."""
        return RECREATION in self.entries["Means"]

    def changes_files(self) -> bool:
        """Whether files in the machine change."""
        return self.recreates() or bool(self.entries["NewEngineOptions"])

    def starts(self) -> bool:
        """Whether there is a new container to be started: one that was stopped stays so."""
        return self.recreates() and self.entries["Running"]

    def reloads(self) -> bool:
        """Whether the running daemon is told to take its files."""
        return RELOAD in self.entries["Means"] and self.entries["Running"]

    def restarts(self) -> bool:
        """Whether the running daemon is restarted."""
        return RESTART in self.entries["Means"] and self.entries["Running"]

    def interrupts(self) -> bool:
        """Whether the daemon has to be waited for."""
        return self.starts() or self.restarts()

    def updates(self) -> bool:
        """Whether the endpoint changes the limits of the container that there is."""
        return UPDATE in self.entries["Means"]

    # The steps

    def take_options(self) -> None:
        """The endpoint and the image accept the new settings; nothing has been changed."""
        driver = self.machine.driver
        if self.updates():
            driver.alteration().check(self.entries["NewDriver"])
        before = driver.addresses()
        self._use_new()
        self.take_init()
        self.entries["Moves"] = driver.addresses() != before
        self._use_old()

    def record(self) -> None:
        """What is to change is recorded: from here on, a change that is killed is finished or undone."""
        self.machine.config.change = {**self.entries, "Step": "record"}
        self.machine.store.save(self.machine.config)
        # The record on disk keeps saying what holds.
        self._use_new()

    def replace(self) -> None:
        """The new container exists, not started; the old one is stopped and set aside."""
        kept = self.machine.config.driver
        named = kept.get("Image")
        kept["Image"] = self.machine.driver.replacement().current() or named
        try:
            self.make_anew()
        finally:
            kept["Image"] = named

    def provision(self) -> None:
        """The new options are in the machine's files."""
        super().provision()

    def reload(self) -> None:
        """The running daemon has taken them; nothing was cut."""
        with self.progress.working("Docker", "taking the new options"):
            self.machine.provisioner.reload()

    def restart(self) -> None:
        """The daemon has been restarted with them."""
        self.machine.provisioner.check()
        self.touched = True
        with self.progress.working("Docker", "restarting with the new options"):
            self.machine.provisioner.restart()

    def update(self) -> None:
        """The endpoint has given the machine its new limits."""
        self.machine.driver.alteration().update(self.entries["NewDriver"])

    def conclude(self) -> None:
        """The record has the new settings: from here on nothing is undone."""
        self._use_new()
        self.entries["Answers"] = True
        self.machine.config.change["Answers"] = True
        self.machine.store.save(self.machine.config)

    def let_go(self) -> None:
        """The old container is gone, if there was one, and the change is over."""
        if self.recreates():
            self.machine.driver.replacement().let_go()
        self.forget()

    # How they are undone

    def doubt(self) -> None:
        """It is not recorded that the new settings hold."""
        self.machine.config.change["Answers"] = False

    def update_back(self) -> None:
        """The machine has its old limits again."""
        alteration, before = self.machine.driver.alteration(), self.entries["Driver"]
        if self.updates() and alteration.has(self.entries["NewDriver"]):
            alteration.update({key: before[key] for key in self.entries["NewDriver"]})

    def take_back(self) -> None:
        """The old container is back in its place, and the new one is gone."""
        if self.recreates():
            super().take_back()

    def restore(self) -> None:
        """The record is as it was, and so are the machine's options; it runs if it ran before."""
        machine = self.machine
        self._use_old()
        if self.recreates():
            if self.entries["Running"]:
                self._run_again()
        elif self.changes_files():
            machine.provisioner.provision()
            self._restart_back()
        self.forget()

    def _run_again(self) -> None:
        machine = self.machine
        if machine.driver.state(timeout=STATE_SECONDS).state != RUNNING:
            if self.entries.get("Moves"):
                certificates.issue(machine)
            machine.provisioner.provision()
            self.start()
        serve(machine, self.progress, timeout=self.timeout)

    def _restart_back(self) -> None:
        """Let the running daemon take the old options, if it may have taken the new ones."""
        machine = self.machine
        if not self.entries["Running"] or machine.driver.state(timeout=STATE_SECONDS).state != RUNNING:
            return
        if RELOAD in self.entries["Means"]:
            machine.provisioner.reload()
        elif self.touched:
            machine.provisioner.restart()
            serve(machine, self.progress, timeout=self.timeout)

    def _use_new(self) -> None:
        self.machine.config.driver.update(copy.deepcopy(self.entries["NewDriver"]))
        self.machine.config.engine_options.update(copy.deepcopy(self.entries["NewEngineOptions"]))

    def _use_old(self) -> None:
        config = self.machine.config
        for part, before in ((config.driver, "Driver"), (config.engine_options, "EngineOptions")):
            part.clear()
            part.update(copy.deepcopy(self.entries[before]))  # type: ignore[literal-required]

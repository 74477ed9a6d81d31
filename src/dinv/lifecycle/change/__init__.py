"""Changing a machine's settings: by an update, a reload, a restart or a recreation (`dinv set`).

plan.py       what is to differ, by which means, and what that stops
transaction.py  the work of each step
operation.py  from the options to a machine that has them

What is to differ, and what was there before, is in config.json, under Dinv.Change, from before the machine is
touched to the last step: whatever kills this process, `settle` finds it there. It goes back to the old
settings, or on with the new ones if they hold already.
"""

from __future__ import annotations

from dinv.lifecycle import steps
from dinv.lifecycle.change.transaction import Change
from dinv.lifecycle.steps import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.lifecycle.change.plan import Plan
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

STEPS: tuple[Step[Change], ...] = (
    Step("options", Change.take_options),
    Step("record", Change.record, undo=Change.restore, atomic=True),
    Step("replace", Change.replace, undo=Change.take_back, when=Change.recreates),
    Step("provision", Change.provision, when=Change.changes_files),
    Step("start", Change.start, when=Change.starts),
    Step("reload", Change.reload, when=Change.reloads),
    Step("restart", Change.restart, when=Change.restarts),
    Step("serve", Change.serve, when=Change.interrupts),
    Step("update", Change.update, undo=Change.update_back, when=Change.updates),
    Step("conclude", Change.conclude, undo=Change.doubt, final=True),
    Step("let-go", Change.let_go),
)


def carry_out(plan: Plan, machine: Host, progress: Progress, *, timeout: float) -> None:
    """Give a machine the settings in a plan. The caller must hold the machine's lock."""
    steps.run(Change(machine, progress, timeout, plan=plan), STEPS)


def settle(machine: Host, progress: Progress, *, timeout: float) -> None:
    """Finish or undo a change that was killed. The caller must hold the machine's lock."""
    killed = Change(machine, progress, timeout)
    journal = machine.config.change
    if machine.trace is not None and journal.get("Step"):
        machine.trace(f"the change of {machine.name} that was interrupted had come to: {journal['Step']}")
    if killed.holds():
        progress.note(f"Finishing an interrupted change of {machine.name}")
        killed.conclude()
        steps.finish(killed, STEPS)
        return
    progress.note(f"Undoing an interrupted change of {machine.name}")
    steps.undo(killed, STEPS)

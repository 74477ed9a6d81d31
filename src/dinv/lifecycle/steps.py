"""Transactions in named steps, and the engine that runs them.

`create`, `adopt`, `upgrade`, `set` (`change`) and `regenerate-certs` (`renew`) are each a tuple of steps, in
the module of that name. The engine runs the steps in order. If one fails, Ctrl-C and SIGTERM included, the
steps begun so far are undone in reverse order; after the step that is `final`, nothing is undone.

A kill -9 undoes nothing. Each transaction keeps a journal in the machine's record, from before its first
change until its last, and the next command settles what the journal shows, using the same tuple: `undo`
undoes all of it, or `finish` does what comes after the `final` step. So an undo has to work no matter which
steps were done, and a step after the final one has to work when repeated.

The journal also has the step, as `Step`. The record is not saved just for that, so it names the last step at
which the record was saved.

Names of steps do not change: tests, hooks and readers of `--progress json` rely on them. These are the steps;
docs/lifecycle.md has the state after each, what undoes it, what a kill at it leaves, and who settles that:

    create            configure check record image requirements container certificates start keep provision
                      address serve prove join context ready
    adopt             configure record certificates remember install serve context ready
    upgrade           options record replace provision start serve prove conclude let-go
    set               options record replace provision start reload restart serve update conclude let-go
    regenerate-certs  look record stage trust-both install verify client trust-new lock-out finish
"""

from __future__ import annotations

from dinv.background import Background
from dinv.errors import DinvError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, Generic, TypeVar

    from dinv.lifecycle.host import Host
    from dinv.progress import Progress

    T = TypeVar("T", bound="Transaction")
else:

    class Generic:
        """What typing.Generic is to a type checker; importing that would take longer than a step may."""

        def __class_getitem__(cls, _: object) -> type:
            return cls

    T = None


class Transaction:
    """What the steps of a transaction share; subclasses add what steps pass on to later ones.

    The caller must hold the machine's lock.
    """

    kind = ""
    """The transaction's name, such as `create`."""

    def __init__(self, machine: Host, progress: Progress) -> None:
        self.machine = machine
        self.progress = progress
        self._beside: dict[str, Background] = {}

    def journal(self) -> dict[str, Any] | None:
        """Where in the machine's record this transaction is recorded; None while it is not."""
        return None

    def keeps(self, error: BaseException) -> bool:
        """Return whether nothing is to be undone after `error`, because the user said so."""
        return False

    def undone(self, error: BaseException) -> None:
        """Everything was undone: say so in a note of the `error` that it was undone for."""

    def not_undone(self, error: BaseException, why: str) -> None:
        """Called if undoing failed: add a note how to continue. `why` is "" or a reason in parentheses."""

    def wait_for(self, step: str) -> None:
        """Wait until a step begun in a thread has ended, whether it succeeded or not."""
        if step in self._beside:
            self._beside[step].join()

    def result_of(self, step: str) -> None:
        """Wait until the parallel step `step` has ended, and raise its error if it failed."""
        if step in self._beside:
            self._beside[step].result()

    def begin_beside(self, step: str, work: Callable[[], None]) -> None:
        """Begin `work` in a thread of its own, under the name `step`."""
        self._beside[step] = Background(work, step)

    def wait_for_all(self) -> None:
        """Wait until no step runs in a thread any more."""
        for step in self._beside.values():
            step.join()

    def raise_errors(self) -> None:
        """Wait until no step runs in a thread any more, and raise the first error of one."""
        for step in self._beside.values():
            step.result()


class Step(Generic[T]):
    """One step of a transaction.

    `do` does it, and `undo` undoes it, even if it was only begun; with `atomic`, only once it is done. `when`
    says whether it is to be done at all, and is called when its turn has come. A step that is `beside` is
    begun in a thread of its own, and the next one follows at once; `needs` names such a step, and waits until
    it has ended, whether it succeeded or not: call `Transaction.result_of` for its result. Once a `final`
    step is done, nothing is undone any more. `note` makes a note for the error of a step that fails after
    that, given the machine's name: it says how to go on.
    """

    def __init__(
        self,
        name: str,
        do: Callable[[T], None],
        *,
        undo: Callable[[T], None] | None = None,
        when: Callable[[T], bool] | None = None,
        needs: str = "",
        beside: bool = False,
        atomic: bool = False,
        final: bool = False,
        note: Callable[[str], str] | None = None,
    ) -> None:
        self.name = name
        self.do = do
        self.undo = undo
        self.when = when
        self.needs = needs
        self.beside = beside
        self.atomic = atomic
        self.final = final
        self.note = note

    def __repr__(self) -> str:
        return f"<Step {self.name}>"


def run(transaction: T, steps: Sequence[Step[T]]) -> None:
    """Run `steps` in their order; if one fails, undo what was begun, and raise its error."""
    begun: list[Step[T]] = []
    try:
        for step in steps:
            if step.when is None or step.when(transaction):
                _do(transaction, step, begun)
        transaction.raise_errors()
    except BaseException as error:
        _give_up(transaction, begun, error)
        raise


def undo(transaction: T, steps: Sequence[Step[T]]) -> None:
    """Undo, in reverse order, what a killed process may have done."""
    for step in reversed(steps):
        if step.undo is not None:
            step.undo(transaction)


def finish(transaction: T, steps: Sequence[Step[T]]) -> None:
    """Do the steps after the final one, which a process that was killed had done."""
    final = next(number for number, step in enumerate(steps) if step.final)
    run(transaction, steps[final + 1 :])


def _do(transaction: T, step: Step[T], begun: list[Step[T]]) -> None:
    if step.beside:
        transaction.progress.at_step(transaction.kind, step.name)
        transaction.begin_beside(step.name, lambda: step.do(transaction))
        return
    if step.needs:
        transaction.wait_for(step.needs)
    if not step.atomic:
        begun.append(step)
    journal = transaction.journal()
    if journal is not None:
        journal["Step"] = step.name
    transaction.progress.at_step(transaction.kind, step.name)
    try:
        step.do(transaction)
    except BaseException as error:
        if step.note is not None:
            error.add_note(step.note(transaction.machine.name))
        raise
    if step.final:
        begun.clear()
    elif step.atomic:
        begun.append(step)


def _give_up(transaction: T, begun: Sequence[Step[T]], error: BaseException) -> None:
    undoing = [step for step in begun if step.undo is not None]
    try:
        transaction.wait_for_all()
        if not undoing or transaction.keeps(error):
            return
        undo(transaction, undoing)
    except BaseException as failure:  # noqa: BLE001  (including a second Ctrl-C; the first error is raised)
        transaction.not_undone(error, " (" + failure.text + ")" if isinstance(failure, DinvError) else "")
    else:
        transaction.undone(error)

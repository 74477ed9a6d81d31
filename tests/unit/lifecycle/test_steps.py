"""The engine under the transactions, with one of its own; and the page that lists all steps."""

from __future__ import annotations

import importlib
import threading
from typing import TYPE_CHECKING, Any, cast

import lifecycle_page
import pytest

from dinv.errors import DinvError, Interrupted
from dinv.lifecycle import steps
from dinv.lifecycle.steps import Step, Transaction
from dinv.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.lifecycle.host import Host

TRANSACTIONS = {
    "create": "create",
    "adopt": "adopt",
    "upgrade": "upgrade",
    "set": "change",
    "regenerate-certs": "renew",
}
"""The modules of the transactions, by the names that they go by."""


class Named:
    """As much of a machine as the engine sees."""

    name = "dev"


class Told(Progress):
    """The steps that were come to."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, str]] = []

    def at_step(self, transaction: str, step: str) -> None:
        self.steps.append((transaction, step))


class Toy(Transaction):
    """Writes down what is done with it."""

    kind = "toy"

    def __init__(self) -> None:
        self.told = Told()
        super().__init__(cast("Host", Named()), self.told)
        self.done: list[str] = []
        self.record: dict[str, Any] | None = None
        self.kept = False

    def journal(self) -> dict[str, Any] | None:
        return self.record

    def keeps(self, error: BaseException) -> bool:
        return self.kept

    def undone(self, error: BaseException) -> None:
        error.add_note("undone")

    def not_undone(self, error: BaseException, why: str) -> None:
        error.add_note(f"not undone{why}")


def does(text: str, error: BaseException | None = None) -> Callable[[Toy], None]:
    def do(toy: Toy) -> None:
        toy.done.append(text)
        if error is not None:
            raise error

    return do


def step(name: str, error: BaseException | None = None, **more: Any) -> Step[Toy]:
    return Step(name, does(name, error), undo=does(f"not {name}"), **more)


def failed(toy: Toy, *parts: Step[Toy]) -> BaseException:
    with pytest.raises((DinvError, OSError, KeyboardInterrupt, Interrupted)) as caught:
        steps.run(toy, parts)
    return caught.value


def notes(error: BaseException) -> list[str]:
    return list(getattr(error, "__notes__", ()))


def test_steps_are_done_in_their_order_where_they_are_to_be_done() -> None:
    toy = Toy()
    later = step("c", when=lambda toy: toy.done == ["a"])
    steps.run(toy, [step("a"), step("b", when=lambda _: False), later])
    assert toy.done == ["a", "c"]
    assert toy.told.steps == [("toy", "a"), ("toy", "c")]


@pytest.mark.parametrize("error", [DinvError("no"), KeyboardInterrupt(), Interrupted(15), OSError(5, "I/O")])
def test_what_was_begun_is_undone_in_reverse(error: BaseException) -> None:
    toy = Toy()
    without = Step("b", does("b"))
    assert failed(toy, step("a"), without, step("c", error), step("d")) is error
    assert toy.done == ["a", "b", "c", "not c", "not a"]
    assert notes(error) == ["undone"]


def test_an_atomic_step_is_undone_once_it_was_done() -> None:
    toy = Toy()
    failed(toy, step("a", atomic=True), step("b", DinvError("no"), atomic=True))
    assert toy.done == ["a", "b", "not a"]


def test_with_nothing_to_undo_nothing_is_said() -> None:
    assert notes(failed(Toy(), step("a", DinvError("no"), atomic=True))) == []


def test_what_the_user_wants_kept_is_kept() -> None:
    toy = Toy()
    toy.kept = True
    assert notes(failed(toy, step("a"), step("b", DinvError("no")))) == []
    assert toy.done == ["a", "b"]


@pytest.mark.parametrize(
    ("failure", "why"), [(DinvError("gone"), " (gone)"), (KeyboardInterrupt(), ""), (OSError(5, "I/O"), "")]
)
def test_an_undo_that_fails_leaves_the_rest_and_says_so(failure: BaseException, why: str) -> None:
    toy, error = Toy(), DinvError("no")
    broken = Step("b", does("b"), undo=does("not b", failure))
    assert failed(toy, step("a"), broken, step("c", error)) is error
    assert toy.done == ["a", "b", "c", "not c", "not b"]
    assert notes(error) == [f"not undone{why}"]


def test_past_the_final_step_nothing_is_undone() -> None:
    toy, error = Toy(), DinvError("no")
    last = Step("c", does("c", error), note="Go on: dinv start {}".format)
    assert failed(toy, step("a"), step("b", final=True), last) is error
    assert toy.done == ["a", "b", "c"]
    assert notes(error) == ["Go on: dinv start dev"]


def test_a_final_step_that_fails_is_undone() -> None:
    toy = Toy()
    failed(toy, step("a"), step("b", DinvError("no"), final=True))
    assert toy.done == ["a", "b", "not b", "not a"]


def test_the_journal_says_which_step_it_is() -> None:
    toy = Toy()
    seen: list[Any] = []

    def look(toy: Toy) -> None:
        seen.append(dict(toy.record or {}))

    def begin(toy: Toy) -> None:
        toy.record = {"kept": 1}

    steps.run(toy, [Step("a", begin), Step("b", look), Step("c", look)])
    assert seen == [{"kept": 1, "Step": "b"}, {"kept": 1, "Step": "c"}]


def test_one_beside_the_others_is_waited_for_where_it_is_needed() -> None:
    toy, begun = Toy(), threading.Event()

    def slow(toy: Toy) -> None:
        assert begun.wait(20)
        toy.done.append("slow")

    def meanwhile(toy: Toy) -> None:
        toy.done.append("meanwhile")
        begun.set()

    steps.run(toy, [Step("slow", slow, beside=True), Step("m", meanwhile), step("last", needs="slow")])
    assert toy.done == ["meanwhile", "slow", "last"]
    assert toy.told.steps == [("toy", "slow"), ("toy", "m"), ("toy", "last")]


def test_an_error_beside_the_others_is_raised_where_it_is_asked_for_or_else_at_the_end() -> None:
    toy, error = Toy(), DinvError("no")
    beside = Step[Toy]("beside", does("beside", error), beside=True)
    asks = Step[Toy]("asks", lambda toy: toy.result_of("beside"), needs="beside")
    assert failed(toy, step("a"), beside, asks, step("never")) is error
    assert toy.done[-1] == "not a"
    assert "never" not in toy.done
    toy = Toy()
    assert failed(toy, step("a"), Step("beside", does("beside", error), beside=True), step("b")) is error
    assert toy.done[-2:] == ["not b", "not a"]


def test_nothing_is_undone_while_another_step_goes_on() -> None:
    toy, failing = Toy(), threading.Event()

    def slow(toy: Toy) -> None:
        assert failing.wait(20)
        toy.done.append("slow")

    def fail(_toy: Toy) -> None:
        failing.set()
        raise DinvError("no")

    failed(toy, step("a"), Step("slow", slow, beside=True), Step("b", fail))
    assert toy.done == ["a", "slow", "not a"]


def test_what_a_kill_has_left_is_undone_or_finished() -> None:
    parts = [step("a"), Step("b", does("b")), step("c", final=True), Step("d", does("d"))]
    toy = Toy()
    steps.undo(toy, parts)
    assert toy.done == ["not c", "not a"]
    toy = Toy()
    steps.finish(toy, parts)
    assert toy.done == ["d"]


# The transactions there are


def steps_of(transaction: str) -> tuple[Step[Any], ...]:
    module = importlib.import_module(f"dinv.lifecycle.{TRANSACTIONS[transaction]}")
    found: tuple[Step[Any], ...] = module.STEPS
    return found


def said(function: Callable[[Any], None] | None) -> str:
    """The first paragraph of its docstring."""
    return " ".join((function.__doc__ or "").partition("\n\n")[0].split()) if function else ""


@pytest.mark.parametrize("transaction", TRANSACTIONS)
def test_the_page_lists_the_steps_and_what_undoes_them(transaction: str) -> None:
    listed = [(row.step, row.does, row.undone) for row in lifecycle_page.rows(transaction)]
    wanted = {step.name: (step.name, said(step.do), said(step.undo)) for step in steps_of(transaction)}
    assert listed == list(wanted.values())


def test_the_engines_own_page_names_them_too() -> None:
    listed = (steps.__doc__ or "").partition(" settles that:\n")[2].split()
    wanted: list[str] = []
    for transaction in TRANSACTIONS:
        wanted += [transaction, *dict.fromkeys(step.name for step in steps_of(transaction))]
    assert listed == wanted


@pytest.mark.parametrize("transaction", TRANSACTIONS)
def test_the_page_says_who_settles_what_a_kill_leaves(transaction: str) -> None:
    assert all(row.leaves and row.settled for row in lifecycle_page.rows(transaction))


@pytest.mark.parametrize("transaction", TRANSACTIONS)
def test_steps_keep_the_engines_rules(transaction: str) -> None:
    parts = steps_of(transaction)
    beside = [step.name for step in parts if step.beside]
    assert {step.needs for step in parts if step.needs} == set(beside), "each that is beside is waited for"
    assert not [step for step in parts if step.beside and (step.undo or step.final)]
    finals = [number for number, step in enumerate(parts) if step.final]
    assert len(finals) <= 1
    if finals:
        assert not [step for step in parts[finals[0] + 1 :] if step.undo], "nothing is undone past the end"
    twice = {step.name for step in parts if [other.name for other in parts].count(step.name) > 1}
    assert not [step for step in parts if step.name in twice and step.when is None]

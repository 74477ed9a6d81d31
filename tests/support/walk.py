"""Every moment of a transaction: before and after each of its steps, and each call that its driver gets.

The steps are taken from the transaction itself: one that is added later is walked over by itself.
"""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

from forks import forking

from dinv.lifecycle.steps import Step
from kills import Killed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest
    from fake_driver import World

Moment = tuple[str, int]
"""What is about to happen, and which time it is."""

KILLED = 77


class Walk:
    """A walk through the steps of `module.STEPS`, at one of whose moments something happens, once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, world: World, module: Any) -> None:
        self.seen: list[Moment] = []
        self.steps: dict[Moment, str] = {}
        """The step that each moment belongs to."""
        self._step = ""
        self._dead = False
        self._world = world
        self._lock = threading.Lock()
        self._target: Moment | None = None
        self._happens: Callable[[], object] = lambda: None
        self._beside = {step.name for step in module.STEPS if step.beside}
        monkeypatch.setattr(module, "STEPS", tuple(map(self._watched, module.STEPS)))

    def _watched(self, step: Step[Any]) -> Step[Any]:
        watched = Step[Any](step.name, self._around(step.name, step.do))
        for name, value in vars(step).items():
            if name not in ("name", "do"):
                setattr(watched, name, value)
        if step.undo is not None:
            watched.undo = self._around(f"undo of {step.name}", step.undo)
        return watched

    def _around(self, name: str, do: Callable[[Any], None]) -> Callable[[Any], None]:
        def watched(transaction: Any) -> None:
            if threading.current_thread().name != name:
                self._step = name
            self._come_to(f"before {name}")
            do(transaction)
            self._come_to(f"after {name}")

        return watched

    def _come_to(self, label: str) -> None:
        if self._dead:
            raise Killed
        with self._lock:
            moment = (label, 1 + sum(label == seen for seen, _ in self.seen))
            self.seen.append(moment)
            thread = threading.current_thread().name
            self.steps[moment] = thread if thread in self._beside else self._step
            if moment != self._target:
                return
            self._target = None
        self._happens()

    def go(self, attempt: Callable[[], object], at: Moment | None, happens: Callable[[], object]) -> None:
        """Call `attempt`, and `happens` when it comes to the moment `at`."""
        self.seen = []
        self._target, self._happens = at, happens
        self._world.at = self._come_to
        try:
            attempt()
        finally:
            self._target = None
            self._world.at = lambda _step: None

    def moments(self, attempt: Callable[[], object]) -> list[Moment]:
        """The moments of an attempt to which nothing happens."""
        self.go(attempt, None, lambda: None)
        return list(self.seen)

    def fail(self, attempt: Callable[[], object], at: Moment, error: BaseException) -> None:
        """Call `attempt`, and raise `error` in it."""

        def happens() -> None:
            raise error

        self.go(attempt, at, happens)

    def fail_twice(
        self,
        attempt: Callable[[], object],
        at: Moment,
        error: BaseException,
        then_at: Moment,
        second: BaseException,
    ) -> None:
        """Call `attempt`, raise `error` in it, and `second` at a later moment of what that leads to."""

        def again() -> None:
            raise second

        def happens() -> None:
            self._target, self._happens = then_at, again
            raise error

        self.go(attempt, at, happens)

    def die(self, attempt: Callable[[], object], at: Moment) -> None:
        """Call `attempt`, which dies at this moment, in this process: whatever it comes to raises Killed."""

        def happens() -> None:
            self._dead = True
            raise Killed

        try:
            self.go(attempt, at, happens)
        except Killed:
            return
        finally:
            self._dead = False
        raise AssertionError(f"it did not come to {at}")

    def kill(self, attempt: Callable[[], object], at: Moment) -> None:
        """Call `attempt` in a process of its own that is gone, as after kill -9, at this moment."""
        with forking():
            child = os.fork()
        if not child:
            try:
                self.go(attempt, at, lambda: os._exit(KILLED))
            finally:
                os._exit(1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == KILLED, at


@contextlib.contextmanager
def at(moment: Moment) -> Iterator[None]:
    """Say which moment it was that a test fails at."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"at {moment}")
        raise

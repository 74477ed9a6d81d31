"""Ctrl-C at each line of a create, up to where it would reach the endpoint."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dinv.errors import EndpointUnreachable
from dinv.lifecycle import create, steps
from dinv.lifecycle.create import CreateOptions, creation
from dinv.progress import Progress
from dinv.store import claims, layout, store
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

_MODULES = (create, creation, steps, store, layout, claims)
_FILES = [module.__file__ for module in _MODULES]


class Run:
    """A create that is interrupted at the line of this number in those modules."""

    def __init__(self, directory: Path, interrupted_at: int) -> None:
        self.store = Store(str(directory))
        self.interrupted_at = interrupted_at
        self.lines = 0

    def go(self) -> None:
        options = CreateOptions(driver_values={"endpoint": "unix:///nowhere/docker.sock"})
        before = sys.gettrace()
        sys.settrace(self._count)
        try:
            create.create(self.store, "dev", options, Progress())
        finally:
            sys.settrace(before)

    def _count(self, frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename not in _FILES:
            return None
        if event == "line":
            self.lines += 1
            if self.lines == self.interrupted_at:
                raise KeyboardInterrupt
        return self._count


# Python 3.13 can be interrupted between `os.scandir(...)` and its `with`: the process that ends closes it.
@pytest.mark.filterwarnings("ignore:.*ScandirIterator:pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_at_any_line_leaves_nothing(tmp_path: Path) -> None:
    """Each run is interrupted one line later than the one before, until one ends before that."""
    at = 0
    while True:
        at += 1
        run = Run(tmp_path / str(at), at)
        with pytest.raises((KeyboardInterrupt, EndpointUnreachable)) as caught:
            run.go()
        if run.lines < at:
            break
        machines = tmp_path / str(at) / "machines"
        left = os.listdir(machines) if machines.exists() else []
        left = [name for name in left if not name.startswith(".removed-")]
        # What undoes an error can be interrupted too: then that error says what is left, and how to go on.
        told = any("dinv rm -y dev" in note for note in getattr(caught.value, "__notes__", ()))
        assert left == [] or (told and caught.type is EndpointUnreachable), f"at line {at}"
    assert at > 100, "the claim, the steps and their undoing have been gone through"


def test_without_an_interrupt_it_fails_at_the_endpoint(tmp_path: Path) -> None:
    with pytest.raises(EndpointUnreachable):
        Run(tmp_path, 0).go()
    assert os.listdir(tmp_path / "machines") == []

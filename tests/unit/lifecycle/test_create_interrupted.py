"""Ctrl-C at each line of a create, up to where it would reach the endpoint."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dinv.errors import EndpointUnreachable
from dinv.lifecycle import create
from dinv.lifecycle.create import CreateOptions
from dinv.progress import Progress
from dinv.store import store
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import FrameType

_FILES = (create.__file__, store.__file__)


def _create(directory: Path, *, interrupted_at: int) -> int:
    """Run a create, interrupted at that line of the two modules; returns how many it has run."""
    lines = 0

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in _FILES:
            return None
        if event == "line":
            lines += 1
            if lines == interrupted_at:
                raise KeyboardInterrupt
        return count

    options = CreateOptions(driver_values={"endpoint": "unix:///nowhere/docker.sock"})
    before = sys.gettrace()
    sys.settrace(count)
    try:
        create.create(Store(str(directory)), "dev", options, Progress())
    finally:
        sys.settrace(before)
    return lines


def test_an_interrupt_at_any_line_leaves_nothing(tmp_path: Path) -> None:
    """Each run is interrupted one line later than the one before, until one meets its own end first."""
    at = 0
    while True:
        at += 1
        directory = tmp_path / str(at)
        try:
            _create(directory, interrupted_at=at)
        except KeyboardInterrupt:
            machines = directory / "machines"
            left = os.listdir(machines) if machines.exists() else []
            assert [name for name in left if not name.startswith(".removed-")] == [], f"at line {at}"
        except EndpointUnreachable:
            break
    assert at > 50, "the claim and its undoing have been gone through"


def test_without_an_interrupt_it_fails_at_the_endpoint(tmp_path: Path) -> None:
    with pytest.raises(EndpointUnreachable):
        _create(tmp_path, interrupted_at=0)
    assert os.listdir(tmp_path / "machines") == []

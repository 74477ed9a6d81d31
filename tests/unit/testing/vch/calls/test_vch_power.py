from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.testing.vch.calls import power
from dinv.testing.vch.faults import Faults
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.settings import Settings
from dinv.testing.vch.state import Container, Vch
from dinv.testing.vch.wire.behind import BehindError

if TYPE_CHECKING:
    from dinv.testing.vch.wire.behind import Behind


class LateBehind:
    """An engine whose list comes after: a container that was stopped is in it as running until inspected."""

    def __init__(self) -> None:
        self.runs = self.listed = True
        self.there = True

    def json(self, method: str, path: str, **_: object) -> Any:
        if path == "/containers/json":
            return [{"Id": "c1", "State": "running" if self.listed else "exited"}]
        if not self.there:
            raise BehindError(404, "No such container: c1")
        if path.endswith(("/stop", "/kill")):
            self.runs = False
        elif path.endswith("/start"):
            self.runs = self.listed = True
        elif method == "GET":
            self.listed = self.runs
            return {"State": {"Running": self.runs}}
        return None


def _vch(start_delay: float = 0) -> tuple[Vch, Container, LateBehind]:
    behind = LateBehind()
    settings = Settings(engine="unix:///nowhere", start_delay=start_delay, retry_seconds=0)
    vch = Vch("x", settings, cast("Behind", behind), Faults())
    container = Container("dev", {}, memory=512, cpus=1)
    container.id = "c1"
    vch.containers["c1"] = container
    return vch, container, behind


def test_one_that_was_stopped_does_not_run() -> None:
    vch, container, _ = _vch()
    assert vch.running() == [container]
    power._stop(vch, container, 0)
    assert vch.running() == []


def test_one_that_removes_itself_at_its_end_can_be_stopped() -> None:
    vch, container, behind = _vch()
    behind.there = False
    vch.await_listed(container)
    assert vch.containers == {}


def test_a_boot_ends_when_its_delay_is_taken_back() -> None:
    vch, _, _ = _vch(start_delay=600)
    found: list[bool] = []
    boot = threading.Thread(target=lambda: found.append(vch.booted()))
    boot.start()
    boot.join(0.1)
    assert boot.is_alive()
    vch.start_delay = 0
    boot.join(60)
    assert found == [True]


def test_a_boot_ends_with_the_simulator() -> None:
    vch, container, behind = _vch(start_delay=600)
    behind.listed = False
    vch.closing.set()
    with pytest.raises(VicError, match="context canceled"):
        power._start(vch, container)

"""Whether daemons listen: by URL and address, all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.drivers import listening
from dinv.states import ERROR, RUNNING, TIMEOUT, UNANSWERED

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pytest

    from dinv.drivers.listening import Address


def test_each_has_its_own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[list[Address], float]] = []

    def connect_all(hosts: Iterable[Address], *, timeout: float) -> dict[Address, str]:
        calls.append((list(hosts), timeout))
        return {("up", 1): "", ("down", 2): "Connection refused"}

    monkeypatch.setattr(listening, "connect_all", connect_all)
    (tmp_path / "here.sock").touch()
    found = listening.states(
        {
            "up": ("tcp://up:1", ("up", 1)),
            "down": ("tcp://down:2", ("down", 2)),
            "silent": ("tcp://silent:3", ("silent", 3)),
            "here": (f"unix://{tmp_path}/here.sock", None),
            "gone": (f"unix://{tmp_path}/gone.sock", None),
            "odd": ("nonsense", None),
        },
        timeout=0.5,
    )
    assert calls == [([("up", 1), ("down", 2), ("silent", 3)], 0.5)]
    assert {
        name: (status.state, status.error.removeprefix(UNANSWERED)) for name, status in found.items()
    } == {
        "up": (RUNNING, ""),
        "down": (ERROR, "tcp://down:2 does not answer: Connection refused"),
        "silent": (TIMEOUT, "tcp://silent:3 did not answer within 0.5 s"),
        "here": (RUNNING, ""),
        "gone": (ERROR, f"there is no unix://{tmp_path}/gone.sock"),
        "odd": (ERROR, "nonsense is not the URL of a Docker daemon, such as tcp://HOST:2376"),
    }

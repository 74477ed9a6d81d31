from __future__ import annotations

from math import inf

import pytest

from dinv.engine import Deadline, IdleDeadline
from dinv.errors import DeadlineExceeded


def test_no_limit() -> None:
    for deadline in (Deadline(None), Deadline(inf)):
        assert deadline.remaining() is None
        assert not deadline.expired
        deadline.raise_if_expired("waiting")


def test_expired_says_what_and_how_long() -> None:
    deadline = Deadline(0)
    assert deadline.remaining() == 0
    with pytest.raises(DeadlineExceeded, match="waiting for Godot took longer than 0 s") as caught:
        deadline.raise_if_expired("waiting for Godot")
    assert caught.value.what == "waiting for Godot"


def test_remaining_counts_down(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("dinv.system.deadline.monotonic", lambda: now[0])
    deadline = Deadline(5)
    now[0] = 103
    assert deadline.remaining() == 2
    deadline.progress()
    assert deadline.remaining() == 2
    now[0] = 106
    assert deadline.remaining() == 0
    assert deadline.expired


def test_idle_deadline_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("dinv.system.deadline.monotonic", lambda: now[0])
    deadline = IdleDeadline(5)
    now[0] = 104
    deadline.progress()
    assert deadline.remaining() == 5


def test_of() -> None:
    running = Deadline(3)
    assert Deadline.of(running, 10) is running
    assert Deadline.of(None, 10).seconds == 10
    assert Deadline.of(2.5, 10).seconds == 2.5

"""Threads that want to write get their turns in the order in which they came."""

from __future__ import annotations

import threading
import time

import pytest

from dinv.server.database.turns import NoTurn, Turns


class Thread:
    """One that takes its turn, notes its number, and keeps it until it is told."""

    def __init__(self, turns: Turns, number: int, took: list[int]) -> None:
        self.go = threading.Event()

        def run() -> None:
            with turns.next(20):
                took.append(number)
                assert self.go.wait(20)

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def ends(self) -> None:
        self.go.set()
        self._thread.join(20)
        assert not self._thread.is_alive()


def _waiting(turns: Turns, count: int) -> None:
    end = time.monotonic() + 20
    while len(turns._waiting) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_the_first_who_asks_is_the_first_who_has_it() -> None:
    turns = Turns()
    took: list[int] = []
    threads = []
    with turns.next(20):
        for number in range(20):
            threads.append(Thread(turns, number, took))
            _waiting(turns, number + 1)
        assert took == []
    for thread in threads:
        thread.ends()
    assert took == list(range(20))


def test_one_who_fails_passes_it_on() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="no"), turns.next(20):
        raise ValueError("no")
    with turns.next(20):
        pass


@pytest.mark.parametrize("when", ["waiting", "called"])
def test_one_who_is_interrupted_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    turns = Turns()
    took: list[int] = []
    first = Thread(turns, 1, took)
    while not took:
        time.sleep(0.001)

    class Interrupted:
        """A lock whose second acquire is interrupted, as by a signal: before or after it was released."""

        def __init__(self) -> None:
            self._asked = 0

        def acquire(self, timeout: float = -1) -> bool:
            self._asked += 1
            if self._asked == 2:
                if when == "called":
                    first.ends()
                raise KeyboardInterrupt
            return True

        def release(self) -> None:
            pass

    monkeypatch.setattr(threading, "Lock", Interrupted)
    with pytest.raises(KeyboardInterrupt), turns.next(20):
        pytest.fail("it was not its turn")
    monkeypatch.undo()
    second = Thread(turns, 2, took)
    first.ends()
    second.ends()
    assert took == [1, 2]


def test_nobody_waits_for_ever() -> None:
    turns = Turns()
    took: list[int] = []
    first = Thread(turns, 1, took)
    while not took:
        time.sleep(0.001)
    with pytest.raises(NoTurn), turns.next(0.01):
        pytest.fail("it was not its turn")
    first.ends()
    with turns.next(20):
        pass

"""A lock that threads get in the order in which they asked for it.

`threading.Lock` goes to whoever the system wakes first: of twenty who ask again and again, some wait for two
rounds and more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class NoTurn(Exception):
    """It has not come in time."""


class Turns:
    """The lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def next(self, seconds: float) -> Iterator[None]:
        """Wait for one's turn, and have it until the `with` ends. It is not one's own a second time.

        Raises NoTurn if it has not come after so many seconds.
        """
        self._take(seconds)
        try:
            yield
        finally:
            self._pass_on()

    def _take(self, seconds: float) -> None:
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            called = threading.Lock()
            called.acquire()
            self._waiting.append(called)
        is_called = False
        try:
            is_called = called.acquire(timeout=seconds)
        finally:
            if not is_called:
                self._give_up(called)
        if not is_called:
            raise NoTurn

    def _give_up(self, called: threading.Lock) -> None:
        with self._lock:
            if called in self._waiting:
                self._waiting.remove(called)
                return
        self._pass_on()  # it was called just then

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False

"""Deadlines: how long an operation may take."""

from __future__ import annotations

from math import inf
from time import monotonic

from dinv.errors import DeadlineExceeded


class Deadline:
    """A point in time at which waiting ends.

    `seconds` counts from now; None or `math.inf` means no limit.
    """

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = inf if seconds is None else seconds
        self._end = monotonic() + self.seconds

    @classmethod
    def of(cls, timeout: float | Deadline | None, default: float) -> Deadline:
        """Return the deadline of a `timeout` argument: a running deadline, seconds, or None (the default)."""
        if isinstance(timeout, Deadline):
            return timeout
        return cls(default if timeout is None else timeout)

    def remaining(self) -> float | None:
        """Return the seconds left, never below 0; None if there is no limit."""
        if self._end == inf:
            return None
        return max(0.0, self._end - monotonic())

    @property
    def expired(self) -> bool:
        """Return whether the time is up."""
        return monotonic() >= self._end

    def raise_if_expired(self, what: str) -> None:
        """Raise DeadlineExceeded if the time is up. `what` names what was waited for."""
        if self.expired:
            raise DeadlineExceeded(what, self.seconds)

    def progress(self) -> None:
        """Note that there was progress. A plain deadline ignores it."""


class IdleDeadline(Deadline):
    """A deadline that restarts at each sign of progress: for pulls, builds, followed logs."""

    __slots__ = ()

    def progress(self) -> None:
        """Restart the time."""
        self._end = monotonic() + self.seconds

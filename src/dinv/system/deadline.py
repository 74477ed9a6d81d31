"""How long something may take."""

from __future__ import annotations

from math import inf
from time import monotonic

from dinv.errors import DeadlineExceeded


class Deadline:
    """A moment after which waiting ends.

    `seconds` is the time given, from now on; None or `math.inf` is no limit.
    """

    __slots__ = ("_end", "seconds")

    def __init__(self, seconds: float | None) -> None:
        self.seconds = inf if seconds is None else seconds
        self._end = monotonic() + self.seconds

    @classmethod
    def of(cls, timeout: float | Deadline | None, default: float) -> Deadline:
        """Return the deadline meant by a `timeout` argument: one already running, seconds, or the default."""
        if isinstance(timeout, Deadline):
            return timeout
        return cls(default if timeout is None else timeout)

    def remaining(self) -> float | None:
        """Seconds left, never below 0; None where there is no limit."""
        if self._end == inf:
            return None
        return max(0.0, self._end - monotonic())

    @property
    def expired(self) -> bool:
        """Whether the time is up."""
        return monotonic() >= self._end

    def raise_if_expired(self, what: str) -> None:
        """Raise DeadlineExceeded when the time is up. `what` names what was waited for."""
        if self.expired:
            raise DeadlineExceeded(what, self.seconds)

    def progress(self) -> None:
        """Take note that something moved. A plain deadline does not care."""


class IdleDeadline(Deadline):
    """A deadline that starts again with each sign of progress: for pulls, builds, followed logs."""

    __slots__ = ()

    def progress(self) -> None:
        """Start the time again."""
        self._end = monotonic() + self.seconds

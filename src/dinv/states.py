"""The states of a machine, in libmachine's words (docker/machine: libmachine/state/state.go)."""

from __future__ import annotations

RUNNING = "Running"
PAUSED = "Paused"
SAVED = "Saved"
STOPPED = "Stopped"
STOPPING = "Stopping"
STARTING = "Starting"
ERROR = "Error"
TIMEOUT = "Timeout"

ALL = (RUNNING, PAUSED, SAVED, STOPPED, STOPPING, STARTING, ERROR, TIMEOUT)
"""The states that a machine can be seen in."""

OWN_ADDRESS = "own address"
PUBLISHED_PORT = "published port"
"""How a machine is reached: at its own address, or at a port of its endpoint that leads to it."""

UNANSWERED = "Unable to query docker version: "
"""Begins the message about a daemon that did not answer (docker/machine: mcndockerclient)."""


class Status:
    """A machine's state, and what is wrong with it in one line, or ""."""

    def __init__(self, state: str, error: str = "") -> None:
        self.state = state
        self.error = error

    def __repr__(self) -> str:
        return f"<Status {self.state}: {self.error}>" if self.error else f"<Status {self.state}>"

    @property
    def running(self) -> bool:
        return self.state == RUNNING


def at_work(holder: str) -> str:
    """Return the words used in place of advice about a machine that another process is changing."""
    return f"another dinv is at work on it ({holder})" if holder else "another dinv is at work on it"

"""The states of a machine, in libmachine's words (docker/machine: libmachine/state/state.go)."""

from __future__ import annotations

NONE = ""
RUNNING = "Running"
PAUSED = "Paused"
SAVED = "Saved"
STOPPED = "Stopped"
STOPPING = "Stopping"
STARTING = "Starting"
ERROR = "Error"
TIMEOUT = "Timeout"


class Status:
    """What is known of a machine: its state, and what is wrong with it in one line, or ""."""

    def __init__(self, state: str, error: str = "") -> None:
        self.state = state
        self.error = error

    @property
    def running(self) -> bool:
        return self.state == RUNNING

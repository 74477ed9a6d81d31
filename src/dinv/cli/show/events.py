"""`--progress json`: one JSON object per line on standard error, for programs that show progress themselves.

Every object has `time` (RFC 3339, UTC), `seconds` since the command began, and `event`:

    step      work begins: `subject`, `text`
    update    it goes on: the same, `detail`, and `step_seconds` since it began
    line      a fact: `subject`, `text`, `state`
    at        a transaction has come to a step: `transaction`, `step`
    note      a remark, warning: `text`
    hook      a line that a hook printed: `hook`, its name, and `text`
    trace     with --debug, a call of the API: `text`
    error     `type` (an error of dinv's), `text`, `notes`, `exit_code`
    done      the command is over, the last of all: `exit_code`

`machine` is the machine's name, if it is about one. docs/formats.md has the same for users.
"""

from __future__ import annotations

import json
import sys
import threading
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from dinv.errors import DinvError


class Events:
    """Writes events, each with its line end in one piece, from any thread."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._lock = threading.Lock()

    def write(self, event: str, machine: str = "", **more: Any) -> None:
        """Write one, without buffering. Control characters in strings are escaped, as in JSON."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        record: dict[str, Any] = {
            "time": f"{stamp}.{int(now % 1 * 1000):03d}Z",
            "seconds": round(time.monotonic() - self._begun, 3),
            "event": event,
        }
        if machine:
            record["machine"] = machine
        line = json.dumps({**record, **more})
        with self._lock:
            print(f"{line}\n", end="", file=sys.stderr, flush=True)

    def error(self, error: DinvError, text: str, notes: Sequence[str]) -> None:
        """Write an error of the command, or of one machine of several."""
        self.write(
            "error",
            str(getattr(error, "machine", "") or error.about),
            type=type(error).__name__,
            text=text,
            notes=list(notes),
            exit_code=error.exit_code,
        )

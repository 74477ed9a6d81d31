"""Processes of this computer, found by their command lines in /proc (Linux, proc(5)).

A pid in a file means nothing after a crash: another process may have that number by now. So a process is
looked up by its command line each time.
"""

from __future__ import annotations

import contextlib
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from signal import Signals

_STEP_SECONDS = 0.02


def find(matches: Callable[[list[str]], bool]) -> list[int]:
    """Return the pids of processes whose words of command line `matches`, lowest first. No zombies."""
    pids = sorted(int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid in pids if (words := command_line(pid)) and matches(words)]


def command_line(pid: int) -> list[str]:
    """Return the words a process was started with; none for a zombie, a kernel thread or an ended process."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            data = file.read()
    except OSError:
        return []
    return [os.fsdecode(word) for word in data.rstrip(b"\0").split(b"\0")] if data else []


def network_namespace(pid: int | str) -> str:
    """Return an identifier of a process's network namespace; "" if it cannot be read."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def with_descendants(pids: Iterable[int]) -> list[int]:
    """Return these processes and all their living descendants."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (parent := _parent(int(entry))):
            children.setdefault(parent, []).append(int(entry))
    found = list(dict.fromkeys(pids))
    for pid in found:  # grows during the loop
        found += [child for child in children.get(pid, ()) if child not in found]
    return found


def send(pids: Iterable[int], number: Signals) -> None:
    """Send a signal to each process that still exists. Raises PermissionError."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait up to `seconds` for the processes to end; return those that have not."""
    until = time.monotonic() + seconds
    left = [pid for pid in pids if command_line(pid)]
    while left and time.monotonic() < until:
        time.sleep(_STEP_SECONDS)
        left = [pid for pid in left if command_line(pid)]
    return left


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in parentheses, with any bytes in it.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0

"""The background forwards of a machine (`forward -d`), as recorded in its directory.

`machines/NAME/forwards/PID.json` says what one forwards. Its process locks (`dinv.system.locks`) the record
as long as it lives, so an unlocked record belongs to one that has ended, however it did.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

from dinv.errors import StoreError
from dinv.system import files, locks

END_SECONDS = 5.0
STEP_SECONDS = 0.02
RECORD_LIMIT = 65536


class Detached:
    """A running forward: its process, and what it forwards, such as "127.0.0.1:8080 -> 80"."""

    def __init__(self, pid: int, forwards: list[str], path: str) -> None:
        self.pid = pid
        self.forwards = forwards
        self.path = path

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return _held(self.path)


def found(directory: str) -> list[Detached]:
    """Return the forwards of the machine with this directory; remove the records of those that have ended."""
    place = _place(directory)
    there: list[Detached] = []
    try:
        names = sorted(os.listdir(place))
    except OSError:
        return there
    for name in names:
        stem, extension = os.path.splitext(name)
        path = os.path.join(place, name)
        if extension != ".json" or not stem.isdecimal():
            continue
        if _held(path):
            there.append(Detached(int(stem), _read(path), path))
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)
    return there


def stop(directory: str) -> int:
    """End all forwards of a machine; return how many there were. Raises StoreError if one does not end."""
    ended = 0
    for detached in found(directory):
        with contextlib.suppress(ProcessLookupError):
            os.kill(detached.pid, signal.SIGTERM)
        until = time.monotonic() + END_SECONDS
        while detached.running:
            if time.monotonic() > until:
                raise StoreError(f"Process {detached.pid}, which forwards {detached.forwards}, does not end")
            time.sleep(STEP_SECONDS)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(detached.path)
        ended += 1
    return ended


def record(path: str, forwards: list[str]) -> None:
    """Write the record of this process at `path`, and hold its lock until the process ends."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    # Under a name that `found` passes over: one without a lock is taken for that of a process that has ended.
    unlocked = f"{path}.new"
    descriptor = os.open(unlocked, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    locks.take(descriptor, path)
    os.write(descriptor, json.dumps({"Forwards": forwards}).encode())
    os.rename(unlocked, path)


def _held(path: str) -> bool:
    descriptor = locks.is_held(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


def _read(path: str) -> list[str]:
    try:
        document = json.loads(files.read(path, largest=RECORD_LIMIT))
    except (OSError, ValueError, RecursionError):
        return []
    forwards = document.get("Forwards") if isinstance(document, dict) else None
    return [str(each) for each in forwards] if isinstance(forwards, list) else []


def path_of(directory: str, pid: int) -> str:
    """Return the path of the record of the process `pid`, in the machine's directory."""
    return os.path.join(_place(directory), f"{pid}.json")


def _place(directory: str) -> str:
    return os.path.join(directory, "forwards")

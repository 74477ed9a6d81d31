"""The forwards of a machine that go on by themselves (`forward -d`): each is a process, and a record of it.

`machines/NAME/forwards/PID.json` says what it forwards. The process locks (`dinv.system.locks`) its record as
long as it lives, so a record that nobody holds is of one that has ended, however it did. It ends by itself
when its record is gone, as with the machine's directory at `rm`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time

from dinv.errors import DinvError, StoreError
from dinv.system import files, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.access.forward import Listener

END_SECONDS = 5.0
STEP_SECONDS = 0.02
RECORD_LIMIT = 65536


class Detached:
    """One that runs: its process, and what it forwards, as `Forward` writes it."""

    def __init__(self, pid: int, forwards: list[str], path: str) -> None:
        self.pid = pid
        self.forwards = forwards
        self.path = path

    @property
    def running(self) -> bool:
        return _held(self.path)


def found(directory: str) -> list[Detached]:
    """Those of the machine whose directory this is; the records of those that have ended are removed."""
    place = os.path.join(directory, "forwards")
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
    """End all of a machine's; returns how many there were. Raises StoreError for one that does not end."""
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


def detach(directory: str, listeners: Sequence[Listener], serve: Callable[[Callable[[], bool]], None]) -> int:
    """Go on in a process of its own, which calls `serve(wanted)`; returns its pid to the caller.

    The process is nobody's child and has no terminal. Raises StoreError when it cannot be recorded.
    """
    reader, writer = os.pipe()
    first = os.fork()
    if first == 0:
        # Two forks, so that it is init's child and no zombie of a caller that goes on.
        os.close(reader)
        os.setsid()
        if os.fork() == 0:
            _live(directory, listeners, serve, writer)
        os._exit(0)
    os.close(writer)
    os.waitpid(first, 0)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    if not said.isdecimal():
        raise StoreError(f"The forward cannot go on by itself: {said or 'its process ended'}")
    return int(said)


def _live(
    directory: str, listeners: Sequence[Listener], serve: Callable[[Callable[[], bool]], None], writer: int
) -> None:
    """The process's life; never returns."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        sys.stdin, sys.stdout, sys.stderr = (
            open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115  (for good)
            for mode in ("r", "w", "w")
        )
        os.chdir("/")
        path = os.path.join(directory, "forwards", f"{os.getpid()}.json")
        _record(path, [str(listener.forward) for listener in listeners])
        os.write(writer, str(os.getpid()).encode())
        os.close(writer)
        serve(lambda: os.path.exists(path))
        os._exit(0)
    except (DinvError, OSError) as error:
        with contextlib.suppress(OSError):
            os.write(writer, str(error).encode())
        os._exit(1)
    except BaseException:  # noqa: BLE001  (nobody is there to be told)
        os._exit(1)


def _record(path: str, forwards: list[str]) -> None:
    """Write a record and hold it; the descriptor is open until the process ends."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    locks.take(descriptor, path)
    os.write(descriptor, json.dumps({"Forwards": forwards}).encode())


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

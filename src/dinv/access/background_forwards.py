"""Forwards that go on by themselves (`forward -d`): each is a process, which ends when its record is gone.

`dinv.store.forwards` keeps the records; with the machine's directory they go at `rm`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from dinv.errors import DinvError, StoreError
from dinv.store import forwards

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.access.forward import Listener


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
        path = forwards.path_of(directory, os.getpid())
        forwards.record(path, [str(listener.forward) for listener in listeners])
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

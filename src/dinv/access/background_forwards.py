"""Background forwards (`forward -d`): each is a process that ends when its record is removed.

`dinv.store.forwards` keeps the records in the machine's directory, so `rm` removes them as well.
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
    """Fork a background process that calls `serve(wanted)`; return its pid to the caller.

    The process is a child of init and has no terminal. Raises StoreError if it cannot be recorded.
    """
    reader, writer = os.pipe()
    first = os.fork()
    if first == 0:
        # Fork twice, so that it is a child of init and cannot become a zombie of a long-lived caller.
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
        raise StoreError(f"The forward cannot run in the background: {said or 'its process ended'}")
    return int(said)


def _live(
    directory: str, listeners: Sequence[Listener], serve: Callable[[Callable[[], bool]], None], writer: int
) -> None:
    """Run the background process; never returns."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        sys.stdin, sys.stdout, sys.stderr = (
            open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115  (never closed)
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
    except BaseException:  # noqa: BLE001  (there is nobody to report it to)
        os._exit(1)

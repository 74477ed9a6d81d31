"""Signals that end a command: what is half made is undone."""

from __future__ import annotations

import contextlib
import signal

from dinv.errors import Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

AGAIN_SECONDS = 0.02


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work inside as Ctrl-C does: what is half made is undone.

    During an import they wait: an exception raised in one of importlib's callbacks is swallowed (seen with
    Python 3.13), and the signal would be lost.
    """
    waiting: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if _importing(frame):
            waiting.append(number)
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise Interrupted(number)

    def again(_: int, frame: FrameType | None) -> None:
        if waiting:
            stop(waiting.pop(), frame)

    # Ignored signals stay ignored: nohup, and jobs in a script's background.
    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, stop) for number in numbers}
    before[signal.SIGALRM] = signal.signal(signal.SIGALRM, again)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting.pop())


def _importing(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith("<frozen importlib")

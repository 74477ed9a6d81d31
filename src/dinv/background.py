"""Work in a thread of its own, while the caller does other things."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Background:
    """Work in a thread, started immediately. `result` raises its error.

    Whoever waits and is interrupted, by Ctrl-C for instance, can wait again. `Thread.join` would say then
    that the thread has ended, though it has not (seen with CPython 3.11).
    """

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._ended = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised by `result`)
            self._error = error
        finally:
            self._ended.set()

    def done(self, seconds: float) -> bool:
        """Wait up to this many seconds; return whether it is done."""
        return self._ended.wait(seconds)

    def join(self) -> None:
        """Wait until it has ended, whether it succeeded or not."""
        self._ended.wait()

    def result(self) -> None:
        """Wait until it has ended, and raise its error."""
        self._ended.wait()
        if self._error is not None:
            raise self._error

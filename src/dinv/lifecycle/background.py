"""Work in a thread of its own, while the caller does other things."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Background:
    """Work in a thread, started immediately. `result` raises its error."""

    def __init__(self, work: Callable[[], None], name: str) -> None:
        self._work = work
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  (raised by `result`)
            self._error = error

    def done(self, seconds: float) -> bool:
        """Wait up to this many seconds; return whether it is done."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def join(self) -> None:
        """Wait until it has ended, whether it succeeded or not."""
        self._thread.join()

    def result(self) -> None:
        """Wait until it has ended, and raise its error."""
        self._thread.join()
        if self._error is not None:
            raise self._error

"""What is asked of an endpoint before anything is ended there: its time, and whether that is believed."""

from __future__ import annotations

import contextlib
import copy
import threading
import time

from dinv.errors import DinvError, StoreError
from dinv.leases import clocks
from dinv.lifecycle.host import leasing
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.engine import Engine
    from dinv.lifecycle.host import Host
    from dinv.progress import Progress
    from dinv.store.store import Store


class Watch:
    """The times of endpoints: each is asked once, and by this process's own clock from there on.

    For several threads: those with machines on one endpoint wait for its answer, or its silence, together.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[str, _Clock] = {}

    def of(self, host: Host, progress: Progress) -> tuple[float | None, bool]:
        """Return the time by a machine's endpoint, None if it has none; and whether that is believed.

        Why it is not is said once, however many machines the endpoint has. Raises EndpointError,
        EngineError, DeadlineExceeded, StoreNotWritable.
        """
        url = str(host.driver.facts()["endpoint"])
        return self._clock(url).read(self._store, progress, lambda: leasing.now(host))

    def believed(self, engine: Engine, url: str, progress: Progress) -> float | None:
        """Return an endpoint's time, in seconds since 1970; None, with a warning, if it cannot be believed.

        Raises what `of` does.
        """

        def ask() -> float | None:
            return leasing.instant(str(engine.info(timeout=STATE_SECONDS).get("SystemTime") or ""))

        there, is_believed = self._clock(url).read(self._store, progress, ask)
        if there is None:
            progress.warn(f"{url} does not say what time it is: nothing is ended there by labels alone")
        return there if is_believed else None

    def _clock(self, url: str) -> _Clock:
        with self._lock:
            return self._known.setdefault(url, _Clock(url))


class _Clock:
    """One endpoint's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._there: float | None = None
        self._distrust = ""
        self._error: DinvError | None = None

    def read(
        self, store: Store, progress: Progress, ask: Callable[[], float | None]
    ) -> tuple[float | None, bool]:
        with self._lock:
            if self._asked is None:
                self._ask(store, ask)
                if self._distrust:
                    progress.warn(f"{self._url}: " + self._distrust)
        if self._error is not None:
            raise copy.copy(self._error)  # each machine's is its own
        assert self._asked is not None  # noqa: S101
        gone = time.monotonic() - self._asked
        return (None if self._there is None else self._there + gone), not self._distrust

    def _ask(self, store: Store, ask: Callable[[], float | None]) -> None:
        try:
            self._there = ask()
            self._asked = time.monotonic()
            self._distrust = "" if self._there is None else clocks.distrust(store, self._url, self._there)
        except DinvError as error:
            self._asked = time.monotonic()
            self._error = error


def identities(store: Store) -> set[str]:
    """Return the identities of all machines of a store, unreadable ones left out."""
    found = set()
    for name in store.names():
        with contextlib.suppress(StoreError):
            found.add(store.load(name).identity)
    return found

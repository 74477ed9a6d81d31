"""What is asked of an endpoint before anything is ended there: its time, and whether that is believed."""

from __future__ import annotations

import contextlib
import copy
import threading
import time

from dinv.errors import DinvError, StoreError
from dinv.leases import clocks
from dinv.lifecycle.host import leasing

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        self._warned: set[str] = set()

    def of(self, host: Host) -> tuple[float | None, str]:
        """Return an endpoint's time, None if it has none; and why it is not believed, or "".

        Raises EndpointError, EngineError, DeadlineExceeded, StoreNotWritable.
        """
        url = str(host.driver.facts()["endpoint"])
        with self._lock:
            clock = self._known.setdefault(url, _Clock())
        return clock.read(self._store, host, url)

    def warn(self, host: Host, distrust: str, progress: Progress) -> None:
        """Say why an endpoint's time is not believed: once, however many machines it has."""
        url = str(host.driver.facts()["endpoint"])
        with self._lock:
            known = url in self._warned
            self._warned.add(url)
        if not known:
            progress.warn(f"{url}: " + distrust)


class _Clock:
    """One endpoint's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: float | None = None
        self._there: float | None = None
        self._distrust = ""
        self._error: DinvError | None = None

    def read(self, store: Store, host: Host, url: str) -> tuple[float | None, str]:
        with self._lock:
            if self._asked is None:
                self._ask(store, host, url)
        if self._error is not None:
            raise copy.copy(self._error)  # each machine's is its own
        assert self._asked is not None  # noqa: S101
        gone = time.monotonic() - self._asked
        return (None if self._there is None else self._there + gone), self._distrust

    def _ask(self, store: Store, host: Host, url: str) -> None:
        try:
            self._there = leasing.now(host)
            self._asked = time.monotonic()
            self._distrust = "" if self._there is None else clocks.distrust(store, url, self._there)
        except DinvError as error:
            self._asked = time.monotonic()
            self._error = error


def believed(store: Store, engine: Engine, endpoint: str, progress: Progress) -> float | None:
    """Return an endpoint's time, in seconds since 1970; None, with a warning, if it cannot be believed."""
    import datetime as dt

    try:
        there = dt.datetime.fromisoformat(str(engine.info().get("SystemTime") or "")).timestamp()
    except (ValueError, OverflowError, OSError):
        progress.warn(f"{endpoint} does not say what time it is: nothing is ended there by labels alone")
        return None
    why = clocks.distrust(store, endpoint, there)
    if why:
        progress.warn(f"{endpoint}: " + why)
        return None
    return there


def identities(store: Store) -> set[str]:
    """Return the identities of all machines of a store, unreadable ones left out."""
    found = set()
    for name in store.names():
        with contextlib.suppress(StoreError):
            found.add(store.load(name).identity)
    return found

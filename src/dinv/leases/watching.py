"""What a look at an endpoint by labels alone needs to know first."""

from __future__ import annotations

import contextlib

from dinv.errors import StoreError
from dinv.leases import clocks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.store.store import Store


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

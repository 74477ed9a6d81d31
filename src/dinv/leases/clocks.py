"""Whether the clock of an endpoint can be believed: a jump of it must not end every lease at once.

The store keeps, for each endpoint, what time it last said that it is, and what time it was here, in
`clocks.json`. If its clock has gone on for a day longer than this computer's since, one of the two has
jumped. Then nothing is ended on that endpoint until both have gone on alike for an hour: a clock that is set
to the wrong day is noticed and set back sooner. Of an endpoint that the store has not seen yet, the
difference of the two counts. A clock that is behind ends nothing too early.
"""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import LocksNotKept
from dinv.formats import json_text
from dinv.formats.durations import about
from dinv.store.layout import writing
from dinv.system import locks
from dinv.system.files import read, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dinv.store.layout import Layout

FILE = "clocks.json"
JUMP_SECONDS = 86400
STEADY_SECONDS = 3600
LOCK_SECONDS = 5.0
_MOST = 1000
"""Endpoints that are remembered: those seen last."""


def distrust(store: Layout, endpoint: str, there: float, *, here: float | None = None) -> str:
    """Return why an endpoint's time, in seconds since 1970, is not believed; "" if it is. Notes it down.

    `endpoint` is its URL; `here` is this computer's time. Raises StoreNotWritable.
    """
    with _alone(store):
        return _distrust(store, endpoint, there, time.time() if here is None else here)


@contextlib.contextmanager
def _alone(store: Layout) -> Iterator[None]:
    """Hold the lock of the file: what one process has seen, another must not overwrite.

    Where it is not to be had, it is done without: what is forgotten then is seen again.
    """
    path = os.path.join(store.path, f".{FILE}.lock")
    with writing(store.path):
        os.makedirs(store.path, mode=0o700, exist_ok=True)
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(BlockingIOError, LocksNotKept):
            stack.enter_context(locks.held(path, wait=locks.until(time.monotonic() + LOCK_SECONDS, 0.02)))
        yield


def _distrust(store: Layout, endpoint: str, there: float, here: float) -> str:
    known = _read(store)
    seen = known.get(endpoint)
    ahead = there - here
    if seen is not None:
        ahead -= seen["There"] - seen["Here"]
    now: dict[str, float] = {"There": there, "Here": here}
    if ahead > JUMP_SECONDS:
        now["Jumped"] = here
    elif seen is not None and "Jumped" in seen and 0 <= here - seen["Jumped"] < STEADY_SECONDS:
        now["Jumped"] = seen["Jumped"]
        ahead = seen.get("Ahead", JUMP_SECONDS)
    said = ""
    if "Jumped" in now:
        now["Ahead"] = ahead
        by = (
            f"is {about(ahead)} ahead of this computer's"
            if seen is None
            else f"has gone on {about(ahead)} longer than this computer's since it was last asked"
        )
        said = (
            f"the clock of the endpoint {by}, so one of the two is wrong. Nothing is ended there until both "
            f"have gone on alike for {about(STEADY_SECONDS)}"
        )
    _write(store, {**known, endpoint: now})
    return said


def _read(store: Layout) -> dict[str, Any]:
    try:
        found = json_text.parse(read(os.path.join(store.path, FILE)))
    except (OSError, ValueError):
        return {}
    return {url: each for url, each in found.items() if _is_one(each)} if isinstance(found, dict) else {}


def _is_one(each: object) -> bool:
    numbers = each.values() if isinstance(each, dict) else ()
    return {"There", "Here"} <= set(each if isinstance(each, dict) else ()) and all(
        isinstance(number, int | float) and not isinstance(number, bool) for number in numbers
    )


def _write(store: Layout, known: dict[str, Any]) -> None:
    import json

    latest = sorted(known.items(), key=lambda each: -float(each[1]["Here"]))[:_MOST]
    with writing(store.path):
        write(os.path.join(store.path, FILE), json.dumps(dict(latest)).encode(), mode=0o600)

"""Several machines at the same time, as many as an endpoint can be asked to look after at once."""

from __future__ import annotations

from dinv.lifecycle.renew.when_due import AT_ONCE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    Item = TypeVar("Item")
    Found = TypeVar("Found")


def each(work: Callable[[Item], Found], items: Sequence[Item]) -> list[Found]:
    """Do the work for each, and return what came of it, in this order; a single one in this thread.

    After Ctrl-C what has been begun comes to an end, and nothing else is begun.
    """
    if len(items) < 2:
        return [work(item) for item in items]
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(max_workers=AT_ONCE)
    try:
        return list(pool.map(work, items))
    finally:
        pool.shutdown(cancel_futures=True)

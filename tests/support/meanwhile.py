"""Two who change a database at the same time, in the order in which it goes wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from dinv.server.database.database import Database

WAIT_SECONDS = 0.5
"""For the other one, which cannot be done before the first where that holds a lock."""


def meanwhile(
    database: Database, table: str, first: Callable[[], object], other: Callable[[], object]
) -> None:
    """Do both; the `other` as the first is about to insert a row into a table. Raises what either raises."""
    begun: list[Future[object]] = []

    def before(_: object, __: object, statement: str, *___: Any) -> None:
        if statement.startswith(f"INSERT INTO {table} ") and not begun:
            begun.append(threads.submit(other))
            wait(begun, WAIT_SECONDS)

    with ThreadPoolExecutor(1) as threads:
        sa.event.listen(database._engine, "before_cursor_execute", before)
        try:
            first()
        finally:
            sa.event.remove(database._engine, "before_cursor_execute", before)
        (done,) = begun
        done.result(60)

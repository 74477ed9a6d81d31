"""Old rows, a bounded number at a time, so that the database stays as large as what there is."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import (
    events,
    idempotency,
    machines,
    operations,
    servers,
    usage,
)
from dinv.server.people.over import over
from dinv.server.settings import Settings

_AT_ONCE = 1000
_MOST_ROUNDS = 100
USAGE = timedelta(days=60)
"""Hours are counted within 30 days."""
SERVERS = timedelta(days=7)


def sweep(database: Database, settings: Settings) -> int:
    """Remove what nobody needs any more; return how many rows."""
    count = 0
    with database.read() as connection:
        now = database.now(connection)
    for table, old in _old(now, timedelta(days=settings.events_days)):
        key = table.c.digest if "digest" in table.c and "id" not in table.c else None
        for _ in range(_MOST_ROUNDS):
            done = database.write(partial(_delete, table=table, old=old, key=key))
            count += done
            if done < _AT_ONCE:
                break
    return count


def _old(now: datetime, kept: timedelta) -> list[tuple[sa.Table, sa.ColumnElement[bool]]]:
    return [
        (events, events.c.time < now - kept),
        (operations, operations.c.finished_at < now - kept),
        # Its events, shares and operations go with it.
        (machines, machines.c.removed_at < now - kept),
        (usage, usage.c.ended_at < now - max(kept, USAGE)),
        *over(now),
        (idempotency, idempotency.c.expires_at < now),
        (servers, servers.c.seen_at < now - SERVERS),
    ]


def _delete(
    connection: sa.Connection,
    table: sa.Table,
    old: sa.ColumnElement[bool],
    key: sa.ColumnElement[str] | None,
) -> int:
    if table is idempotency:
        return connection.execute(table.delete().where(old)).rowcount
    column = key if key is not None else table.c.id
    some = sa.select(column).where(old).limit(_AT_ONCE)
    return connection.execute(table.delete().where(column.in_(some))).rowcount

"""What is said about machines as it happens: the page's live progress."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from dinv.server.database.schema import events, machines
from dinv.server.models import Event

Kind = Literal["state", "progress", "note", "warning", "error"]
LONGEST = 2000
_INSERT = events.insert()


def note(connection: sa.Connection, machine_id: str, kind: Kind, text: str, now: datetime) -> None:
    """Add an event. A text that is too long is cut."""
    shown = text.replace("\0", "")
    if len(shown) > LONGEST:
        shown = shown[: LONGEST - 1] + "…"
    connection.execute(_INSERT, {"machine_id": machine_id, "time": now, "kind": kind, "text": shown})


def after(connection: sa.Connection, machine_id: str, last: int, limit: int) -> list[Event]:
    """Return the events of a machine that follow the one with the id `last`, the oldest first."""
    query = (
        sa.select(events)
        .where(events.c.machine_id == machine_id, events.c.id > last)
        .order_by(events.c.id)
        .limit(max(1, min(limit, 1000)))
    )
    return [_event(row) for row in connection.execute(query)]


_LATEST = sa.select(sa.func.max(events.c.id))
_SINCE = (
    sa.select(events.c.id, events.c.machine_id, machines.c.owner_id)
    .join(machines, machines.c.id == events.c.machine_id)
    .where(events.c.id > sa.bindparam("last"))
    .order_by(events.c.id)
    .limit(sa.bindparam("limit"))
)


def latest(connection: sa.Connection) -> int:
    """Return the id of the newest event, 0 if there is none."""
    return connection.scalar(_LATEST) or 0


def since(connection: sa.Connection, last: int, limit: int) -> list[tuple[int, str, str | None]]:
    """Return, for the events that follow, their ids, machines and these machines' owners."""
    rows = connection.execute(_SINCE, {"last": last, "limit": limit})
    return [(row.id, row.machine_id, row.owner_id) for row in rows]


def _event(row: sa.Row[Any]) -> Event:
    return Event(**row._asdict())

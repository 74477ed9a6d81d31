"""Pages of machines: what is shown, in which order, and where the next page begins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import endpoints, machines, people, templates
from dinv.server.fleet import rows
from dinv.server.fleet.queue import places_in_queue
from dinv.server.models import Actor, Machine
from dinv.server.problems import Invalid

MOST = 500
MOST_OWN = 200
"""Of one person on one page: nobody is given more at a time by people who mean it."""
LONGEST_SEARCH = 100


def page(
    connection: sa.Connection,
    actor: Actor,
    *,
    everybody: bool,
    search: str,
    state: str,
    after: str,
    limit: int,
) -> tuple[list[Machine], str]:
    """Return a page, the newest machines first, and the `after` of the next one. Raises Invalid."""
    table = machines.c
    size = max(1, min(limit, MOST))
    query = rows.machine_query().where(table.removed_at.is_(None))
    if not everybody:
        query = query.where(table.owner_id == actor.person.id)
    if state:
        query = query.where(table.state == state)
    if search:
        texts = (table.name, table.host_name, table.team, people.c.name, templates.c.name, endpoints.c.name)
        part = search[:LONGEST_SEARCH].replace("\0", "")
        query = query.where(sa.or_(*(text.icontains(part, autoescape=True) for text in texts)))
    if after:
        time, machine_id = _place(after)
        same = sa.and_(table.created_at == time, table.id < machine_id)
        query = query.where(table.created_at <= time, sa.or_(table.created_at < time, same))
    query = query.order_by(table.created_at.desc(), table.id.desc()).limit(size + 1)
    found = connection.execute(query).all()
    more = found[size - 1] if len(found) > size else None
    return with_places(connection, found[:size]), f"{_micros(more.created_at)}-{more.id}" if more else ""


_OWN = (
    rows.machine_query()
    .where(machines.c.owner_id == sa.bindparam("owner"), machines.c.removed_at.is_(None))
    .order_by(machines.c.created_at.desc(), machines.c.id.desc())
    .limit(MOST_OWN)
)


def own(connection: sa.Connection, actor: Actor) -> list[Machine]:
    """Return the actor's own machines, the newest first, at most `MOST_OWN`."""
    return with_places(connection, connection.execute(_OWN, {"owner": actor.person.id}).all())


def counts(connection: sa.Connection) -> dict[str, int]:
    """Return how many there are in each state that any is in, without those removed."""
    state = machines.c.state
    number = sa.func.count().label("machines")
    query = sa.select(state, number).where(machines.c.removed_at.is_(None)).group_by(state)
    return {row.state: int(row.machines) for row in connection.execute(query)}


def with_places(connection: sa.Connection, found: Sequence[sa.Row[Any]]) -> list[Machine]:
    """Return the machines of rows; those that wait have their place in the queue."""
    waiting = [row.id for row in found if row.state == "waiting"]
    places = places_in_queue(connection, waiting) if waiting else {}
    return [rows.machine(row, places.get(row.id)) for row in found]


def _micros(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def _place(after: str) -> tuple[datetime, str]:
    micros, _, machine_id = after.partition("-")
    try:
        if len(after) > 64 or not micros.isdecimal():
            raise ValueError(after)  # noqa: TRY301
        return datetime(1970, 1, 1, tzinfo=UTC) + int(micros) * _MICROSECOND, machine_id
    except (ValueError, OverflowError) as error:
        raise Invalid(
            "This is not where a page begins: give what the page before named.",
            errors=[{"pointer": "/after", "detail": "not from a page before"}],
        ) from error


_MICROSECOND = datetime.resolution

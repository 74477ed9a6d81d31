"""People as they are read from the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import members, people, teams
from dinv.server.models import Person

_TEAMS = (
    sa.select(members.c.person_id, teams.c.name)
    .join(teams, teams.c.id == members.c.team_id)
    .where(members.c.person_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(teams.c.name)
)


def persons(connection: sa.Connection, rows: Iterable[sa.Row[Any]]) -> list[Person]:
    """Return rows of `people` as values, with their teams."""
    rows = list(rows)
    found: dict[str, list[str]] = {}
    for person_id, name in connection.execute(_TEAMS, {"ids": [row.id for row in rows]}):
        found.setdefault(person_id, []).append(name)
    return [
        Person(
            id=row.id,
            name=row.name,
            display_name=row.display_name,
            email=row.email,
            role=row.role,
            teams=tuple(found.get(row.id, ())),
            issuer=row.issuer,
            disabled=row.disabled,
            created_at=row.created_at,
        )
        for row in rows
    ]


def person(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> Person | None:
    """Return the person for whom `condition` holds."""
    row = connection.execute(sa.select(people).where(condition)).one_or_none()
    return persons(connection, [row])[0] if row else None

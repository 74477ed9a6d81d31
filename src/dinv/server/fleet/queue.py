"""Who waits for room, and in which order they get it.

Fair between people: whoever has least is next, counting what they have and what they have just been given;
among those with as much, whoever has waited longest. One who is due and finds no room is kept a place: the
endpoint that will fit first takes nobody else, so that small machines do not starve a large one.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import machines, operations, people, templates, usage
from dinv.server.fleet import capacity, quotas
from dinv.server.fleet.events import note
from dinv.server.fleet.placement import Need, Place, keep_for, obstacle
from dinv.server.fleet.rows import HELD_STATES, OWNED_STATES
from dinv.server.models import Quota, Usage

MOST = 5000
"""How many are looked at, those who are due first."""
MOST_AHEAD = 100
"""How many who wait are kept room for, at most, when somebody else asks."""
PEOPLE_FIRST, POOLS = 0, 10
"""Priorities of operations."""
ROOM = "room on an endpoint"
QUOTA = "the quota of "
"""How what one waits for begins, if it is not room."""


def _ordered() -> sa.Subquery:
    """All that wait, with their places from 1.

    The nth that an owner waits for is due when everybody has as many as they will have with it.
    """
    table = machines.c
    waits = table.state == "waiting"
    others = machines.alias("others").c
    owners = sa.select(others.owner_id).where(others.state == "waiting")
    held = sa.func.sum(sa.case((waits, 0), else_=1)).over(partition_by=table.owner_id)
    turn = sa.func.row_number().over(
        partition_by=(table.owner_id, waits), order_by=(table.created_at, table.id)
    )
    # One pass over what those who wait have: a join with a count of it has no index to go by.
    theirs = (
        sa.select(table.id, table.created_at, table.state, (held + turn).label("will_have"))
        .where(table.owner_id.in_(owners), table.removed_at.is_(None), table.state.in_(OWNED_STATES))
        .subquery("theirs")
    )
    one = theirs.c
    place = sa.func.row_number().over(order_by=(one.will_have, one.created_at, one.id))
    return sa.select(one.id, place.label("place")).where(one.state == "waiting").subquery("ordered")


_ORDERED = _ordered()
_PLACES = sa.select(_ORDERED).where(_ORDERED.c.id.in_(sa.bindparam("ids", expanding=True)))
_FIRST = sa.select(_ORDERED.c.id).order_by(_ORDERED.c.place).limit(MOST)
_ANY = sa.select(machines.c.id).where(machines.c.state == "waiting").limit(1)


def _rows() -> sa.Select[Any]:
    table = machines.c
    joined = machines.join(people, people.c.id == table.owner_id)
    joined = joined.join(templates, templates.c.id == table.template_id)
    amounts = (table.cpus, table.memory, table.cache, table.ttl)
    names = (people.c.name.label("owner_name"), templates.c.endpoint_labels.label("labels"))
    query = sa.select(table.id, table.owner_id, table.team, table.waits_for, *amounts, *names)
    chosen = table.id.in_(sa.bindparam("ids", expanding=True))
    return query.select_from(joined).where(chosen, table.state == "waiting")


_ROWS = _rows()
_NEEDS = (
    sa.select(
        machines.c.cpus,
        machines.c.memory,
        templates.c.id.label("template_id"),
        templates.c.endpoint_labels.label("labels"),
        sa.func.count().label("number"),
    )
    .join(templates, templates.c.id == machines.c.template_id)
    .where(machines.c.state == "waiting", ~machines.c.waits_for.startswith(QUOTA))
    .group_by(machines.c.cpus, machines.c.memory, templates.c.id)
)


def places_in_queue(connection: sa.Connection, ids: list[str]) -> dict[str, int]:
    """Return the places of machines that wait, from 1."""
    return {row.id: row.place for row in connection.execute(_PLACES, {"ids": ids})}


def is_empty(connection: sa.Connection) -> bool:
    """Return whether nobody waits."""
    return connection.execute(_ANY).first() is None


def keep_for_those_who_wait(connection: sa.Connection, places: dict[str, Place], need: Need) -> bool:
    """Take, in `places`, what is kept for those who wait. Return False if one of them has the same need.

    Whoever waits for a quota is kept nothing.
    """
    for row in connection.execute(_NEEDS):
        theirs = need_of(row)
        if theirs == need:
            return False
        keep_for(places, theirs, min(row.number, MOST_AHEAD))
    return True


class Queue:
    """Serves those who wait."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database = database
        self._audit = audit

    def serve(self, connection: sa.Connection) -> int:
        """Place those who are due, within a transaction that writes; return how many.

        It takes locks of endpoints, and of the audit log at its end: call it where none is held.
        """
        if is_empty(connection):
            return 0
        self._database.lock(connection, "queue")
        served = self._place_due(connection)
        for row, endpoint in served:
            what = f"machine:{row.id}"
            self._audit.write(
                connection, None, "machine.place", what, owner=row.owner_name, endpoint=endpoint
            )
        return len(served)

    def _place_due(self, connection: sa.Connection) -> list[tuple[sa.Row[Any], str]]:
        now = self._database.now(connection)
        due = list(connection.scalars(_FIRST))
        locked = self._database.claimable(_ROWS, machines)
        rows = {row.id: row for row in connection.execute(locked, {"ids": due})}
        places = capacity.places(connection)
        limits = _Limits(connection, rows.values(), now)
        blocked: dict[Need, str] = {}
        served = []
        for row in (rows[each] for each in due if each in rows):
            need = need_of(row)
            reason = limits.reason(row) or blocked.get(need, "")
            if not reason:
                endpoint = capacity.take_best(connection, places.values(), row.id, need)
                if endpoint is not None:
                    places[endpoint] = places[endpoint].taken(need)
                    limits.taken(row)
                    begin(connection, row, now)
                    served.append((row, places[endpoint].name))
                    continue
                reason = blocked[need] = obstacle(places.values(), need) or ROOM
                keep_for(places, need, 1)
            if row.waits_for != reason:
                _wait_for(connection, row.id, reason)
        return served


def need_of(row: sa.Row[Any]) -> Need:
    """Return what a machine takes, from a row with its template's `labels`."""
    return Need(row.cpus, row.memory, tuple(sorted(row.labels.items())))


def _wait_for(connection: sa.Connection, machine_id: str, reason: str) -> None:
    values = {"waits_for": reason, "version": machines.c.version + 1}
    connection.execute(machines.update().where(machines.c.id == machine_id).values(values))


def begin(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> None:
    """Let a machine that waits, and has got room, be made."""
    expires_at = now + timedelta(seconds=row.ttl) if row.ttl else None
    values = {"machine": row.id, "claimed_at": now, "expires_at": expires_at}
    connection.execute(_BEGIN, values)
    begin_usage(connection, row.id, row.owner_id, row.team, now)
    operate(connection, row.id, "create", now)
    note(connection, row.id, "state", "creating", now)


_BEGIN = (
    machines.update()
    .where(machines.c.id == sa.bindparam("machine"))
    .values(
        state="creating",
        waits_for="",
        claimed_at=sa.bindparam("claimed_at"),
        expires_at=sa.bindparam("expires_at"),
        version=machines.c.version + 1,
    )
)
_USAGE = usage.insert()
_OPERATION = operations.insert()


def begin_usage(connection: sa.Connection, machine_id: str, owner_id: str, team: str, now: datetime) -> None:
    """Begin the time for which somebody has a machine."""
    values = {"machine_id": machine_id, "person_id": owner_id, "team": team, "begun_at": now}
    connection.execute(_USAGE, values)


def operate(
    connection: sa.Connection,
    machine_id: str,
    kind: str,
    now: datetime,
    *,
    priority: int = PEOPLE_FIRST,
    **arguments: object,
) -> None:
    """Have a worker do something with a machine."""
    values = {
        "machine_id": machine_id,
        "kind": kind,
        "arguments": arguments,
        "state": "queued",
        "priority": priority,
        "created_at": now,
    }
    connection.execute(_OPERATION, values)


class _Limits:
    """Quotas of those who wait. They were kept when they asked; an operator may have lowered them since."""

    def __init__(self, connection: sa.Connection, rows: Iterable[sa.Row[Any]], now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._quotas: dict[str, Quota] = {}
        self._used: dict[str, Usage] = {}
        subjects = {subject for row in rows for subject in _subjects(row)}
        self._quotas = quotas.of(connection, sorted(subjects))

    def reason(self, row: sa.Row[Any]) -> str:
        """Return what of a quota the machine waits for; "" if none is in its way."""
        asked = Usage(1, row.cpus, row.memory, row.cache, 0.0)
        for subject in _subjects(row):
            quota = self._quotas[subject]
            if quotas.has_limit(quota):
                problem = quotas.excess(quota, self._usage(subject, row), asked)
                if problem is not None:
                    whose = row.owner_name if subject.startswith("user:") else f"the team {row.team}"
                    return f"{QUOTA}{whose}: {quotas.limit_name(problem.fields['quota'])}"
        return ""

    def taken(self, row: sa.Row[Any]) -> None:
        for subject in _subjects(row):
            if subject in self._used:
                had = self._used[subject]
                self._used[subject] = Usage(
                    had.machines + 1,
                    had.cpus + row.cpus,
                    had.memory + row.memory,
                    had.cache + row.cache,
                    had.hours,
                )

    def _usage(self, subject: str, row: sa.Row[Any]) -> Usage:
        if subject not in self._used:
            by_team = subject.startswith("team:")
            self._used[subject] = quotas.used(
                self._connection,
                now=self._now,
                person_id="" if by_team else row.owner_id,
                team_name=row.team if by_team else "",
                hours=self._quotas[subject].hours is not None,
                states=HELD_STATES,
            )
        return self._used[subject]


def _subjects(row: sa.Row[Any]) -> list[str]:
    own = [quotas.user(row.owner_name)]
    return [*own, quotas.team(row.team)] if row.team else own

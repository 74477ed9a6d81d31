"""Who waits for room, and in which order they get it.

Fair between people: whoever has least is next, counting what they have and what they have just been given;
among those with as much, whoever has waited longest. One who is due and finds no room is kept a place: the
endpoint that will fit first takes nobody else, so that small machines do not starve a large one.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import machines, operations, people, templates, usage
from dinv.server.fleet import capacity, quotas
from dinv.server.fleet.events import note
from dinv.server.fleet.placement import Need, Place, obstacle, reserved
from dinv.server.fleet.rows import HELD_STATES
from dinv.server.models import Quota, Usage

MOST = 5000
"""How many are looked at, the oldest first."""
PEOPLE_FIRST, POOLS = 0, 10
"""Priorities of operations."""


@dataclass(frozen=True)
class Waiting:
    """One that waits."""

    id: str
    owner: str
    since: datetime


def order(waiting: Iterable[Waiting], having: Mapping[str, int]) -> list[Waiting]:
    """Return them as they are to be served; `having` is how many machines each owner has."""
    by_owner: defaultdict[str, list[Waiting]] = defaultdict(list)
    for each in sorted(waiting, key=lambda one: (one.since, one.id), reverse=True):
        by_owner[each.owner].append(each)
    heap = [(having.get(owner, 0), own[-1].since, own[-1].id, owner) for owner, own in by_owner.items()]
    heapq.heapify(heap)
    found = []
    while heap:
        count, _, _, owner = heap[0]
        own = by_owner[owner]
        found.append(own.pop())
        if own:
            heapq.heapreplace(heap, (count + 1, own[-1].since, own[-1].id, owner))
        else:
            heapq.heappop(heap)
    return found


def places_in_queue(connection: sa.Connection) -> dict[str, int]:
    """Return the place of each machine that waits, from 1."""
    columns = (machines.c.id, machines.c.owner_id, machines.c.created_at)
    waiting = [Waiting(*row) for row in connection.execute(_waiting(*columns))]
    ordered = order(waiting, _having(connection)) if waiting else []
    return {each.id: place for place, each in enumerate(ordered, 1)}


def _waiting(*columns: Any) -> sa.Select[Any]:
    query = sa.select(*columns).where(machines.c.state == "waiting")
    return query.order_by(machines.c.created_at, machines.c.id).limit(MOST)


def is_empty(connection: sa.Connection) -> bool:
    """Return whether nobody waits."""
    return (
        connection.execute(sa.select(machines.c.id).where(machines.c.state == "waiting").limit(1)).first()
        is None
    )


def _having(connection: sa.Connection) -> dict[str, int]:
    """How many machines those have who wait."""
    who = sa.select(machines.c.owner_id).where(machines.c.state == "waiting").distinct()
    query = (
        sa.select(machines.c.owner_id, sa.func.count().label("machines"))
        .where(
            machines.c.owner_id.in_(who), machines.c.removed_at.is_(None), machines.c.state.in_(HELD_STATES)
        )
        .group_by(machines.c.owner_id)
    )
    return {row.owner_id: row.machines for row in connection.execute(query)}


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
        served = self.place_due(connection)
        for row, endpoint in served:
            self._audit.write(
                connection,
                None,
                "machine.place",
                f"machine:{row.id}",
                owner=row.owner_name,
                endpoint=endpoint,
            )
        return len(served)

    def place_due(self, connection: sa.Connection) -> list[tuple[sa.Row[Any], str]]:
        """Place those who are due; return rows and endpoints, for the audit log. The queue is locked."""
        now = self._database.now(connection)
        rows = {row.id: row for row in connection.execute(self._database.claimable(_rows(), machines))}
        waiting = [Waiting(row.id, row.owner_id, row.created_at) for row in rows.values()]
        turns = order(waiting, _having(connection))
        places = capacity.places(connection)
        limits = _Limits(connection, rows.values(), now)
        blocked: set[Need] = set()
        served = []
        for turn in turns:
            row = rows[turn.id]
            need = need_of(row)
            reason = limits.reason(row)
            if not reason and need not in blocked:
                endpoint = capacity.take_best(connection, places.values(), row.id, need)
                if endpoint is not None:
                    places[endpoint] = places[endpoint].taken(need)
                    limits.taken(row)
                    begin(connection, row, now)
                    served.append((row, places[endpoint].name))
                    continue
                blocked.add(need)
                _reserve(places, need)
            if not reason:
                reason = obstacle(places.values(), need) or "room on an endpoint"
            if row.waits_for != reason:
                _wait_for(connection, row.id, reason)
        return served


def _rows() -> sa.Select[Any]:
    joined = machines.join(people, people.c.id == machines.c.owner_id)
    joined = joined.join(templates, templates.c.id == machines.c.template_id)
    labels = templates.c.endpoint_labels.label("labels")
    return _waiting(machines, people.c.name.label("owner_name"), labels).select_from(joined)


def need_of(row: sa.Row[Any]) -> Need:
    """Return what a machine takes, from a row with its template's `labels`."""
    return Need(row.cpus, row.memory, tuple(sorted(row.labels.items())))


def _reserve(places: dict[str, Place], need: Need) -> None:
    place = reserved(places, need)
    if place is not None:
        places[place.id] = place.taken(need)


def _wait_for(connection: sa.Connection, machine_id: str, reason: str) -> None:
    values = {"waits_for": reason, "version": machines.c.version + 1}
    connection.execute(machines.update().where(machines.c.id == machine_id).values(values))


def begin(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> None:
    """Let a machine that has got room be made."""
    table = machines.c
    connection.execute(
        machines.update()
        .where(table.id == row.id)
        .values(
            state="creating",
            waits_for="",
            claimed_at=now,
            expires_at=now + timedelta(seconds=row.ttl) if row.ttl else None,
            version=table.version + 1,
        )
    )
    if row.owner_id is not None:
        connection.execute(
            usage.insert().values(machine_id=row.id, person_id=row.owner_id, team=row.team, begun_at=now)
        )
    operate(connection, row.id, "create", now)
    note(connection, row.id, "state", "creating", now)


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
    connection.execute(
        operations.insert().values(
            machine_id=machine_id,
            kind=kind,
            arguments=arguments,
            state="queued",
            priority=priority,
            created_at=now,
        )
    )


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
                    whose = (
                        f"of {row.owner_name}" if subject.startswith("user:") else f"of the team {row.team}"
                    )
                    return f"the quota {whose}: {quotas.limit_name(problem.fields['quota'])}"
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

"""What is taken on endpoints: counted in the transaction that takes it, never more than there is."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import endpoints, machines, usage
from dinv.server.fleet.placement import Need, Place, ranked
from dinv.server.fleet.rows import HELD_STATES

CLOSED = ("failing", "unreachable")
"""States of an endpoint on which nothing is made."""
_PLACES = sa.select(
    endpoints.c.id,
    endpoints.c.name,
    endpoints.c.weight,
    endpoints.c.max_machines,
    endpoints.c.cpus,
    endpoints.c.memory,
    endpoints.c.labels,
    endpoints.c.machines,
    endpoints.c.used_cpus,
    endpoints.c.used_memory,
    endpoints.c.enabled,
    endpoints.c.state,
)


def places(connection: sa.Connection) -> dict[str, Place]:
    """Return all endpoints by id, as placement sees them."""
    found = {}
    for row in connection.execute(_PLACES):
        *values, enabled, state = row
        (id_, name, weight, max_machines, cpus, memory, labels, count, used_cpus, used_memory) = values
        found[id_] = Place(
            id=id_,
            name=name,
            weight=weight,
            max_machines=max_machines,
            cpus=cpus,
            memory=memory,
            labels=labels,
            is_open=enabled and state not in CLOSED,
            machines=count,
            used_cpus=used_cpus,
            used_memory=used_memory,
        )
    return found


def take_best(
    connection: sa.Connection, candidates: Iterable[Place], machine_id: str, need: Need
) -> str | None:
    """Take room for a machine on the best endpoint that has it; return its id, None if none has."""
    for place in ranked(candidates, need):
        if _take(connection, machine_id, place.id, need):
            return place.id
    return None


def take(connection: sa.Connection, machine_id: str, endpoint_id: str) -> bool:
    """Take room on an endpoint for a machine, and put it there. Return False where there is none now."""
    query = sa.select(machines.c.cpus, machines.c.memory).where(machines.c.id == machine_id)
    row = connection.execute(query).one()
    return _take(connection, machine_id, endpoint_id, Need(row.cpus, row.memory))


def _take(connection: sa.Connection, machine_id: str, endpoint_id: str, need: Need) -> bool:
    # The condition is looked at again when another has changed the row meanwhile: both databases do so.
    more = {"endpoint": endpoint_id, "more_cpus": need.cpus, "more_memory": need.memory}
    if connection.execute(_TAKE, more).rowcount != 1:
        return False
    connection.execute(_PUT, {"machine": machine_id, "endpoint": endpoint_id})
    return True


def _taking() -> sa.Update:
    table = endpoints.c
    cpus, memory = sa.bindparam("more_cpus", type_=sa.Float), sa.bindparam("more_memory", type_=sa.BigInteger)
    # What takes none of it may be where none is left. Sums of tenths: 0.1 + 0.2 fits in 0.3.
    fits_cpus = sa.or_(table.cpus.is_(None), cpus == 0, table.used_cpus + cpus <= table.cpus * (1 + 1e-9))
    fits_memory = sa.or_(table.memory.is_(None), memory == 0, table.used_memory + memory <= table.memory)
    fits = sa.or_(table.max_machines.is_(None), table.machines < table.max_machines)
    is_open = sa.and_(table.enabled, table.state.not_in(CLOSED))
    return (
        endpoints.update()
        .where(table.id == sa.bindparam("endpoint"), is_open, fits, fits_cpus, fits_memory)
        .values(
            machines=table.machines + 1,
            used_cpus=table.used_cpus + cpus,
            used_memory=table.used_memory + memory,
        )
    )


_TAKE = _taking()
_PUT = (
    machines.update()
    .where(machines.c.id == sa.bindparam("machine"))
    .values(endpoint_id=sa.bindparam("endpoint"))
)


def give_back(connection: sa.Connection, machine_id: str, now: datetime) -> None:
    """Give back what a machine holds, and end its owner's time; before its state says that it is gone.

    The row is locked by the caller, or it is the caller's alone. A machine that holds nothing is left alone.
    """
    query = sa.select(machines).where(machines.c.id == machine_id).with_for_update()
    row = connection.execute(query).one()
    end_usage(connection, machine_id, now)
    if row.endpoint_id is not None and row.state in HELD_STATES:
        leave(connection, row)


def leave(connection: sa.Connection, row: sa.Row[Any]) -> None:
    """Give back what a machine, by its row, holds on its endpoint."""
    table = endpoints.c
    connection.execute(
        endpoints.update()
        .where(table.id == row.endpoint_id)
        .values(
            machines=_not_below_zero(table.machines - 1, sa.Integer()),
            used_cpus=sa.case(
                (table.machines <= 1, 0.0), else_=_not_below_zero(table.used_cpus - row.cpus, sa.Float())
            ),
            used_memory=_not_below_zero(table.used_memory - row.memory, sa.BigInteger()),
        )
    )


def works(connection: sa.Connection, endpoint_id: str | None) -> None:
    """A create has succeeded there: those that failed before count no more."""
    failed = (endpoints.c.id == endpoint_id, endpoints.c.failures > 0)
    connection.execute(endpoints.update().where(*failed).values(failures=0, not_before=None))


def reopen(connection: sa.Connection, now: datetime) -> int:
    """Have endpoints tried again that were left alone for long enough; return how many."""
    over = (endpoints.c.state == "failing", endpoints.c.not_before <= now)
    return connection.execute(endpoints.update().where(*over).values(state="ok", error="")).rowcount


def _not_below_zero(value: sa.ColumnElement[Any], kind: Any) -> sa.ColumnElement[Any]:
    return sa.case((value < 0, sa.literal(0, kind)), else_=value)


def end_usage(connection: sa.Connection, machine_id: str, now: datetime) -> None:
    """End the time for which somebody has had the machine."""
    still = usage.c.machine_id == machine_id, usage.c.ended_at.is_(None)
    connection.execute(usage.update().where(*still).values(ended_at=now))


def recount(connection: sa.Connection) -> dict[str, str]:
    """Count anew what is taken on each endpoint; return by name what was wrong, and is mended."""
    held = machines.c.state.in_(HELD_STATES)
    sums = (
        sa.select(
            machines.c.endpoint_id,
            sa.func.count().label("machines"),
            sa.func.sum(machines.c.cpus).label("cpus"),
            sa.func.sum(machines.c.memory).label("memory"),
        )
        .where(machines.c.endpoint_id.is_not(None), held)
        .group_by(machines.c.endpoint_id)
    )
    # Locked first: what others take meanwhile would not be in the sums.
    locked = connection.execute(sa.select(endpoints).order_by(endpoints.c.id).with_for_update()).all()
    counted = {row.endpoint_id: row for row in connection.execute(sums)}
    wrong = {}
    for row in locked:
        there = counted.get(row.id)
        found = (there.machines, float(there.cpus), int(there.memory)) if there else (0, 0.0, 0)
        kept = (row.machines, row.used_cpus, row.used_memory)
        drift = abs(found[1] - kept[1])
        if drift > 1e-9:
            values = dict(zip(("machines", "used_cpus", "used_memory"), found, strict=True))
            connection.execute(endpoints.update().where(endpoints.c.id == row.id).values(values))
        elif (found[0], found[2]) != (kept[0], kept[2]):
            values = {"machines": found[0], "used_memory": found[2]}
            connection.execute(endpoints.update().where(endpoints.c.id == row.id).values(values))
        # Sums of fractions differ by how they were added up: that is no mistake.
        if drift > 1e-3 or (found[0], found[2]) != (kept[0], kept[2]):
            wrong[row.name] = (
                f"{kept[0]} machines, {kept[1]:g} CPUs and {kept[2]} bytes were said to be taken, "
                f"and it is {found[0]}, {found[1]:g} and {found[2]}."
            )
    return wrong

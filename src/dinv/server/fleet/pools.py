"""Machines that are kept ready for whoever asks next: counted, and made without an owner.

How many are wanted is planned by `dinv.pools.planning`, which the reconciler of `dinv.server.work` asks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import machines, new_id, templates
from dinv.server.fleet import capacity
from dinv.server.fleet.events import note
from dinv.server.fleet.placement import Need
from dinv.server.fleet.queue import POOLS, is_empty, operate
from dinv.server.fleet.requests import new_row
from dinv.server.models import Pool
from dinv.server.problems import Invalid

LARGEST = 10_000


def new(connection: sa.Connection, template: sa.Row[Any], now: datetime) -> str | None:
    """Have a machine made for the pool of a template; return its id, None where nothing has room for it.

    While somebody waits for room, pools get none. `template` is a row of the table.
    """
    if not is_empty(connection):
        return None
    need = Need(template.cpus, template.memory, tuple(sorted(template.endpoint_labels.items())))
    machine_id = new_id()
    places = capacity.places(connection)
    row = {**new_row(template, machine_id, now), "state": "creating", "pooled": True}
    savepoint = connection.begin_nested()
    connection.execute(machines.insert().values(row))
    if capacity.take_best(connection, places.values(), machine_id, need) is None:
        savepoint.rollback()
        return None
    savepoint.commit()
    operate(connection, machine_id, "create", now, priority=POOLS)
    note(connection, machine_id, "state", "creating", now)
    return machine_id


def counted(connection: sa.Connection, name: str = "") -> list[Pool]:
    """Return the pools of all templates, or of one, with what is in them."""
    query = _COUNTED.where(templates.c.name == name) if name else _COUNTED
    rows = connection.execute(query).all()
    return [
        _pool(row)
        for row in rows
        if name or row.pool_size or row.ready or row.creating or row.parked or row.claimed
    ]


def _counting() -> sa.Select[Any]:
    table = machines.c
    owned = table.owner_id.is_not(None)
    unclaimed = table.owner_id.is_(None)
    current = table.generation == templates.c.generation

    def count(*conditions: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((sa.and_(*conditions), 1), else_=0)), 0)

    there = sa.and_(table.template_id == templates.c.id, table.pooled, table.removed_at.is_(None))
    return (
        sa.select(
            templates,
            count(unclaimed, table.state == "ready", current).label("ready"),
            count(unclaimed, table.state == "creating", current).label("creating"),
            count(unclaimed, table.state == "parked").label("parked"),
            count(owned).label("claimed"),
        )
        .select_from(templates.outerjoin(machines, there))
        .where(templates.c.removed_at.is_(None))
        .group_by(templates.c.id)
        .order_by(templates.c.name)
        .limit(1000)
    )


_COUNTED = _counting()


def _ready() -> sa.Select[Any]:
    table = machines.c
    of_template = (table.template_id == templates.c.id, table.generation == templates.c.generation)
    # A count for each template finds its few by the pools' index; a join would look at all that are ready.
    count = (
        sa.select(sa.func.count())
        .where(*of_template, table.state == "ready", table.owner_id.is_(None), table.removed_at.is_(None))
        .scalar_subquery()
    )
    return sa.select(templates.c.name, count.label("ready")).where(templates.c.removed_at.is_(None))


_READY = _ready()


def ready(connection: sa.Connection) -> dict[str, int]:
    """Return how many wait ready, by template; those without any are left out."""
    return {row.name: row.ready for row in connection.execute(_READY) if row.ready}


def as_users_see(pool: Pool) -> Pool:
    """Return what people are told of a pool: whether one is ready."""
    return replace(pool, creating=0, parked=0, claimed=0, failures=0, next_attempt=None, error="")


def _pool(row: sa.Row[Any]) -> Pool:
    return Pool(
        template=row.name,
        size=row.pool_size,
        maximum=row.pool_max,
        paused=row.pool_paused,
        ready=int(row.ready),
        creating=int(row.creating),
        parked=int(row.parked),
        claimed=int(row.claimed),
        generation=row.generation,
        failures=row.pool_failures,
        next_attempt=row.pool_not_before,
        error=row.pool_error,
    )


def change(
    connection: sa.Connection, row: sa.Row[Any], *, size: int | None, maximum: int | None, paused: bool | None
) -> None:
    """Change the pool of a template, whose row is locked. Raises Invalid."""
    errors = [
        {"pointer": f"/{field}", "detail": f"not a number from 0 to {LARGEST}"}
        for field, value in (("size", size), ("maximum", maximum))
        if value is not None and not 0 <= value <= LARGEST
    ]
    new_size = row.pool_size if size is None else size
    new_max = row.pool_max if maximum is None else maximum
    if not errors and new_max and new_size > new_max:
        errors.append({"pointer": "/size", "detail": f"more than the most that the pool may have, {new_max}"})
    if errors:
        raise Invalid("The pool cannot be set so.", errors=errors)
    values: dict[str, Any] = {"pool_size": new_size, "pool_max": new_max}
    if paused is not None:
        values["pool_paused"] = paused
        if not paused and row.pool_paused:
            # Whoever resumes it has looked at what was wrong: it is tried at once.
            values.update(pool_failures=0, pool_error="", pool_not_before=None)
    connection.execute(templates.update().where(templates.c.id == row.id).values(values))


def retire(connection: sa.Connection, template_id: str, now: datetime) -> int:
    """Have the unclaimed machines of a template removed; return how many."""
    table = machines.c
    query = (
        sa.select(machines)
        .where(table.template_id == template_id, table.owner_id.is_(None), table.removed_at.is_(None))
        .with_for_update()
    )
    found = connection.execute(query).all()
    for row in found:
        if row.state != "removing":
            let_go(connection, row, now)
    return len(found)


def let_go(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> None:
    """Have a machine of a pool removed that nobody has; `row` has its id and state, and is locked.

    One that is parked is on no endpoint any more.
    """
    values: dict[str, Any] = {"version": machines.c.version + 1}
    if row.state == "parked":
        values |= {"state": "removed", "removed_at": now}
    else:
        values["state"] = "removing"
        operate(connection, row.id, "remove", now, priority=POOLS, why="pool")
    connection.execute(machines.update().where(machines.c.id == row.id).values(values))
    note(connection, row.id, "state", values["state"], now)

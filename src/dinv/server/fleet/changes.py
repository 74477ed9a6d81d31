"""What people do with their machines: each changes a row, and leaves the rest to a worker."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import machines, templates
from dinv.server.fleet import capacity, permissions
from dinv.server.fleet.events import note
from dinv.server.fleet.queue import operate
from dinv.server.fleet.requests import lease
from dinv.server.fleet.rows import find
from dinv.server.models import Actor
from dinv.server.problems import Conflict, Forbidden, Invalid, VersionMismatch

FROM_STATES = {
    "start": (("stopped",), "starting", ("ready", "starting")),
    "stop": (("ready",), "stopping", ("stopped", "stopping")),
    "restart": (("ready", "stopped"), "starting", ()),
}
"""For each operation: states it is for, the state meanwhile, and those in which nothing is to be done."""


def changeable(
    connection: sa.Connection, actor: Actor, name: str, version: int | None, *, owner_only: bool = False
) -> sa.Row[Any]:
    """Return the row of a machine that the actor may change, locked.

    Raises NotFound, Forbidden for somebody who only sees it, VersionMismatch.
    """
    permissions.may_look(actor)
    row = find(connection, actor, name, change=True)
    if row.owner_id != actor.person.id:
        if actor.person.role == "auditor":
            raise Forbidden("Auditors look, and change nothing.")
        permissions.may_operate(actor)
        if owner_only:
            raise Forbidden("Only the machine's owner gives access to it.")
    else:
        permissions.may_have_machines(actor)
    if version is not None and version != row.version:
        raise VersionMismatch(
            "The machine was changed meanwhile. Look at it again before you change it.", version=row.version
        )
    return row


def update(connection: sa.Connection, row: sa.Row[Any], **values: object) -> None:
    """Change a machine's row, and count the change."""
    table = machines.c
    connection.execute(
        machines.update().where(table.id == row.id).values(version=table.version + 1, **values)
    )


def power(connection: sa.Connection, row: sa.Row[Any], kind: str, now: datetime) -> bool:
    """Have a machine started, stopped or restarted; return whether there was anything to do."""
    states, meanwhile, already = FROM_STATES[kind]
    if row.state in already:
        return False
    if row.state not in states:
        raise Conflict(
            f"The machine {row.name or row.host_name!r} is {row.state}. "
            f"Only one that is {' or '.join(states)} can be {_done(kind)}.",
            state=row.state,
        )
    update(connection, row, state=meanwhile)
    operate(connection, row.id, kind, now)
    note(connection, row.id, "state", meanwhile, now)
    return True


def _done(kind: str) -> str:
    return {"start": "started", "stop": "stopped"}.get(kind, "restarted")


def remove(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> bool:
    """Have a machine removed; what is on no endpoint is gone at once. Return if there was anything to do."""
    if row.state in ("removing", "removed"):
        return False
    if row.state in ("waiting", "failed", "parked"):
        capacity.end_usage(connection, row.id, now)
        update(connection, row, state="removed", removed_at=now, waits_for="")
        note(connection, row.id, "state", "removed", now)
        return True
    update(connection, row, state="removing")
    operate(connection, row.id, "remove", now, why="asked")
    note(connection, row.id, "state", "removing", now)
    return True


def extend(connection: sa.Connection, row: sa.Row[Any], by: timedelta, now: datetime) -> bool:
    """Let a machine be somebody's until `by` from now, unless it is for longer. Raises Invalid, Conflict."""
    if not timedelta(seconds=1) <= by <= timedelta(days=3650):
        raise Invalid(
            "A machine is extended by a second at least, and ten years at most.",
            errors=[{"pointer": "/by", "detail": "not a time to extend by"}],
        )
    if row.state in ("removing", "removed", "failed", "parked") or row.owner_id is None:
        raise Conflict(f"The machine is {row.state}: there is nothing to extend.", state=row.state)
    template = connection.execute(sa.select(templates).where(templates.c.id == row.template_id)).one()
    seconds = lease(template, by)
    if row.state == "waiting":
        if row.ttl == 0 or row.ttl >= seconds:
            return False
        update(connection, row, ttl=seconds)
        return True
    until = now + timedelta(seconds=seconds)
    if row.expires_at is None or row.expires_at >= until:
        return False
    update(connection, row, expires_at=until)
    note(connection, row.id, "note", f"extended until {until:%Y-%m-%d %H:%M} UTC", now)
    return True

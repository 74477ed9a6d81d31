"""Where machines are made: what operators say of it, and how much is taken."""

from __future__ import annotations

import math
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import endpoints, machines, new_id
from dinv.server.fleet import names, rows
from dinv.server.fleet.rows import HELD_STATES
from dinv.server.models import Endpoint
from dinv.server.problems import Conflict, Invalid, NotFound

MOST = 10_000
MOST_LABELS = 64
ADDRESS = ("driver", "endpoint", "endpoint_cert_path")
"""Those of an endpoint's options that say where it is. Others are for machines that are made from then on."""


def every(connection: sa.Connection) -> list[Endpoint]:
    """Return all endpoints, by name."""
    query = sa.select(endpoints).order_by(endpoints.c.name).limit(MOST)
    return [rows.endpoint(row) for row in connection.execute(query)]


def put(
    connection: sa.Connection,
    name: str,
    *,
    options: dict[str, Any],
    weight: int,
    max_machines: int | None,
    cpus: float | None,
    memory: int | None,
    labels: dict[str, str] | None,
    enabled: bool,
) -> Endpoint:
    """Write an endpoint, new or in the place of the one of its name. What is there stays.

    Raises Invalid, and Conflict for another address while machines are on it.
    """
    names.check(name)
    bounds = {"weight": weight, "max_machines": max_machines, "cpus": cpus, "memory": memory}
    errors = [
        {"pointer": f"/{field}", "detail": "not a number from 0 up"}
        for field, value in bounds.items()
        if value is not None and not (0 <= value < 2**60 and math.isfinite(value))
    ]
    errors += [{"pointer": "/options/name", "detail": "a machine's name is the server's"}] * (
        "name" in options
    )
    if len(labels or {}) > MOST_LABELS:
        errors.append({"pointer": "/labels", "detail": f"more than {MOST_LABELS} labels"})
    if errors:
        raise Invalid("The endpoint cannot be set so.", errors=errors)
    there = connection.execute(sa.select(endpoints).where(endpoints.c.name == name).with_for_update()).first()
    values: dict[str, Any] = {"options": options, **bounds, "labels": labels or {}, "enabled": enabled}
    if there is None:
        connection.execute(endpoints.insert().values(id=new_id(), name=name, **values))
    else:
        _keep_address(connection, there, options)
        if there.options != options:
            # It may be another engine: what is known of the old one says nothing.
            values.update(state="unknown", error="", checked_at=None, failures=0, not_before=None)
        connection.execute(endpoints.update().where(endpoints.c.id == there.id).values(values))
    return rows.endpoint(connection.execute(sa.select(endpoints).where(endpoints.c.name == name)).one())


def _keep_address(connection: sa.Connection, row: sa.Row[Any], options: dict[str, Any]) -> None:
    """Raise Conflict where machines would be looked for on another engine than they are on.

    Their records have the address, and the directory of certificates; what is in the directory may change.
    """
    if all(row.options.get(each) == options.get(each) for each in ADDRESS):
        return
    held = (machines.c.endpoint_id == row.id, machines.c.state.in_(HELD_STATES))
    count = connection.scalar(sa.select(sa.func.count()).select_from(machines).where(*held))
    if count:
        number = "A machine is" if count == 1 else f"{count} machines are"
        raise Conflict(
            f"{number} on the endpoint {row.name!r}, and known there by its address: that, and the directory "
            f"of its certificates, stay as they are until it is empty. Add another endpoint for the new "
            f"address, and switch this one off. New certificates go into the same directory.",
            machines=count,
        )


def remove(connection: sa.Connection, name: str) -> None:
    """Remove an endpoint. Raises NotFound, and Conflict while machines are on it."""
    query = sa.select(endpoints).where(endpoints.c.name == name).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        raise NotFound(f"There is no endpoint {name[:64]!r}.")
    there = machines.c.endpoint_id == row.id
    count = connection.scalar(
        sa.select(sa.func.count()).select_from(machines).where(there, machines.c.removed_at.is_(None))
    )
    if count:
        raise Conflict(
            f"{count} machines are on the endpoint {name!r}. Disable it, so that it gets no more, and remove "
            f"it when they are gone.",
            machines=count,
        )
    # What is gone needs no place; the rows stay until they are swept.
    connection.execute(machines.update().where(there).values(endpoint_id=None))
    connection.execute(endpoints.delete().where(endpoints.c.id == row.id))

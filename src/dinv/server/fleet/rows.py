"""Rows of the tables as the values that the rest of the server is given."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import endpoints, machines, people, templates
from dinv.server.models import Actor, Endpoint, Machine, Template
from dinv.server.problems import NotFound

GONE = "There is no machine {name!r}, or it is not yours."
HELD_STATES = ("creating", "ready", "starting", "stopping", "stopped", "removing")
"""Those of a machine that takes up room on its endpoint."""
OWNED_STATES = ("waiting", *HELD_STATES)
"""Those of a machine that counts for its owner's quota."""


def machine_query() -> sa.Select[Any]:
    """Machines, with the names of what they belong to."""
    joined = machines.join(templates, templates.c.id == machines.c.template_id)
    joined = joined.outerjoin(people, people.c.id == machines.c.owner_id)
    joined = joined.outerjoin(endpoints, endpoints.c.id == machines.c.endpoint_id)
    names = (
        people.c.name.label("owner_name"),
        templates.c.name.label("template_name"),
        endpoints.c.name.label("endpoint_name"),
    )
    return sa.select(machines, *names).select_from(joined)


BY_ID = machine_query().where(machines.c.id == sa.bindparam("machine"))


def machine(row: sa.Row[Any], place: int | None = None) -> Machine:
    """Return the machine of a row of `machine_query`."""
    return Machine(
        id=row.id,
        name=row.name,
        host_name=row.host_name,
        owner=row.owner_name or "",
        owner_id=row.owner_id or "",
        team=row.team,
        template=row.template_name,
        generation=row.generation,
        endpoint=row.endpoint_name or "",
        state=row.state,
        url=row.url,
        version=row.version,
        created_at=row.created_at,
        ready_at=row.ready_at,
        claimed_at=row.claimed_at,
        expires_at=row.expires_at,
        idle_ttl=row.idle_ttl,
        cpus=row.cpus,
        memory=row.memory,
        cache_used=row.cache_used,
        cache=row.cache,
        place=place,
        waits_for=row.waits_for,
        error=row.error,
        docker_version=row.docker_version,
        pooled=row.pooled,
    )


def find(connection: sa.Connection, actor: Actor, name: str, *, change: bool = False) -> sa.Row[Any]:
    """Return the row of a machine by its id or the actor's own name for it. Raises NotFound.

    What the actor may not see is not found. With `change`, the row is locked.
    """
    own = machines.c.owner_id == actor.person.id
    by_id = machines.c.id == name
    by_name = sa.and_(own, machines.c.name == name, machines.c.removed_at.is_(None))
    query = machine_query().where(sa.or_(by_id if actor.sees_all else sa.and_(by_id, own), by_name))
    # The one by id comes first: a name may look like one.
    query = query.order_by(sa.case((by_id, 0), else_=1)).limit(1)
    if change:
        query = query.with_for_update(of=machines)
    row = connection.execute(query).first() if len(name) <= 64 else None
    if row is None:
        raise NotFound(GONE.format(name=name[:64]))
    return row


def template(row: sa.Row[Any]) -> Template:
    """Return the template of a row."""
    return Template(
        id=row.id,
        name=row.name,
        title=row.title,
        description=row.description,
        document=row.document,
        options=row.options,
        generation=row.generation,
        ttl=row.ttl,
        longest_ttl=row.longest_ttl,
        idle_ttl=row.idle_ttl,
        cpus=row.cpus,
        memory=row.memory,
        cache=row.cache,
        endpoint_labels=row.endpoint_labels,
        teams=tuple(row.teams),
        is_default=row.is_default,
        pool_size=row.pool_size,
        pool_max=row.pool_max,
        pool_paused=row.pool_paused,
    )


def endpoint(row: sa.Row[Any]) -> Endpoint:
    """Return the endpoint of a row."""
    return Endpoint(
        id=row.id,
        name=row.name,
        options=row.options,
        weight=row.weight,
        max_machines=row.max_machines,
        cpus=row.cpus,
        memory=row.memory,
        labels=row.labels,
        enabled=row.enabled,
        state=row.state,
        error=row.error,
        checked_at=row.checked_at,
        failures=row.failures,
        not_before=row.not_before,
        machines=row.machines,
        used_cpus=row.used_cpus,
        used_memory=row.used_memory,
        strangers=tuple(row.strangers),
    )

"""Kinds of machines: who may have which, and what operators put there."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import new_id, templates
from dinv.server.fleet import permissions, rows
from dinv.server.models import Actor, Template
from dinv.server.problems import Conflict, NotFound, TemplateGone, TooLarge

MOST = 1000
LARGEST = 64 * 1024

_NAMED = sa.select(templates).where(templates.c.name == sa.bindparam("template"))
_THERE = (
    sa.select(templates)
    .where(templates.c.removed_at.is_(None))
    .order_by(templates.c.is_default.desc(), templates.c.title, templates.c.name)
    .limit(MOST)
)


def visible(connection: sa.Connection, actor: Actor) -> list[sa.Row[Any]]:
    """Return the rows of those that the actor may have, the preselected one first."""
    permissions.may_look(actor)
    return [row for row in connection.execute(_THERE) if _may_have(actor, row)]


def _may_have(actor: Actor, row: sa.Row[Any]) -> bool:
    return actor.sees_all or not row.teams or bool(set(row.teams) & set(actor.person.teams))


def wanted(connection: sa.Connection, actor: Actor, name: str) -> sa.Row[Any]:
    """Return the row of a template, by default of the preselected one. Raises NotFound, TemplateGone."""
    if not name:
        there = visible(connection, actor)
        if not there:
            raise NotFound("There is no template that you may have. An operator can add one.")
        return there[0]
    row = connection.execute(_NAMED, {"template": name}).first()
    if row is None or not _may_have(actor, row):
        raise NotFound(f"There is no template {name[:64]!r}.")
    if row.removed_at is not None:
        raise TemplateGone(f"An operator has removed the template {name!r}. Choose another.")
    return row


def put(connection: sa.Connection, read: dict[str, Any]) -> Template:
    """Write a template, new or in the place of the one of its name; `read` are its columns."""
    if read["is_default"]:
        connection.execute(templates.update().where(templates.c.is_default).values(is_default=False))
    there = connection.execute(
        sa.select(templates).where(templates.c.name == read["name"]).with_for_update(key_share=True)
    ).first()
    values = {**read, "removed_at": None}
    if there is None:
        connection.execute(templates.insert().values(id=new_id(), **values))
    else:
        if there.generation != read["generation"]:
            # Another kind of machine: that the old one failed says nothing.
            values.update(pool_failures=0, pool_error="", pool_not_before=None)
        connection.execute(templates.update().where(templates.c.id == there.id).values(values))
    written = connection.execute(sa.select(templates).where(templates.c.name == read["name"])).one()
    return rows.template(written)


def read_document(document: str) -> dict[str, Any]:
    """Return the columns of a template from its YAML. Raises Invalid with all errors, each with its line."""
    from dinv.server.fleet.inventory.documents import read

    if len(document) > LARGEST:
        raise TooLarge(f"A template has at most {LARGEST // 1024} KiB.")
    return read(document)


def remove(connection: sa.Connection, name: str, now: datetime) -> sa.Row[Any]:
    """Mark a template as gone; return its row. Raises NotFound."""
    query = sa.select(templates).where(templates.c.name == name, templates.c.removed_at.is_(None))
    row = connection.execute(query.with_for_update()).first()
    if row is None:
        raise NotFound(f"There is no template {name[:64]!r}.")
    values = {"removed_at": now, "is_default": False, "pool_size": 0}
    connection.execute(templates.update().where(templates.c.id == row.id).values(values))
    return row


def locked(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Return the row of a template that is there, locked. Raises NotFound, Conflict for one that is gone."""
    row = connection.execute(
        sa.select(templates).where(templates.c.name == name).with_for_update(key_share=True)
    ).first()
    if row is None:
        raise NotFound(f"There is no template {name[:64]!r}.")
    if row.removed_at is not None:
        raise Conflict(f"The template {name!r} has been removed.")
    return row

"""The schema brought up to date, by alembic and the migrations in this package.

The whole of an upgrade is one transaction, on SQLite as on PostgreSQL: killed anywhere, nothing has happened.
"""

from __future__ import annotations

import os

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from dinv.server.problems import Problem


def bring_up_to_date(connection: sa.Connection) -> None:
    """Run, within the transaction of `connection`, the migrations that are missing. Raises Problem."""
    directory = _directory()
    current = _current(connection, directory)
    head = directory.get_current_head()
    if current == head:
        return
    context = MigrationContext.configure(connection)
    operations = Operations(context)
    for script in reversed(list(directory.iterate_revisions("head", current or "base"))):
        # They are given what they work with: alembic's `op` is one for the whole process.
        script.module.upgrade(operations)
    context.stamp(directory, "head")


def behind(connection: sa.Connection) -> str:
    """Return what is wrong with the schema, for a person; "" when it is this program's. Raises Problem."""
    directory = _directory()
    if _current(connection, directory) != directory.get_current_head():
        return "The database's tables are not up to date. Starting the server brings them there."
    return ""


def _directory() -> ScriptDirectory:
    return ScriptDirectory(os.path.join(os.path.dirname(__file__), "migrations"))


def _current(connection: sa.Connection, directory: ScriptDirectory) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {script.revision for script in directory.walk_revisions()}:
        raise Problem(
            f"The database was changed by a newer dinv (its tables are at {current!r}), and this one cannot "
            f"tell what they mean. Use that version, or restore a backup from before the upgrade.",
            revision=current,
        )
    return current

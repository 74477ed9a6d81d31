"""The schema brought up to date, by alembic and the migrations in this package.

The whole of an upgrade is one transaction, on SQLite as on PostgreSQL: killed anywhere, nothing has happened.
"""

from __future__ import annotations

import sqlalchemy as sa

from dinv.server.database.migrations import directory, revisions
from dinv.server.problems import Problem


def bring_up_to_date(connection: sa.Connection) -> None:
    """Run, within the transaction of `connection`, the migrations that are missing. Raises Problem."""
    current = _current(connection)
    if current == revisions()[-1]:
        return
    # 12 MB, which a server whose schema is right does without.
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(directory())
    context = MigrationContext.configure(connection)
    operations = Operations(context)
    for script in reversed(list(scripts.iterate_revisions("head", current or "base"))):
        # They are given what they work with: alembic's `op` is one for the whole process.
        script.module.upgrade(operations)
    context.stamp(scripts, "head")


def behind(connection: sa.Connection) -> str:
    """Return what is wrong with the schema, for a person; "" when it is this program's. Raises Problem."""
    if _current(connection) != revisions()[-1]:
        return "The database's tables are not up to date. Starting the server brings them there."
    return ""


_VERSION = sa.table("alembic_version", sa.column("version_num", sa.String))
"""alembic's own: the step that the tables are at. Without it, there are none yet."""


def _current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(_VERSION.name):
        return None
    current = connection.scalar(sa.select(_VERSION.c.version_num))
    if current is not None and current not in revisions():
        raise Problem(
            f"The database was changed by a newer dinv (its tables are at {current!r}), and this one cannot "
            f"tell what they mean. Use that version, or restore a backup from before the upgrade.",
            revision=current,
        )
    return str(current) if current else None

"""Write a migration of the server's database: what schema.py has, and the migrations have not made yet.

python scripts/migration.py "pools have a schedule"

It is put into src/dinv/server/database/migrations/versions/: read it, and mend what a machine cannot know
(what becomes of the rows there are). Before the first release there is one migration, written anew each time:

python scripts/migration.py --first
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any, Literal

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import UpgradeOps
from alembic.runtime.migration import MigrationContext

from dinv.server.database import migrations
from dinv.server.database.schema import UtcTime, metadata
from dinv.server.database.upgrade import bring_up_to_date

VERSIONS = os.path.join(migrations.directory(), "versions")
TEXT = '''"""{title}."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "{revision}"
down_revision = {before!r}


def upgrade(op: Operations) -> None:
    """Make what is new."""
    {code}
'''


def main() -> int:
    """Run the command line; return its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("title", nargs="?", default="The first schema")
    parser.add_argument("--first", action="store_true")
    arguments = parser.parse_args()
    numbers = [] if arguments.first else migrations.revisions()
    before = numbers[-1] if numbers else None
    revision = f"{int(before or 0) + 1:04}"
    code = difference(anew=arguments.first)
    if code == "pass":
        sys.stdout.write("The migrations make what schema.py says.\n")
        return 0
    path = os.path.join(VERSIONS, f"v{revision}.py")
    with open(path, "w", encoding="utf-8") as file:
        title = arguments.title.strip().rstrip(".")
        file.write(TEXT.format(title=title, revision=revision, before=before, code=code))
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", path], check=True)
    subprocess.run([sys.executable, "-m", "ruff", "check", "--quiet", "--fix", path], check=True)
    sys.stdout.write(f"{path}\n")
    return 0


def difference(*, anew: bool) -> str:
    """Return the Python code that makes what is missing."""
    with sa.create_engine("sqlite://").begin() as connection:
        if not anew:
            bring_up_to_date(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        operations = produce_migrations(context, metadata).upgrade_ops
        text = render_python_code(operations or UpgradeOps(), render_item=rendered, render_as_batch=False)
    lines = [line for line in text.splitlines() if not line.strip().startswith("#")]
    return "\n".join(lines).strip()


def rendered(kind: str, item: Any, _: object) -> str | Literal[False]:
    """Write our own types as SQLAlchemy's: a migration stays as it is when they change."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcTime) else False


if __name__ == "__main__":
    sys.exit(main())

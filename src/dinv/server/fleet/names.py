"""Names: an owner's own word for a machine, and the one it has on its endpoint for ever."""

from __future__ import annotations

import re
import secrets
from typing import Any

import sqlalchemy as sa

from dinv.server.database.schema import machines
from dinv.server.problems import Invalid, NameTaken
from dinv.store.layout import NAME

LONGEST = 60
_LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"


def check(name: str, pointer: str = "/name") -> None:
    """Raise Invalid unless it can be the name of a machine, by docker-machine's rule."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST:
        raise Invalid(
            f"{name[:80]!r} cannot be a name: letters, digits, dots and hyphens, a letter or digit first, "
            f"at most {LONGEST} characters.",
            errors=[{"pointer": pointer, "detail": "not a name"}],
        )


def host_name(template: str) -> str:
    """Return a name for a machine's whole life. It tells of the template only: owners come later, and go."""
    word = re.sub(r"[^a-z0-9]+", "-", template.lower()).strip("-")[:40].rstrip("-") or "machine"
    return f"{word}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}"


_OWN: sa.Select[Any] = sa.select(machines.c.id, machines.c.state).where(
    machines.c.owner_id == sa.bindparam("owner"),
    machines.c.name == sa.bindparam("wish"),
    machines.c.removed_at.is_(None),
)
# The column is asked, not the whole row: somebody may have hundreds.
_NAMES = sa.select(machines.c.name).where(
    machines.c.owner_id == sa.bindparam("owner"),
    machines.c.removed_at.is_(None),
    machines.c.name.startswith(sa.bindparam("beginning"), autoescape=False),
)


def free(
    connection: sa.Connection, owner_id: str, wish: str, template: str
) -> tuple[str, sa.Row[Any] | None]:
    """Return the name that an owner's new machine gets, and the failed machine that has it still, if one has.

    Without a wish it is the template's, or that with a number. Raises NameTaken.
    """
    if wish:
        row = connection.execute(_OWN, {"owner": owner_id, "wish": wish}).first()
        if row is not None and row.state != "failed":
            raise NameTaken(
                f"You have a machine {wish!r} already. Choose another name, or remove that one.", name=wish
            )
        return wish, row
    taken = set(connection.scalars(_NAMES, {"owner": owner_id, "beginning": template}))
    number = 1
    name = template
    while name in taken:
        number += 1
        name = f"{template}-{number}"
    return name, None

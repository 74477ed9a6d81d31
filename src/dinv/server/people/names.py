"""What people and teams may be called."""

from __future__ import annotations

import re

import sqlalchemy as sa

from dinv.server.audit import SERVER
from dinv.server.database.database import Database
from dinv.server.database.schema import people
from dinv.server.problems import Invalid, NameTaken

LONGEST = 64
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_RESERVED = (SERVER, "system", "every-user", "every-team")
_RULE = (
    "Use up to 64 letters a-z, digits, dots, dashes and underscores; "
    "it begins and ends with a letter or digit."
)


def person_name(name: str) -> str:
    """Return a person's name in lower case. Raises Invalid."""
    return _checked(name, "name", "A person")


def team_name(name: str) -> str:
    """Return a team's name in lower case. Raises Invalid."""
    return _checked(name, "team", "A team")


def looked_for(name: str) -> str:
    """Return the name of which an account is looked for; "", which nobody has, for what is no name."""
    lower = name.strip().lower()
    return lower if _NAME.fullmatch(lower) else ""


def searched(text: str) -> str:
    """Return a text to search for as databases take it."""
    return text.replace("\0", "").encode(errors="replace").decode()[:200]


def made_of(text: str) -> str:
    """Return a name that is as near as can be to what a provider calls somebody or something; maybe ""."""
    clean = re.sub(r"[^a-z0-9._-]+", "-", text.strip().lower())[:LONGEST]
    clean = clean.strip("._-")
    return f"{clean}-1" if clean in _RESERVED else clean


def is_free(database: Database, connection: sa.Connection, name: str) -> bool:
    """Return whether nobody is called so; until the transaction ends nobody else will be."""
    database.lock(connection, "names of people")
    return connection.execute(sa.select(people.c.id).where(people.c.name == name)).first() is None


def check_free(database: Database, connection: sa.Connection, name: str) -> None:
    """Raise NameTaken unless the name `is_free`."""
    if not is_free(database, connection, name):
        raise NameTaken(f"Somebody is called {name!r} already. Choose another name.")


def _checked(name: str, field: str, what: str) -> str:
    lower = name.strip().lower()
    if not _NAME.fullmatch(lower):
        detail = f"{what} cannot be called {name[:80]!r}. {_RULE}"
    elif lower in _RESERVED:
        detail = f"{what} cannot be called {lower!r}: the server uses that word itself."
    else:
        return lower
    raise Invalid(detail, errors=[{"pointer": f"/{field}", "detail": detail}])

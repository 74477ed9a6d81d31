"""The first operator: made by whoever has the link that the server has written to its terminal."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import new_id, pending_sign_ins, people
from dinv.server.models import Actor
from dinv.server.people import limits, passwords, sessions
from dinv.server.people.digests import digest, new_secret
from dinv.server.people.names import check_free, person_name
from dinv.server.people.rows import person
from dinv.server.problems import NotFound

_KIND = "first"
_LIFETIME = timedelta(hours=1)
_GONE = "This link is not valid: it was used, or is older than an hour. Start the server again for another."


def link(database: Database) -> str:
    """Return the path of a new link, "" if there is an operator. Others that were made stay valid."""

    def work(connection: sa.Connection) -> str:
        if _has_operator(connection):
            return ""
        secret = new_secret()
        connection.execute(
            sa.insert(pending_sign_ins).values(
                digest=digest(secret), kind=_KIND, data={}, expires_at=database.now(connection) + _LIFETIME
            )
        )
        return f"/first/{secret}"

    return database.write(work)


def is_valid(database: Database, secret: str) -> bool:
    """Tell whether a link can be used now."""
    with database.read() as connection:
        return _is_valid(database, connection, secret)


def use(database: Database, audit: Audit, secret: str, name: str, password: str, *, address: str) -> str:
    """Make the first operator; return the secret of a session.

    Raises NotFound, Invalid, TooManyRequests, and NameTaken by somebody who has signed in at a provider.
    """
    counted = database.write(
        lambda connection: limits.count(
            database, connection, (limits.FIRST_FROM_ADDRESS, limits.of_address(address))
        )
    )
    if not is_valid(database, secret):
        raise NotFound(_GONE)
    name = person_name(name)
    passwords.check(password, name)
    kept = passwords.hashed(password)

    def work(connection: sa.Connection) -> str:
        database.lock(connection, "operators")
        if not _is_valid(database, connection, secret):
            raise NotFound(_GONE)
        check_free(database, connection, name)
        person_id = new_id()
        connection.execute(
            sa.insert(people).values(
                id=person_id,
                name=name,
                display_name="",
                email="",
                role="operator",
                password=kept,
                created_at=database.now(connection),
            )
        )
        # All of them: other servers may have made some too.
        connection.execute(sa.delete(pending_sign_ins).where(pending_sign_ins.c.kind == _KIND))
        limits.forgive(connection, counted)
        limits.remember(database, connection, name, address)
        session = sessions.begin(database, connection, person_id, address)
        made = person(connection, people.c.id == person_id)
        assert made is not None  # noqa: S101  # it was just written
        audit.write(connection, Actor(made, "session", address=address), "user.first", f"user:{name}")
        return session

    return database.write(work)


def _has_operator(connection: sa.Connection) -> bool:
    found = sa.select(people.c.id).where(people.c.role == "operator").limit(1)
    return connection.execute(found).first() is not None


def _is_valid(database: Database, connection: sa.Connection, secret: str) -> bool:
    query = sa.select(pending_sign_ins.c.expires_at).where(
        pending_sign_ins.c.digest == digest(secret), pending_sign_ins.c.kind == _KIND
    )
    expires = connection.scalar(query)
    return expires is not None and database.now(connection) < expires and not _has_operator(connection)

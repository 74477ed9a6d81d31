"""Signing in by name and password. Whatever is wrong, the answer is the same, after the same time."""

from __future__ import annotations

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import people
from dinv.server.measures import SIGN_INS
from dinv.server.models import Actor
from dinv.server.people import limits, passwords, sessions
from dinv.server.people.names import looked_for
from dinv.server.people.rows import persons
from dinv.server.problems import NotSignedIn, TooManyRequests


def sign_in(
    database: Database, audit: Audit, name: str, password: str, *, address: str, previous: str = ""
) -> str:
    """Return the secret of a new session, and end the one with the secret `previous`.

    Raises NotSignedIn, and TooManyRequests.
    """
    name = looked_for(name)
    try:
        counted = database.write(lambda connection: _count(database, connection, name, address))
    except TooManyRequests:
        SIGN_INS.labels("password", "too-many-requests").inc()
        raise
    with database.read() as connection:
        condition = people.c.name == name
        row = connection.execute(sa.select(people).where(condition)).one_or_none()
    matches = passwords.verify(row.password if row else None, password)

    def work(connection: sa.Connection) -> str:
        # Read again: the account may have been disabled, or its password changed, while this was computed.
        now = connection.execute(sa.select(people).where(condition)).one_or_none() if row else None
        if not (matches and row and now and now.password == row.password and not now.disabled):
            # The name is not written down: it may be a password, typed into the wrong field.
            known = f"user:{now.name}" if now else "user:?"
            audit.write(connection, None, "sign-in", known, NotSignedIn.kind, address=address)
            return ""
        if passwords.is_outdated(row.password):
            connection.execute(sa.update(people).where(people.c.id == row.id).values(password=renewed))
        if previous:
            sessions.end(connection, previous)
        secret = sessions.begin(database, connection, row.id, address)
        limits.forgive(connection, counted)
        limits.remember(database, connection, name, address)
        actor = Actor(persons(connection, [now])[0], "session", address=address)
        audit.write(connection, actor, "sign-in", f"user:{name}")
        return secret

    renewed = passwords.hashed(password) if matches and row and passwords.is_outdated(row.password) else ""
    secret = database.write(work)
    SIGN_INS.labels("password", "done" if secret else NotSignedIn.kind).inc()
    if not secret:
        raise NotSignedIn("The name or the password is wrong, or the account is disabled.")
    return secret


def _count(database: Database, connection: sa.Connection, name: str, address: str) -> list[int]:
    where = limits.of_address(address)
    if limits.is_known(connection, name, address):
        of_name = (limits.SIGN_IN_AS_FROM, f"{name} {where}")
    else:
        of_name = (limits.SIGN_IN_AS, name)
    return limits.count(database, connection, (limits.SIGN_IN_FROM_ADDRESS, where), of_name)

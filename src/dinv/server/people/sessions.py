"""Sessions of browsers: begun by a sign-in, over when idle, too old, or ended."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from dinv.server.database.database import Database
from dinv.server.database.schema import people, sessions
from dinv.server.models import Actor, Session
from dinv.server.people.digests import digest, new_secret
from dinv.server.people.rows import persons

IDLE = timedelta(hours=12)
LONGEST = timedelta(days=7)
_MOST = 20
"""Of one person; the oldest ends when there are more."""
_SEEN_EVERY = timedelta(minutes=1)


def begin(database: Database, connection: sa.Connection, person_id: str, address: str) -> str:
    """Begin a session, always a new one: what a browser had before a sign-in is worth nothing after it."""
    now = database.now(connection)
    secret = new_secret()
    connection.execute(
        sa.insert(sessions).values(
            digest=digest(secret),
            person_id=person_id,
            address=address[:64],
            created_at=now,
            seen_at=now,
            expires_at=now + LONGEST,
        )
    )
    oldest = (
        sa.select(sessions.c.digest)
        .where(sessions.c.person_id == person_id)
        .order_by(sessions.c.created_at.desc())
        .offset(_MOST)
        .limit(1000)
    )
    connection.execute(sa.delete(sessions).where(sessions.c.digest.in_(list(connection.scalars(oldest)))))
    return secret


_FIND = (
    sa.select(people, sessions.c.seen_at, sessions.c.expires_at)
    .join(sessions, sessions.c.person_id == people.c.id)
    .where(sessions.c.digest == sa.bindparam("key"), sa.not_(people.c.disabled))
)


def find(database: Database, secret: str, *, address: str, request_id: str) -> Actor | None:
    """Return who has the session, and put off its end; None for one that is over or never was."""
    key = digest(secret)
    with database.read() as connection:
        row = connection.execute(_FIND, {"key": key}).one_or_none()
        if row is None:
            return None
        now = database.now(connection)
        if now >= row.expires_at or now >= row.seen_at + IDLE:
            return None
        person = persons(connection, [row])[0]
    if now >= row.seen_at + _SEEN_EVERY:
        database.attempt(
            lambda connection: connection.execute(
                sa.update(sessions).where(sessions.c.digest == key).values(seen_at=now)
            )
        )
    return Actor(person, "session", address=address, request_id=request_id)


def end(connection: sa.Connection, secret: str) -> str:
    """End a session; return whose it was, an id, or ""."""
    found = connection.execute(
        sa.delete(sessions).where(sessions.c.digest == digest(secret)).returning(sessions.c.person_id)
    ).scalar_one_or_none()
    return found or ""


def end_all(connection: sa.Connection, person_id: str, *, but: str = "") -> None:
    """End all sessions of a person, except the one with the secret `but`."""
    query = sa.delete(sessions).where(sessions.c.person_id == person_id)
    connection.execute(query.where(sessions.c.digest != digest(but)) if but else query)


def every(database: Database, person_id: str, current: str) -> list[Session]:
    """Return the sessions of a person that go on, the last used one first; `current` is a secret."""
    with database.read() as connection:
        now = database.now(connection)
        goes_on = sa.and_(sessions.c.expires_at > now, sessions.c.seen_at > now - IDLE)
        query = sa.select(sessions).where(sessions.c.person_id == person_id, goes_on)
        rows = connection.execute(query.order_by(sessions.c.seen_at.desc(), sessions.c.digest)).all()
    key = digest(current)
    return [Session(row.address, row.created_at, row.seen_at, row.digest == key) for row in rows]

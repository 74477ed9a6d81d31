"""API tokens: shown once, kept as a digest, refused as soon as they are revoked."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import new_id, people, tokens
from dinv.server.models import Actor, Scope
from dinv.server.people.digests import TOKEN_PREFIX, digest, new_secret
from dinv.server.people.rows import persons
from dinv.server.problems import Conflict, Forbidden, Invalid, NotFound

SCOPES: frozenset[Scope] = frozenset({"read", "machines", "operate"})
LONGEST = timedelta(days=3650)
_MOST = 100
_SEEN_EVERY = timedelta(minutes=1)


_FIND = (
    sa.select(people, tokens.c.id.label("token_id"), tokens.c.scopes, tokens.c.expires_at, tokens.c.used_at)
    .join(tokens, tokens.c.person_id == people.c.id)
    .where(tokens.c.digest == sa.bindparam("key"))
    .where(tokens.c.revoked_at.is_(None), sa.not_(people.c.disabled))
)


def find(database: Database, secret: str, *, address: str, request_id: str) -> Actor | None:
    """Return who has the token; None for one that does not exist, is expired or revoked, or of a disabled."""
    if not secret.startswith(TOKEN_PREFIX):
        return None
    with database.read() as connection:
        row = connection.execute(_FIND, {"key": digest(secret)}).one_or_none()
        if row is None:
            return None
        now = database.now(connection)
        if row.expires_at is not None and now >= row.expires_at:
            return None
        person = persons(connection, [row])[0]
    if row.used_at is None or now >= row.used_at + _SEEN_EVERY:
        database.attempt(
            lambda connection: connection.execute(
                sa.update(tokens).where(tokens.c.id == row.token_id).values(used_at=now)
            )
        )
    scopes = frozenset(row.scopes) & SCOPES
    return Actor(person, "token", scopes, token_id=row.token_id, address=address, request_id=request_id)


def owned(database: Database, actor: Actor) -> list[dict[str, object]]:
    """Return the actor's tokens that are not revoked, the newest first: all but the secrets."""
    columns = (tokens.c.id, tokens.c.name, tokens.c.scopes, tokens.c.created_at)
    query = (
        sa.select(*columns, tokens.c.expires_at, tokens.c.used_at)
        .where(tokens.c.person_id == actor.person.id, tokens.c.revoked_at.is_(None))
        .order_by(tokens.c.created_at.desc(), tokens.c.id)
        .limit(1000)
    )
    with database.read() as connection:
        return [row._asdict() for row in connection.execute(query)]


def create(
    database: Database,
    audit: Audit,
    actor: Actor,
    name: str,
    *,
    scopes: frozenset[Scope],
    lifetime: timedelta | None,
) -> tuple[str, str]:
    """Return the id and the secret of a new token.

    Only for somebody with a session: whoever has found a token could make others of it, which last.
    Raises Forbidden, Invalid, and Conflict for more than a hundred.
    """
    if actor.via != "session":
        raise Forbidden("A token cannot make tokens. Sign in on the page and make one under your account.")
    _check(actor, name, scopes, lifetime)
    return database.write(
        lambda connection: insert(database, connection, audit, actor, name, scopes=scopes, lifetime=lifetime)
    )


def insert(
    database: Database,
    connection: sa.Connection,
    audit: Audit,
    actor: Actor,
    name: str,
    *,
    scopes: frozenset[Scope],
    lifetime: timedelta | None,
) -> tuple[str, str]:
    """Do so within a transaction, and write it to the audit log."""
    now = database.now(connection)
    valid = sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)
    count = sa.select(sa.func.count()).where(
        tokens.c.person_id == actor.person.id, tokens.c.revoked_at.is_(None), valid
    )
    if connection.execute(count).scalar_one() >= _MOST:
        raise Conflict(f"You have {_MOST} tokens, which is the most. Revoke some that are not needed.")
    secret, token_id = new_secret(TOKEN_PREFIX), new_id()
    connection.execute(
        sa.insert(tokens).values(
            id=token_id,
            person_id=actor.person.id,
            name=name.strip(),
            digest=digest(secret),
            scopes=sorted(scopes),
            created_at=now,
            expires_at=None if lifetime is None else now + lifetime,
        )
    )
    audit.write(connection, actor, "token.create", f"token:{token_id}", name=name.strip(), scopes=scopes)
    return token_id, secret


def revoke(database: Database, audit: Audit, actor: Actor, token_id: str) -> None:
    """Revoke one's own, or, as an operator, anybody's. A token may revoke itself.

    Raises NotFound, and Forbidden.
    """
    itself = actor.via == "token" and actor.token_id == token_id
    if actor.via == "token" and not itself and not actor.is_operator:
        raise Forbidden("A token can revoke only itself. Sign in on the page to revoke another.")

    def work(connection: sa.Connection) -> None:
        query = sa.update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None))
        if not actor.is_operator:
            query = query.where(tokens.c.person_id == actor.person.id)
        done = connection.execute(
            query.values(revoked_at=database.now(connection)).returning(tokens.c.person_id)
        ).scalar_one_or_none()
        if done is None:
            raise NotFound("You have no such token. It may be revoked already.")
        audit.write(connection, actor, "token.revoke", f"token:{token_id}", of=done)

    database.write(work)


def revoke_all(connection: sa.Connection, database: Database, person_id: str) -> None:
    """Revoke all tokens of a person."""
    own = sa.update(tokens).where(tokens.c.person_id == person_id, tokens.c.revoked_at.is_(None))
    connection.execute(own.values(revoked_at=database.now(connection)))


def _check(actor: Actor, name: str, scopes: frozenset[Scope], lifetime: timedelta | None) -> None:
    errors = []
    if not 0 < len(name.strip()) <= 100:
        errors.append(("/name", "Give the token a name of at most 100 characters, such as what it is for."))
    if not scopes or scopes - SCOPES:
        errors.append(("/scopes", f"A token has one or more of: {', '.join(sorted(SCOPES))}."))
    if lifetime is not None and not timedelta(minutes=1) <= lifetime <= LONGEST:
        errors.append(("/lifetime", "A token is valid for a minute at least and for ten years at most."))
    if errors:
        raise Invalid(
            " ".join(detail for _, detail in errors),
            errors=[{"pointer": pointer, "detail": detail} for pointer, detail in errors],
        )
    if "operate" in scopes and not actor.is_operator:
        raise Forbidden('Only operators can make a token with the scope "operate".')

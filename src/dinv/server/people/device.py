"""The device flow of `dinv login` (RFC 8628): a program shows a code, a person allows it on the page.

The token is made when the program asks for it: until then there is none that could leak.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import pending_sign_ins as pending
from dinv.server.database.schema import people
from dinv.server.models import Actor, Scope
from dinv.server.people import limits, tokens
from dinv.server.people.digests import digest, new_secret
from dinv.server.people.rows import person
from dinv.server.problems import Forbidden, Invalid, NotFound, NotSignedIn, TooManyRequests

LIFETIME = timedelta(minutes=10)
INTERVAL = 5
TOKEN_LIFETIME = timedelta(days=90)
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_MOST = 1000


def begin(
    database: Database, *, address: str, scopes: frozenset[Scope] = frozenset({"read", "machines"})
) -> dict[str, object]:
    """Return device_code, user_code, expires_in, interval. Raises TooManyRequests, Invalid."""
    if not scopes or scopes - tokens.SCOPES:
        raise Invalid(f"Ask for one or more of: {', '.join(sorted(tokens.SCOPES))}.")
    device_code = new_secret()
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"

    def work(connection: sa.Connection) -> None:
        limits.count(database, connection, (limits.DEVICE_FROM_ADDRESS, limits.of_address(address)))
        now = database.now(connection)
        waiting = sa.select(sa.func.count()).where(pending.c.kind == "device", pending.c.expires_at > now)
        if connection.execute(waiting).scalar_one() >= _MOST:
            raise TooManyRequests("Very many programs wait to be allowed. Try again.", retry_after=60)
        data = {"state": "waiting", "address": address[:64], "scopes": sorted(scopes), "polled": ""}
        expires = now + LIFETIME
        rows = (
            {"digest": digest(device_code), "kind": "device", "data": data, "expires_at": expires},
            {
                "digest": _of_user(user_code),
                "kind": "device-user",
                "data": {"device": digest(device_code)},
                "expires_at": expires,
            },
        )
        for row in rows:
            connection.execute(sa.insert(pending).values(**row))

    database.write(work)
    return {
        "device_code": device_code,
        "user_code": user_code,
        "expires_in": int(LIFETIME.total_seconds()),
        "interval": INTERVAL,
    }


def show(database: Database, actor: Actor, user_code: str) -> dict[str, object]:
    """Return where a code was asked from, and for which scopes, for the person who decides.

    Raises NotFound, and TooManyRequests.
    """
    counted = database.write(
        lambda connection: limits.count(database, connection, (limits.DEVICE_CODES_OF, actor.person.id))
    )

    def work(connection: sa.Connection) -> dict[str, object]:
        row = _by_user_code(database, connection, user_code)
        limits.forgive(connection, counted)
        return {"address": row.data["address"], "scopes": row.data["scopes"]}

    return database.write(work)


def decide(database: Database, audit: Audit, actor: Actor, user_code: str, *, allow: bool) -> None:
    """Allow, or refuse, what shows this code. Raises NotFound, Forbidden, TooManyRequests."""
    if actor.via != "session":
        raise Forbidden("A token cannot allow programs. Sign in on the page.")
    counted = database.write(
        lambda connection: limits.count(database, connection, (limits.DEVICE_CODES_OF, actor.person.id))
    )

    def work(connection: sa.Connection) -> None:
        row = _by_user_code(database, connection, user_code)
        state = {"state": "allowed" if allow else "refused", "person": actor.person.id}
        connection.execute(
            sa.update(pending).where(pending.c.digest == row.digest).values(data={**row.data, **state})
        )
        connection.execute(sa.delete(pending).where(pending.c.digest == _of_user(user_code)))
        limits.forgive(connection, counted)
        audit.write(
            connection,
            actor,
            "device.allow" if allow else "device.refuse",
            f"user:{actor.person.name}",
            asked_from=row.data["address"],
            scopes=row.data["scopes"],
        )

    database.write(work)


def poll(database: Database, audit: Audit, device_code: str, *, address: str) -> str | None:
    """Return the secret of a new token, None while nobody has decided.

    Raises NotSignedIn with `error` in its fields "expired_token" or "access_denied", and TooManyRequests with
    "slow_down" (RFC 8628, 3.5).
    """

    def work(connection: sa.Connection) -> str | Exception | None:
        row = connection.execute(
            sa.select(pending)
            .where(pending.c.digest == digest(device_code), pending.c.kind == "device")
            .with_for_update()
        ).one_or_none()
        now = database.now(connection)
        if row is None or now >= row.expires_at:
            return NotSignedIn("The code is not valid any more. Begin again.", error="expired_token")
        state = row.data["state"]
        if state == "waiting":
            return _too_soon(connection, row, now)
        connection.execute(sa.delete(pending).where(pending.c.digest == row.digest))
        found = person(connection, people.c.id == row.data["person"]) if state == "allowed" else None
        if found is None or found.disabled:
            return NotSignedIn("It was refused on the page.", error="access_denied")
        actor = Actor(found, "system", address=address)
        asked: frozenset[Scope] = tokens.SCOPES & frozenset(row.data["scopes"])
        _, secret = tokens.insert(
            database,
            connection,
            audit,
            actor,
            f"login from {row.data['address']}"[:100],
            scopes=asked if actor.is_operator else asked - {"operate"},
            lifetime=TOKEN_LIFETIME,
        )
        return secret

    found = database.write(work)
    if isinstance(found, Exception):
        raise found
    return found


def _too_soon(connection: sa.Connection, row: sa.Row[Any], now: datetime) -> Exception | None:
    polled = row.data["polled"]
    # A second's grace: the network does not keep intervals.
    if polled and now < datetime.fromisoformat(polled) + timedelta(seconds=INTERVAL - 1):
        return TooManyRequests(f"Ask every {INTERVAL} seconds.", retry_after=INTERVAL, error="slow_down")
    data = {**row.data, "polled": now.isoformat()}
    connection.execute(sa.update(pending).where(pending.c.digest == row.digest).values(data=data))
    return None


def _by_user_code(database: Database, connection: sa.Connection, user_code: str) -> sa.Row[Any]:
    now = database.now(connection)
    of_user = sa.select(pending).where(
        pending.c.digest == _of_user(user_code), pending.c.kind == "device-user", pending.c.expires_at > now
    )
    found = connection.execute(of_user).one_or_none()
    row = None
    if found is not None:
        of_device = sa.select(pending).where(pending.c.digest == found.data["device"]).with_for_update()
        row = connection.execute(of_device).one_or_none()
    if row is None or row.data["state"] != "waiting":
        raise NotFound("No program shows this code, or it is older than ten minutes. Begin again there.")
    return row


def _of_user(user_code: str) -> str:
    letters = "".join(letter for letter in user_code.upper()[:40] if letter in _LETTERS)
    return digest(f"device {letters}")

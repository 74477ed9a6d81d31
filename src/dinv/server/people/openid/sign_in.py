"""A sign-in at the provider, from the button to the session.

The browser keeps one random value in a cookie. It is PKCE's verifier, and the nonce is made of it; the state
is another, which is good for one answer. So an answer that was begun in another browser, or by somebody else,
is of no use, and neither is a code that was seen on the way. The database has only digests.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import sqlalchemy as sa
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import new_id, people
from dinv.server.database.schema import pending_sign_ins as pending
from dinv.server.measures import SIGN_INS
from dinv.server.models import Actor
from dinv.server.paths import local_path
from dinv.server.people import limits, sessions, teams
from dinv.server.people.digests import digest, new_secret
from dinv.server.people.names import LONGEST, is_free
from dinv.server.people.openid.id_token import claims as checked_claims
from dinv.server.people.openid.profile import Profile, is_complete, profile
from dinv.server.people.openid.provider import Provider
from dinv.server.people.rows import person
from dinv.server.problems import NotSignedIn, Problem
from dinv.server.settings import Settings

ANSWER = "/sign-in/answer"
_LIFETIME = timedelta(minutes=10)
_AGAIN = "Begin again on the sign-in page."
_OF_PROVIDER = {
    "access_denied": "The provider says that you refused, or may not sign in here.",
    "login_required": "The provider wants you to sign in there first.",
    "temporarily_unavailable": "The provider cannot be used for the moment.",
}


def begin(database: Database, provider: Provider, settings: Settings, next_path: str) -> tuple[str, str]:
    """Return where to send the browser, and the value of its cookie. Raises Unavailable."""
    metadata = provider.metadata()
    state, cookie = new_secret(), new_secret()
    data = {"next": local_path(next_path), "cookie": digest(cookie)}

    def work(connection: sa.Connection) -> None:
        expires = database.now(connection) + _LIFETIME
        connection.execute(
            sa.insert(pending).values(digest=digest(state), kind="openid", data=data, expires_at=expires)
        )

    database.write(work)
    scopes = dict.fromkeys(("openid", *provider.settings.scopes))
    query = {
        "response_type": "code",
        "client_id": provider.settings.client_id,
        "redirect_uri": settings.url + ANSWER,
        "scope": " ".join(scopes),
        "state": state,
        "nonce": _nonce(cookie),
        "code_challenge": create_s256_code_challenge(cookie),
        "code_challenge_method": "S256",
    }
    endpoint = metadata["authorization_endpoint"]
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}", cookie


def answer(
    database: Database,
    audit: Audit,
    provider: Provider,
    settings: Settings,
    *,
    query: dict[str, str],
    cookie: str,
    address: str,
) -> tuple[str, str]:
    """Return the secret of a session, and where to go. Raises NotSignedIn, Unavailable, TooManyRequests."""
    try:
        next_path = _take(database, query, cookie, address)
        claims = _claims(provider, settings, query, cookie)
        who = profile(provider.settings, claims)
        secret = _enter(database, audit, who, address)
    except Problem as problem:
        SIGN_INS.labels("provider", problem.kind).inc()
        kind, reason = problem.kind, problem.detail
        database.write(
            lambda connection: audit.write(
                connection, None, "sign-in", "user:?", kind, address=address, way="provider", reason=reason
            )
        )
        raise
    SIGN_INS.labels("provider", "done").inc()
    return secret, next_path


def _take(database: Database, query: dict[str, str], cookie: str, address: str) -> str:
    """Use up the state; return where the person wanted to go."""

    def work(connection: sa.Connection) -> Any:
        limits.count(database, connection, (limits.PROVIDER_FROM_ADDRESS, limits.of_address(address)))
        row = connection.execute(
            sa.delete(pending)
            .where(pending.c.digest == digest(query.get("state", "")), pending.c.kind == "openid")
            .returning(pending.c.data, pending.c.expires_at)
        ).one_or_none()
        return row if row and database.now(connection) < row.expires_at else None

    row = database.write(work)
    if row is None:
        raise NotSignedIn(f"This sign-in was ended already, or took more than ten minutes. {_AGAIN}")
    if not cookie or not hmac.compare_digest(row.data["cookie"], digest(cookie)):
        raise NotSignedIn(f"This sign-in was begun in another browser, or its cookies are off. {_AGAIN}")
    return str(row.data["next"])


def _claims(provider: Provider, settings: Settings, query: dict[str, str], cookie: str) -> dict[str, object]:
    error = query.get("error")
    if error is not None:
        raise NotSignedIn(f"{_OF_PROVIDER.get(error, 'The provider reports an error.')} {_AGAIN}")
    metadata = provider.metadata()
    # Who answers, where there may be several providers (RFC 9207).
    issuer = query.get("iss")
    wanted = metadata.get("authorization_response_iss_parameter_supported") is True
    if (issuer is None and wanted) or issuer not in (None, provider.settings.issuer):
        raise NotSignedIn(f"The answer is of another provider than the one that was asked. {_AGAIN}")
    code = query.get("code", "")
    tokens = provider.tokens(code, cookie, settings.url + ANSWER) if 0 < len(code) < 4000 else None
    if tokens is None:
        raise NotSignedIn(f"The provider does not know the code that it has sent. {_AGAIN}")
    claims = checked_claims(provider, tokens, _nonce(cookie))
    if not is_complete(provider.settings, claims):
        more = provider.claims(str(tokens.get("access_token") or ""))
        # Of somebody else: an access token that was exchanged (OpenID Connect Core, 5.3.4).
        if more and more.get("sub") != claims["sub"]:
            raise NotSignedIn(f"The provider speaks of two different people. {_AGAIN}")
        claims = {**more, **claims}
    return claims


def _enter(database: Database, audit: Audit, who: Profile, address: str) -> str:
    """Make or update the account, which is found by issuer and subject and nothing else; begin a session."""

    def work(connection: sa.Connection) -> str:
        own = sa.and_(people.c.issuer == who.issuer, people.c.subject == who.subject)
        # The same person twice at a time.
        database.lock(connection, "accounts of providers")
        row = connection.execute(sa.select(people.c.id, people.c.disabled).where(own)).one_or_none()
        if row is not None and row.disabled:
            return ""
        values: dict[str, Any] = {"display_name": who.display_name, "email": who.email}
        if who.role is not None:
            values["role"] = who.role
        if row is None:
            person_id = new_id()
            values = {"role": "user", **values, "name": _free_name(database, connection, who.name)}
            now = database.now(connection)
            connection.execute(
                sa.insert(people).values(
                    id=person_id, issuer=who.issuer, subject=who.subject, created_at=now, **values
                )
            )
        else:
            person_id = row.id
            connection.execute(sa.update(people).where(people.c.id == person_id).values(**values))
        teams.set_teams(connection, person_id, who.teams, from_provider=True)
        secret = sessions.begin(database, connection, person_id, address)
        found = person(connection, people.c.id == person_id)
        assert found is not None  # noqa: S101  # it was just written
        actor = Actor(found, "session", address=address)
        made: dict[str, Any] = {"new": True, "role": found.role} if row is None else {}
        audit.write(connection, actor, "sign-in", f"user:{found.name}", way="provider", **made)
        return secret

    secret = database.write(work)
    if not secret:
        raise NotSignedIn("Your account on this server is disabled. Ask an operator.")
    return secret


def _free_name(database: Database, connection: sa.Connection, name: str) -> str:
    """Return the name, with a number where somebody has it: a name gives nobody another's account."""
    for number in range(1, 10_000):
        candidate = name if number == 1 else f"{name[: LONGEST - 6]}-{number}"
        if is_free(database, connection, candidate):
            return candidate
    return new_id()


def _nonce(cookie: str) -> str:
    return hashlib.sha256(f"nonce {cookie}".encode()).hexdigest()

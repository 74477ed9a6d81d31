"""What the web and the command line ask about people. Every change is in the audit log."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.database.schema import people
from dinv.server.models import Actor, Person, Role, Scope, Session
from dinv.server.people import accounts, device, first_operator, sessions, tokens
from dinv.server.people.openid import sign_in as openid
from dinv.server.people.openid.provider import Provider
from dinv.server.people.rows import person
from dinv.server.people.sign_in import sign_in
from dinv.server.problems import NotFound
from dinv.server.settings import Settings


class People:
    """Accounts, and who is signed in. Threads may share one object."""

    def __init__(self, database: Database, audit: Audit, settings: Settings) -> None:
        self._database = database
        self._audit = audit
        self._settings = settings
        self._provider = Provider(settings.provider) if settings.provider else None

    # Signing in

    def first_link(self) -> str:
        """Return the path of a link that makes the first operator, or "" if there is one.

        It is valid once, and for an hour.
        """
        return first_operator.link(self._database)

    def first_link_is_valid(self, secret: str) -> bool:
        """Tell whether it can be used now: for the page behind it."""
        return first_operator.is_valid(self._database, secret)

    def use_first_link(self, secret: str, name: str, password: str, *, address: str) -> str:
        """Make the first operator; return the secret of a session.

        Raises NotFound, Invalid, and TooManyRequests.
        """
        return first_operator.use(self._database, self._audit, secret, name, password, address=address)

    def sign_in(self, name: str, password: str, *, address: str, previous: str = "") -> str:
        """Return the secret of a new session, and end the one with the secret `previous`.

        Raises NotSignedIn (the same for any reason, after the same time), and TooManyRequests.
        """
        return sign_in(self._database, self._audit, name, password, address=address, previous=previous)

    def session(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        """Return who has the session; None for one that is over or never was."""
        return sessions.find(self._database, secret, address=address, request_id=request_id)

    def sign_out(self, secret: str) -> None:
        """End a session, if it is one."""

        def work(connection: sa.Connection) -> None:
            person_id = sessions.end(connection, secret)
            found = person(connection, people.c.id == person_id) if person_id else None
            if found is not None:
                self._audit.write(connection, Actor(found, "session"), "sign-out", f"user:{found.name}")

        self._database.write(work)

    def sessions(self, actor: Actor, *, current: str) -> list[Session]:
        """Return the actor's sessions; `current` is the secret of the one that asks."""
        return sessions.every(self._database, actor.person.id, current)

    def end_other_sessions(self, actor: Actor, *, current: str) -> None:
        """End all of the actor's sessions but the one with the secret `current`."""

        def work(connection: sa.Connection) -> None:
            sessions.end_all(connection, actor.person.id, but=current)
            self._audit.write(connection, actor, "sign-out.others", f"user:{actor.person.name}")

        self._database.write(work)

    def token(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        """None for one that does not exist, is expired or revoked, or whose owner is disabled."""
        return tokens.find(self._database, secret, address=address, request_id=request_id)

    # OIDC: begins and ends a sign-in at the provider

    def provider_url(self, *, next: str) -> tuple[str, str]:  # noqa: A002  (the page's word)
        """Return where to send the browser, and the value of a cookie that ties the answer to it.

        Raises Unavailable, and NotFound where there is no provider.
        """
        return openid.begin(self._database, self._known_provider(), self._settings, next)

    def provider_answer(self, query: dict[str, str], cookie: str, *, address: str) -> tuple[str, str]:
        """Return the secret of a session and where to go.

        Raises NotSignedIn with what the person can do, Unavailable, and TooManyRequests.
        """
        provider = self._known_provider()
        return openid.answer(
            self._database,
            self._audit,
            provider,
            self._settings,
            query=query,
            cookie=cookie,
            address=address,
        )

    def check_provider(self) -> None:
        """Raise Unavailable or Problem unless the provider answers as it should; for `dinv serve --check`."""
        if self._provider is not None:
            self._provider.keys()

    def _known_provider(self) -> Provider:
        if self._provider is None:
            raise NotFound("This server has no sign-in provider.")
        return self._provider

    # The device flow of `dinv login` (RFC 8628)

    def device_begin(
        self, *, address: str, scopes: frozenset[Scope] = frozenset({"read", "machines"})
    ) -> dict[str, object]:
        """Return device_code, user_code, expires_in, interval. Raises TooManyRequests, and Invalid."""
        return device.begin(self._database, address=address, scopes=scopes)

    def device_show(self, actor: Actor, user_code: str) -> dict[str, object]:
        """Return `address` and `scopes` of who asks, for the page where the actor decides.

        Raises NotFound, and TooManyRequests.
        """
        return device.show(self._database, actor, user_code)

    def device_decide(self, actor: Actor, user_code: str, *, allow: bool) -> None:
        """Allow or refuse. Raises NotFound, Forbidden, and TooManyRequests."""
        device.decide(self._database, self._audit, actor, user_code, allow=allow)

    def device_poll(self, device_code: str, *, address: str) -> str | None:
        """Return the secret of a new token, None while nobody has decided.

        Raises NotSignedIn, and TooManyRequests for one who asks too often; `fields["error"]` is RFC 8628's.
        """
        return device.poll(self._database, self._audit, device_code, address=address)

    # Accounts, by operators

    def everybody(self, actor: Actor, *, search: str = "", after: str = "") -> list[Person]:
        """Return people by name, at most 500, those after the name `after`. Raises Forbidden."""
        return accounts.everybody(self._database, actor, search=search, after=after)

    def add(
        self,
        actor: Actor,
        name: str,
        *,
        role: Role,
        password: str = "",
        display_name: str = "",
        email: str = "",
        teams: tuple[str, ...] = (),
    ) -> Person:
        """Add a local account. Raises Forbidden, Invalid, and NameTaken."""
        return accounts.add(
            self._database,
            self._audit,
            actor,
            name,
            role=role,
            password=password,
            display_name=display_name,
            email=email,
            team_names=teams,
        )

    def change(
        self,
        actor: Actor,
        name: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        teams: tuple[str, ...] | None = None,
    ) -> Person:
        """Change what is given. Disabling ends sessions and tokens at once.

        Raises Forbidden, NotFound, Invalid, and Conflict for the last operator.
        """
        return accounts.change(
            self._database, self._audit, actor, name, role=role, disabled=disabled, team_names=teams
        )

    def set_password(
        self, actor: Actor, name: str, password: str, *, current: str = "", session: str = ""
    ) -> None:
        """Set a password. One's own needs the current one. Ends the other sessions than `session` (a secret).

        Raises Forbidden, NotFound, Invalid, Conflict for an account of the provider, and TooManyRequests.
        """
        accounts.set_password(
            self._database, self._audit, actor, name, password, current=current, session=session
        )

    # Tokens, one's own

    def tokens(self, actor: Actor) -> list[dict[str, object]]:
        """Each: id, name, scopes, created_at, expires_at, used_at; never the secret."""
        return tokens.owned(self._database, actor)

    def new_token(
        self, actor: Actor, name: str, *, scopes: frozenset[Scope], lifetime: timedelta | None
    ) -> tuple[str, str]:
        """Return its id and its secret, which is shown this once.

        Raises Forbidden for an actor who has only a token, Invalid, and Conflict.
        """
        return tokens.create(self._database, self._audit, actor, name, scopes=scopes, lifetime=lifetime)

    def revoke_token(self, actor: Actor, token_id: str) -> None:
        """Revoke one's own, or, as an operator, anybody's. Raises NotFound, and Forbidden."""
        tokens.revoke(self._database, self._audit, actor, token_id)

"""What the web and the command line ask about people. Every change is in the audit log."""

from __future__ import annotations

from datetime import timedelta

from dinv.server.audit import Audit
from dinv.server.database.database import Database
from dinv.server.models import Actor, Person, Role, Scope
from dinv.server.settings import Settings


class People:
    """Accounts, and who is signed in. Threads may share one object."""

    def __init__(self, database: Database, audit: Audit, settings: Settings) -> None:
        raise NotImplementedError

    # Signing in

    def first_link(self) -> str:
        """Return the path of a link that makes the first operator, or "" if there is one.

        It is valid once, and for an hour.
        """
        raise NotImplementedError

    def use_first_link(self, secret: str, name: str, password: str, *, address: str) -> str:
        """Make the first operator; return the secret of a session."""
        raise NotImplementedError

    def sign_in(self, name: str, password: str, *, address: str) -> str:
        """Return the secret of a new session.

        Raises NotSignedIn (the same for any reason, after the same time), and TooManyRequests.
        """
        raise NotImplementedError

    def session(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        raise NotImplementedError

    def sign_out(self, secret: str) -> None:
        raise NotImplementedError

    def token(self, secret: str, *, address: str, request_id: str) -> Actor | None:
        """None for one that does not exist, is expired or revoked, or whose owner is disabled."""
        raise NotImplementedError

    # OIDC (`people/openid.py`): begins and ends a sign-in at the provider

    def provider_url(self, *, next: str) -> tuple[str, str]:  # noqa: A002  (the page's word)
        """Return where to send the browser, and the value of a cookie that ties the answer to it."""
        raise NotImplementedError

    def provider_answer(self, query: dict[str, str], cookie: str, *, address: str) -> tuple[str, str]:
        """Return the secret of a session and where to go. Raises NotSignedIn with what the person can do."""
        raise NotImplementedError

    # The device flow of `dinv login` (RFC 8628)

    def device_begin(self, *, address: str) -> dict[str, object]:
        """Return device_code, user_code, expires_in, interval."""
        raise NotImplementedError

    def device_decide(self, actor: Actor, user_code: str, *, allow: bool) -> None:
        raise NotImplementedError

    def device_poll(self, device_code: str, *, address: str) -> str | None:
        """Return the secret of a new token, None while nobody has decided.

        Raises NotSignedIn, and TooManyRequests for one who asks too often.
        """
        raise NotImplementedError

    # Accounts, by operators

    def everybody(self, actor: Actor, *, search: str = "") -> list[Person]:
        raise NotImplementedError

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
        raise NotImplementedError

    def change(
        self,
        actor: Actor,
        name: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        teams: tuple[str, ...] | None = None,
    ) -> Person:
        """Raises Conflict for the last operator. Disabling ends sessions and tokens at once."""
        raise NotImplementedError

    def set_password(self, actor: Actor, name: str, password: str, *, current: str = "") -> None:
        """One's own needs the current one. Ends the other sessions."""
        raise NotImplementedError

    # Tokens, one's own

    def tokens(self, actor: Actor) -> list[dict[str, object]]:
        """Each: id, name, scopes, created_at, expires_at, used_at; never the secret."""
        raise NotImplementedError

    def new_token(
        self, actor: Actor, name: str, *, scopes: frozenset[Scope], lifetime: timedelta | None
    ) -> tuple[str, str]:
        """Return its id and its secret, which is shown this once."""
        raise NotImplementedError

    def revoke_token(self, actor: Actor, token_id: str) -> None:
        raise NotImplementedError

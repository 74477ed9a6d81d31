"""What can go wrong in the server: each with HTTP's status and a name for programs (RFC 9457, "type").

Messages are for the person who asked: what happened, why, what to do next. Nothing in them tells whether
something of somebody else's exists: what is not yours is NotFound, always.
"""

from __future__ import annotations

from typing import Any

from dinv.errors import DinvError


class Problem(DinvError):
    """`fields` are added to problem+json; `retry_after` in seconds becomes a header."""

    status = 500
    kind = "internal"
    title = "Something went wrong in the server"

    def __init__(self, detail: str, *, retry_after: float | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after
        self.fields = fields


class Invalid(Problem):
    """`errors` in `fields`: a list of {"pointer": JSON pointer, "detail": text}, all at once."""

    status = 422
    kind = "invalid"
    title = "What was sent cannot be used"


class NotSignedIn(Problem):
    """Nobody is signed in, or what they showed is not valid."""

    status = 401
    kind = "not-signed-in"
    title = "Sign in first"


class Forbidden(Problem):
    """Only for what the person knows to exist: a role or scope that is missing."""

    status = 403
    kind = "forbidden"
    title = "You may not do this"


class NotFound(Problem):
    """It does not exist, or is not the actor's."""

    status = 404
    kind = "not-found"
    title = "There is no such thing"


class NoRoute(NotFound):
    """There is nothing at an address, as far as the actor is to know: not a thing that has gone."""

    kind = "no-route"

    def __init__(self) -> None:
        super().__init__("There is nothing at this address.")


class Conflict(Problem):
    """Its state does not allow it."""

    status = 409
    kind = "conflict"
    title = "It is not in a state for that"


class NameTaken(Conflict):
    """The owner has another of this name."""

    kind = "name-taken"
    title = "The name is taken"


class TemplateGone(Problem):
    """It was there, and an operator has removed it."""

    status = 410
    kind = "template-gone"
    title = "The template is no longer there"


class VersionMismatch(Problem):
    """If-Match names a version that is not the current one."""

    status = 412
    kind = "changed-meanwhile"
    title = "It was changed meanwhile"


class TooLarge(Problem):
    """A body, a header or a document is above its bound."""

    status = 413
    kind = "too-large"
    title = "That is too large"


class QuotaExceeded(Problem):
    """`fields`: quota (which limit), subject, limit, used, asked."""

    status = 409
    kind = "quota-exceeded"
    title = "This would be more than the quota"


class TooManyRequests(Problem):
    """A limit on attempts; `retry_after` says when the next may be made."""

    status = 429
    kind = "too-many-requests"
    title = "Too many attempts"


class Unavailable(Problem):
    """The database, or an endpoint, does not answer now."""

    status = 503
    kind = "unavailable"
    title = "Not now"

"""The cookies: of a session, and of a sign-in at a provider that is under way.

Both have the prefix `__Host-`: browsers take them only over TLS (or from this computer), for this host alone.
No script sees them. https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-rfc6265bis#name-the-__host-prefix
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

SESSION = "__Host-dinv"
SIGN_IN = "__Host-dinv-sign-in"
_LONGEST = 256


def session_of(request: Request) -> str:
    """Return the secret of the session that the browser shows, or ""."""
    return _value(request, SESSION)


def set_session(response: Response, secret: str) -> None:
    """Give the browser a session. It forgets it when it is closed; how long it is valid, the server knows."""
    response.set_cookie(SESSION, secret, path="/", secure=True, httponly=True, samesite="lax")


def end_session(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(SESSION, path="/", secure=True, httponly=True, samesite="lax")


def sign_in_of(request: Request) -> str:
    """Return what ties a provider's answer to the browser that was sent there, or ""."""
    return _value(request, SIGN_IN)


def set_sign_in(response: Response, value: str) -> None:
    """Tie the sign-in that begins to this browser. Lax, since the answer comes from the provider's site."""
    response.set_cookie(SIGN_IN, value, max_age=600, path="/", secure=True, httponly=True, samesite="lax")


def end_sign_in(response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(SIGN_IN, path="/", secure=True, httponly=True, samesite="lax")


def _value(request: Request, name: str) -> str:
    value = request.cookies.get(name, "")
    return value if len(value) <= _LONGEST else ""

"""Who asks: dependencies of the routes.

Below /api/ a bearer token counts and cookies do not, so no other site can have a browser do something there;
everywhere else only the session's cookie counts, with `middleware/origin.py` before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from dinv.server.models import Actor
from dinv.server.problems import NotSignedIn
from dinv.server.web.cookies import session_of
from dinv.server.web.parts import Parts

API = "/api/"
_LONGEST_TOKEN = 256


async def parts(request: Request) -> Parts:
    """The parts of the server."""
    found = request.app.state.parts
    assert isinstance(found, Parts)  # noqa: S101  # make_app put it there
    return found


PartsOf = Annotated[Parts, Depends(parts)]


def anybody(request: Request, parts: PartsOf) -> Actor | None:
    """Whoever is signed in, or None; what they show is looked up once a request."""
    address = request.client.host if request.client else ""
    request_id = request.scope.get("dinv.request_id", "")
    if request.url.path.startswith(API):
        token = bearer(request)
        found = parts.people.token(token, address=address, request_id=request_id) if token else None
    else:
        secret = session_of(request)
        found = parts.people.session(secret, address=address, request_id=request_id) if secret else None
    request.scope["dinv.actor"] = found.person.name if found else ""
    return found


Anybody = Annotated[Actor | None, Depends(anybody)]


async def actor(request: Request, found: Anybody) -> Actor:
    """Whoever is signed in. Raises NotSignedIn."""
    return _signed_in(request, found)


def _signed_in(request: Request, found: Actor | None) -> Actor:
    if found is not None:
        return found
    if not request.url.path.startswith(API):
        raise NotSignedIn("Nobody is signed in, or the session is over. Sign in and try again.")
    if bearer(request):
        raise NotSignedIn("The token is not valid: it is unknown, expired or revoked. Get a new one.")
    raise NotSignedIn("This needs a token: a header such as Authorization: Bearer dinv_...")


async def asks(request: Request, parts: PartsOf) -> Callable[[], Actor]:
    """What asks again who is signed in, for answers that take long: a session may end meanwhile."""
    return lambda: _signed_in(request, anybody(request, parts))


SignedIn = Annotated[Actor, Depends(actor)]
Asks = Annotated[Callable[[], Actor], Depends(asks)]


def bearer(request: Request) -> str:
    """Return the token of the Authorization header, or ""."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and 0 < len(token) <= _LONGEST_TOKEN else ""

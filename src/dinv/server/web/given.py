"""What the page's handlers are given, besides what `dinv.server.web.guards` has."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from dinv.server.models import Actor
from dinv.server.problems import NoRoute
from dinv.server.web.guards import Anybody, Asks, PartsOf, SignedIn
from dinv.server.web.parts import Parts

CurrentParts = PartsOf
CurrentActor = SignedIn
MaybeActor = Anybody
CurrentAsks = Asks


async def overseer(actor: SignedIn) -> Actor:
    """Somebody who sees everything: an operator or an auditor. For others there is nothing here."""
    if not actor.sees_all:
        raise NoRoute
    return actor


Overseer = Annotated[Actor, Depends(overseer)]


def address(request: Request) -> str:
    """Where the request comes from."""
    return request.client.host if request.client else ""


def public_url(request: Request, parts: Parts) -> str:
    """How people reach the server, without a slash at the end."""
    return parts.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")

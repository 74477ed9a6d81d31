"""Who one is; tokens; signing in a program (RFC 8628); accounts, for operators."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from dinv.server.models import Person
from dinv.server.web.api.values import (
    DeviceBegun,
    DevicePoll,
    Me,
    PersonChange,
    PersonWanted,
    TokenMade,
    TokenSeen,
    TokenWanted,
    period,
    problems,
)
from dinv.server.web.given import CurrentActor, CurrentParts, address, public_url
from dinv.server.web.threads import InThread

router = APIRouter(route_class=InThread, tags=["people"])

OWN = "current"
TokenId = Annotated[str, Path(max_length=32, pattern=r"^[A-Za-z0-9]+$")]
PersonName = Annotated[str, Path(max_length=64, pattern=r"^[^/\x00-\x1f]+$")]


@router.get("/me", responses=problems())
def me(parts: CurrentParts, actor: CurrentActor) -> Me:
    """Who one is, what one has and may have."""
    used, quota = parts.fleet.usage(actor)
    return Me(person=actor.person, scopes=sorted(actor.scopes), used=used, quota=quota)


@router.get("/tokens", responses=problems())
def tokens(parts: CurrentParts, actor: CurrentActor) -> list[TokenSeen]:
    """One's own tokens."""
    return [TokenSeen.model_validate(token) for token in parts.people.tokens(actor)]


@router.post("/tokens", status_code=201, responses=problems(409))
def new_token(parts: CurrentParts, actor: CurrentActor, wanted: TokenWanted) -> TokenMade:
    """A new one; a token can make none that may do more than itself."""
    lifetime = period(wanted.ttl) if wanted.ttl else None
    token_id, secret = parts.people.new_token(actor, wanted.name, scopes=wanted.scopes, lifetime=lifetime)
    return TokenMade(id=token_id, token=secret)


@router.delete("/tokens/{token_id}", status_code=204, responses=problems(404))
def revoke_token(parts: CurrentParts, actor: CurrentActor, token_id: TokenId) -> None:
    """It is refused at once. `current` is the one that asks."""
    own = token_id == OWN
    parts.people.revoke_token(actor, actor.token_id if own else token_id)


@router.post("/device", status_code=201, responses=problems())
def begin_device(request: Request, parts: CurrentParts) -> DeviceBegun:
    """Begin to sign in a program: without a token, since it has none yet."""
    begun: dict[str, Any] = dict(parts.people.device_begin(address=address(request)))
    where = f"{public_url(request, parts)}/device"
    return DeviceBegun(
        **begun,
        verification_uri=where,
        verification_uri_complete=f"{where}?code={begun['user_code']}",
    )


@router.post(
    "/device/token",
    response_model=TokenMade,
    responses={202: {"description": "Nobody has decided yet"}, **problems()},
)
def poll_device(request: Request, parts: CurrentParts, poll: DevicePoll) -> TokenMade | Response:
    """Ask whether somebody has allowed it."""
    secret = parts.people.device_poll(poll.device_code, address=address(request))
    return Response(status_code=202) if secret is None else TokenMade(token=secret)


@router.get("/people", responses=problems())
def people(
    parts: CurrentParts,
    actor: CurrentActor,
    search: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str, Query(max_length=64, description="The last name of the page before")] = "",
) -> list[Person]:
    """Everybody with an account, by name, 500 at a time."""
    return parts.people.everybody(actor, search=search, after=after)


@router.post("/people", status_code=201, responses=problems(409))
def add_person(parts: CurrentParts, actor: CurrentActor, wanted: PersonWanted) -> Person:
    """A local account."""
    return parts.people.add(
        actor,
        wanted.name,
        role=wanted.role,
        password=wanted.password,
        display_name=wanted.display_name,
        email=wanted.email,
        teams=tuple(wanted.teams),
    )


@router.patch("/people/{name}", responses=problems(404, 409))
def change_person(parts: CurrentParts, actor: CurrentActor, name: PersonName, wanted: PersonChange) -> Person:
    """Role, teams, whether they may sign in."""
    return parts.people.change(
        actor,
        name,
        role=wanted.role,
        disabled=wanted.disabled,
        teams=tuple(wanted.teams) if wanted.teams is not None else None,
    )

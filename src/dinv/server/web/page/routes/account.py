"""One's own account: tokens for programs, sessions of browsers, and the password."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Scope
from dinv.server.problems import Problem
from dinv.server.web.cookies import session_of
from dinv.server.web.given import CurrentActor, CurrentParts
from dinv.server.web.page.reading import some_period
from dinv.server.web.page.rendering import onward, page

router = APIRouter()

_SCOPES: dict[str, frozenset[Scope]] = {
    "read": frozenset({"read"}),
    "machines": frozenset({"read", "machines"}),
    "operate": frozenset({"read", "machines", "operate"}),
}


def _account(
    request: Request,
    parts: CurrentParts,
    actor: CurrentActor,
    *,
    secret: str = "",
    wrong: Problem | None = None,
) -> HTMLResponse:
    return page(
        request,
        "account.html",
        actor=actor,
        here="account",
        tokens=parts.people.tokens(actor),
        sessions=parts.people.sessions(actor, current=session_of(request)),
        secret=secret,
        wrong=wrong,
    )


@router.get("/account")
def account(request: Request, parts: CurrentParts, actor: CurrentActor) -> HTMLResponse:
    """What there is."""
    return _account(request, parts, actor)


@router.post("/account/tokens")
def new_token(
    request: Request,
    parts: CurrentParts,
    actor: CurrentActor,
    name: Annotated[str, Form(max_length=100)] = "",
    lifetime: Annotated[str, Form(max_length=16)] = "",
    scope: Annotated[Literal["read", "machines", "operate"], Form()] = "read",
) -> HTMLResponse:
    """Shows the secret in the answer itself, this once: there is no page that could be asked for it again."""
    try:
        _, secret = parts.people.new_token(
            actor,
            name,
            scopes=_SCOPES[scope],
            lifetime=some_period(lifetime, "lifetime", "For how long"),
        )
    except Problem as problem:
        return _account(request, parts, actor, wrong=problem)
    return _account(request, parts, actor, secret=secret)


@router.post("/account/tokens/{token_id}/revoke")
def revoke_token(parts: CurrentParts, actor: CurrentActor, token_id: str) -> Response:
    """Effective at once."""
    parts.people.revoke_token(actor, token_id)
    return onward("/account", "token-revoked")


@router.post("/account/sessions/end")
def end_sessions(request: Request, parts: CurrentParts, actor: CurrentActor) -> Response:
    """All of one's own but this one."""
    parts.people.end_other_sessions(actor, current=session_of(request))
    return onward("/account", "signed-out")


@router.post("/account/password")
def password(
    request: Request,
    parts: CurrentParts,
    actor: CurrentActor,
    current: Annotated[str, Form(max_length=1024)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    """One's own needs the current one."""
    try:
        parts.people.set_password(
            actor, actor.person.name, password, current=current, session=session_of(request)
        )
    except Problem as problem:
        return _account(request, parts, actor, wrong=problem)
    return onward("/account", "password")

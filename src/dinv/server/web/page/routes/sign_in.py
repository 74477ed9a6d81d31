"""Signing in and out: by password, by the provider, as the first operator; and a program (`dinv login`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dinv.server.models import Actor
from dinv.server.paths import local_path
from dinv.server.problems import NotFound, NotSignedIn, Problem, TooManyRequests
from dinv.server.web import answers
from dinv.server.web.cookies import (
    end_session,
    end_sign_in,
    session_of,
    set_session,
    set_sign_in,
    sign_in_of,
)
from dinv.server.web.given import CurrentActor, CurrentParts, MaybeActor, address
from dinv.server.web.page.rendering import onward, page

router = APIRouter()

Wanted = Annotated[str, Query(alias="next", max_length=2000)]
"""Where somebody was going."""


@router.get("/sign-in")
def form(request: Request, parts: CurrentParts, actor: MaybeActor, wanted: Wanted = "/") -> Response:
    """The form, or on to where one was going, for somebody who is signed in."""
    if actor is not None:
        return onward(local_path(wanted))
    return _form(request, parts, wanted=wanted)


def _form(
    request: Request, parts: CurrentParts, *, wanted: str, name: str = "", wrong: Problem | None = None
) -> HTMLResponse:
    provider = parts.settings.provider
    shown = page(
        request,
        "sign_in.html",
        actor=None,
        provider=provider.name if provider else "",
        next=local_path(wanted),
        name=name[:64],
        wrong=wrong,
    )
    if wrong:
        shown.headers.update(answers.headers(wrong))
    return shown


@router.post("/sign-in")
def sign_in(
    request: Request,
    parts: CurrentParts,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    wanted: Annotated[str, Form(alias="next", max_length=2000)] = "/",
) -> Response:
    """By name and password."""
    try:
        secret = parts.people.sign_in(name, password, address=address(request), previous=session_of(request))
    except (NotSignedIn, TooManyRequests) as problem:
        return _form(request, parts, wanted=wanted, name=name, wrong=problem)
    answer = onward(local_path(wanted))
    set_session(answer, secret)
    return answer


@router.post("/sign-out")
def sign_out(request: Request, parts: CurrentParts) -> Response:
    """Ends the session on the server, too."""
    if secret := session_of(request):
        parts.people.sign_out(secret)
    answer = onward("/sign-in")
    end_session(answer)
    return answer


@router.get("/sign-in/provider")
def to_provider(parts: CurrentParts, wanted: Wanted = "/") -> Response:
    """Send the browser to the OpenID provider. GET: a form may not lead to another site (form-action)."""
    url, cookie = parts.people.provider_url(next=local_path(wanted))
    answer = RedirectResponse(url, 303)
    set_sign_in(answer, cookie)
    return answer


@router.get("/sign-in/answer")
def from_provider(request: Request, parts: CurrentParts) -> Response:
    """The provider sends the browser back here."""
    query = {key: value for key, value in request.query_params.items() if len(value) <= 4096}
    cookie = sign_in_of(request)
    try:
        secret, wanted = parts.people.provider_answer(query, cookie, address=address(request))
    except Problem as problem:
        return _form(request, parts, wanted="/", wrong=problem)
    answer = onward(local_path(wanted))
    end_sign_in(answer)
    set_session(answer, secret)
    return answer


@router.get("/first/{secret}")
def first(request: Request, parts: CurrentParts, secret: str) -> HTMLResponse:
    """Where the link on the server's terminal leads to."""
    if not parts.people.first_link_is_valid(secret):
        raise NotFound(
            "This link is not valid: it was used, or is older than an hour. The server shows another when it "
            "is started again, unless there is an operator."
        )
    return _first(request, secret)


def _first(request: Request, secret: str, *, name: str = "", wrong: Problem | None = None) -> HTMLResponse:
    return page(request, "first.html", actor=None, action=f"/first/{secret}", name=name, wrong=wrong)


@router.post("/first/{secret}")
def use_first(
    request: Request,
    parts: CurrentParts,
    secret: str,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    """Make the first operator."""
    try:
        session = parts.people.use_first_link(secret, name, password, address=address(request))
    except Problem as problem:
        return _first(request, secret, name=name, wrong=problem)
    answer = onward("/")
    set_session(answer, session)
    return answer


@router.get("/device")
def device(
    request: Request,
    parts: CurrentParts,
    actor: CurrentActor,
    code: Annotated[str, Query(max_length=16)] = "",
) -> HTMLResponse:
    """Where `dinv login` sends somebody; the code may be in the URL, since it gives nothing by itself."""
    if not code:
        return _device(request, actor)
    try:
        return _device(request, actor, code=code, asked=parts.people.device_show(actor, code))
    except Problem as problem:
        return _device(request, actor, code=code, wrong=problem)


def _device(
    request: Request,
    actor: Actor,
    *,
    code: str = "",
    asked: dict[str, object] | None = None,
    done: str = "",
    wrong: Problem | None = None,
) -> HTMLResponse:
    return page(request, "device.html", actor=actor, code=code, asked=asked, done=done, wrong=wrong)


@router.post("/device")
def decide(
    request: Request,
    parts: CurrentParts,
    actor: CurrentActor,
    code: Annotated[str, Form(max_length=16)] = "",
    answer: Annotated[str, Form(max_length=10)] = "",
) -> HTMLResponse:
    """Only the word "allow" allows."""
    allow = answer == "allow"
    try:
        parts.people.device_decide(actor, code, allow=allow)
    except Problem as problem:
        return _device(request, actor, code=code, wrong=problem)
    return _device(request, actor, done="allowed" if allow else "refused")

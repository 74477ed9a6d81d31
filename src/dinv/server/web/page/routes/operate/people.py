"""Who has an account."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Actor, Role
from dinv.server.problems import Problem
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page import reading
from dinv.server.web.page.rendering import onward, page
from dinv.server.web.page.routes.operate.written import PAGE, Written

router = APIRouter(prefix="/operate")


@router.get("/people")
def people(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    q: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Who has an account."""
    return _people(request, parts, actor, search=q, after=after)


def _people(
    request: Request,
    parts: CurrentParts,
    actor: Actor,
    *,
    search: str = "",
    after: str = "",
    form: dict[str, str] | None = None,
    wrong: Problem | None = None,
) -> HTMLResponse:
    found = parts.people.everybody(actor, search=search, after=after)
    return page(
        request,
        "operate/people.html",
        actor=actor,
        here="people",
        people=found[:PAGE],
        after=found[PAGE - 1].name if len(found) > PAGE else "",
        sought=search,
        roles=get_args(Role),
        form=Written(form or {}),
        wrong=wrong,
    )


@router.post("/people")
def add_person(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    name: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
    role: Annotated[Role, Form()] = "user",
    teams: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """A local account."""
    try:
        parts.people.add(actor, name.strip(), role=role, password=password, teams=reading.words(teams))
    except Problem as problem:
        return _people(
            request, parts, actor, form={"name": name, "role": role, "teams": teams}, wrong=problem
        )
    return onward("/operate/people", "saved")


@router.post("/people/{name}")
def change_person(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    name: str,
    role: Annotated[Role | None, Form()] = None,
    teams: Annotated[str, Form(max_length=500)] = "",
    do: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Role and teams, or whether they may sign in."""
    try:
        if do == "set":
            parts.people.change(actor, name, role=role, teams=reading.words(teams))
        else:
            parts.people.change(actor, name, disabled=do == "disable")
    except Problem as problem:
        return _people(request, parts, actor, wrong=problem)
    return onward("/operate/people", "saved")

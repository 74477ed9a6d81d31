"""Everybody's machines."""

from __future__ import annotations

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from dinv.server.models import MachineState
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page.rendering import page
from dinv.server.web.page.routes.operate.written import PAGE

router = APIRouter(prefix="/operate")


@router.get("/machines")
def machines(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    q: Annotated[str, Query(max_length=100)] = "",
    state: Annotated[str, Query(max_length=16)] = "",
    after: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Everybody's."""
    states = [each for each in get_args(MachineState) if each != "removed"]
    state = state if state in states else ""
    found, following = parts.fleet.machines(
        actor, everybody=True, search=q, state=state, after=after, limit=PAGE
    )
    return page(
        request,
        "operate/machines.html",
        actor=actor,
        here="machines",
        machines=found,
        after=following,
        sought=q,
        states=states,
        state_chosen=state,
    )

"""Who may have how much."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Actor, Quota
from dinv.server.problems import Problem
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page import reading
from dinv.server.web.page.rendering import onward, page
from dinv.server.web.page.routes.operate.written import Written, written, written_size

router = APIRouter(prefix="/operate")


@router.get("/quotas")
def quotas(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    change: Annotated[str, Query(max_length=80)] = "",
) -> HTMLResponse:
    """Who may have how much; `change` is the one that the form has."""
    found = next((quota for quota in parts.fleet.quotas(actor) if quota.subject == change), None)
    return _quotas(request, parts, actor, _written(found) if found else None)


def _written(quota: Quota) -> dict[str, str]:
    """A quota, as it would be written into the form."""
    return {
        "subject": quota.subject,
        "machines": written(quota.machines),
        "cpus": written(quota.cpus),
        "memory": written_size(quota.memory),
        "cache": written_size(quota.cache),
        "hours": written(quota.hours),
    }


def _quotas(
    request: Request,
    parts: CurrentParts,
    actor: Actor,
    form: dict[str, str] | None = None,
    wrong: Problem | None = None,
) -> HTMLResponse:
    return page(
        request,
        "operate/quotas.html",
        actor=actor,
        here="quotas",
        quotas=parts.fleet.quotas(actor),
        form=Written(form or {}),
        wrong=wrong,
    )


@router.post("/quotas")
def set_quota(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    subject: Annotated[str, Form(max_length=80)] = "",
    machines: Annotated[str, Form(max_length=9)] = "",
    cpus: Annotated[str, Form(max_length=10)] = "",
    memory: Annotated[str, Form(max_length=16)] = "",
    cache: Annotated[str, Form(max_length=16)] = "",
    hours: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """All limits of one subject at once; an empty field is no limit."""
    form = {
        "subject": subject,
        "machines": machines,
        "cpus": cpus,
        "memory": memory,
        "cache": cache,
        "hours": hours,
    }
    try:
        quota = Quota(
            subject.strip(),
            machines=reading.whole(machines, "machines", "Machines"),
            cpus=reading.number(cpus, "cpus", "CPUs"),
            memory=reading.size(memory, "memory", "Memory"),
            cache=reading.size(cache, "cache", "Cache"),
            hours=reading.number(hours, "hours", "Hours"),
        )
        parts.fleet.set_quota(actor, quota)
    except Problem as problem:
        return _quotas(request, parts, actor, form, problem)
    return onward("/operate/quotas", "saved")

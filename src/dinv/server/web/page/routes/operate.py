"""What operators and auditors see: everything. What they may change, Fleet and People check."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, get_args

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from dinv.server.models import Actor, MachineState, Pool, Quota, Role
from dinv.server.problems import NotFound, Problem
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page import reading
from dinv.server.web.page.rendering import onward, page

router = APIRouter(prefix="/operate")

PAGE = 100
"""Rows on a page."""
EXAMPLE = """\
apiVersion: dinv/v1
kind: Template
name: docker
title: A Docker host
description: Two CPUs, four gigabytes
default: true
ttl: 8h
cpus: 2
memory: 4g
pool:
  size: 2
  max: 20
"""


class _Form(dict[str, str]):
    """What was written, to be shown again; "" for what was not."""

    def __missing__(self, key: str) -> str:
        return ""


@router.get("")
def overview(request: Request, parts: CurrentParts, actor: Overseer) -> HTMLResponse:
    """Endpoints with their capacity, and pools."""
    pools = parts.fleet.pools(actor)
    return page(
        request,
        "operate/overview.html",
        actor=actor,
        here="overview",
        endpoints=parts.fleet.endpoints(actor),
        pools=pools,
        counts=_counts(parts, actor, pools),
    )


def _counts(parts: CurrentParts, actor: Actor, pools: list[Pool]) -> dict[str, int]:
    by_state = parts.fleet.counts(actor)
    return {
        "machines": sum(by_state.values()) - by_state.get("waiting", 0),
        "waiting": by_state.get("waiting", 0),
        "ready": sum(pool.ready for pool in pools),
        "failed": by_state.get("failed", 0) + by_state.get("parked", 0),
    }


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
        search=q,
        states=states,
        state_chosen=state,
    )


@router.post("/pools/{template}")
def set_pool(
    parts: CurrentParts,
    actor: Overseer,
    template: str,
    size: Annotated[str, Form(max_length=9)] = "",
    do: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Its size, or whether it is paused."""
    if do == "set":
        parts.fleet.set_pool(actor, template, size=reading.whole(size, "size", "Size"))
    else:
        parts.fleet.set_pool(actor, template, paused=do == "pause")
    return onward("/operate", "saved")


@router.get("/templates")
def templates(request: Request, parts: CurrentParts, actor: Overseer) -> HTMLResponse:
    """As operators wrote them."""
    return _templates(request, parts, actor)


def _templates(
    request: Request, parts: CurrentParts, actor: Actor, document: str = EXAMPLE, wrong: Problem | None = None
) -> HTMLResponse:
    return page(
        request,
        "operate/templates.html",
        actor=actor,
        here="templates",
        status=wrong.status if wrong else 200,
        templates=parts.fleet.templates(actor),
        document=document,
        wrong=wrong,
    )


@router.post("/templates")
def put_template(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    document: Annotated[str, Form(max_length=65536)] = "",
) -> Response:
    """A new one, or another version of one that is there."""
    try:
        parts.fleet.put_template(actor, document)
    except Problem as problem:
        return _templates(request, parts, actor, document, problem)
    return onward("/operate/templates", "saved")


@router.post("/templates/{name}/remove")
def remove_template(parts: CurrentParts, actor: Overseer, name: str) -> Response:
    """Its machines stay."""
    parts.fleet.remove_template(actor, name)
    return onward("/operate/templates", "gone")


@router.get("/endpoints")
def endpoints(request: Request, parts: CurrentParts, actor: Overseer) -> HTMLResponse:
    """Where machines are made."""
    return _endpoints(request, parts, actor)


def _endpoints(
    request: Request,
    parts: CurrentParts,
    actor: Actor,
    form: dict[str, str] | None = None,
    wrong: Problem | None = None,
) -> HTMLResponse:
    return page(
        request,
        "operate/endpoints.html",
        actor=actor,
        here="endpoints",
        status=wrong.status if wrong else 200,
        endpoints=parts.fleet.endpoints(actor),
        form=_Form(form or {}),
        wrong=wrong,
    )


@router.post("/endpoints")
def put_endpoint(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    name: Annotated[str, Form(max_length=64)] = "",
    endpoint: Annotated[str, Form(max_length=300)] = "",
    cert_path: Annotated[str, Form(max_length=300)] = "",
    max_machines: Annotated[str, Form(max_length=9)] = "",
    cpus: Annotated[str, Form(max_length=10)] = "",
    memory: Annotated[str, Form(max_length=16)] = "",
    weight: Annotated[str, Form(max_length=4)] = "",
    labels: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    """A new one."""
    form = {
        "name": name,
        "endpoint": endpoint,
        "cert_path": cert_path,
        "max_machines": max_machines,
        "cpus": cpus,
        "memory": memory,
        "weight": weight,
        "labels": labels,
    }
    options: dict[str, object] = {}
    if endpoint.strip():
        options["endpoint"] = endpoint.strip()
    if cert_path.strip():
        options["endpoint_cert_path"] = cert_path.strip()
    try:
        parts.fleet.put_endpoint(
            actor,
            name.strip(),
            options=options,
            weight=reading.whole(weight, "weight", "Weight") or 1,
            max_machines=reading.whole(max_machines, "max_machines", "Most machines"),
            cpus=reading.number(cpus, "cpus", "CPUs"),
            memory=reading.size(memory, "memory", "Memory"),
            labels=reading.pairs(labels, "labels", "Labels"),
        )
    except Problem as problem:
        return _endpoints(request, parts, actor, form, problem)
    return onward("/operate/endpoints", "saved")


@router.post("/endpoints/{name}/{do}")
def change_endpoint(parts: CurrentParts, actor: Overseer, name: str, do: str) -> Response:
    """Switch it on or off: no new machines are made on one that is off; or remove it."""
    if do == "remove":
        parts.fleet.remove_endpoint(actor, name)
        return onward("/operate/endpoints", "gone")
    found = next((each for each in parts.fleet.endpoints(actor) if each.name == name), None)
    if found is None or do not in ("enable", "disable"):
        raise NotFound("There is no such endpoint.")
    parts.fleet.put_endpoint(
        actor,
        found.name,
        options=dict(found.options),
        weight=found.weight,
        max_machines=found.max_machines,
        cpus=found.cpus,
        memory=found.memory,
        labels=found.labels,
        enabled=do == "enable",
    )
    return onward("/operate/endpoints", "saved")


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
        status=wrong.status if wrong else 200,
        people=found[:PAGE],
        after=found[PAGE - 1].name if len(found) > PAGE else "",
        search=search,
        form=_Form(form or {}),
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
        return _people(request, parts, actor, form={"name": name, "teams": teams}, wrong=problem)
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


@router.get("/quotas")
def quotas(request: Request, parts: CurrentParts, actor: Overseer) -> HTMLResponse:
    """Who may have how much."""
    return _quotas(request, parts, actor)


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
        status=wrong.status if wrong else 200,
        quotas=parts.fleet.quotas(actor),
        form=_Form(form or {}),
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


@router.get("/audit")
def audit(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    q: Annotated[str, Query(max_length=100)] = "",
    before: Annotated[int | None, Query(ge=1)] = None,
) -> HTMLResponse:
    """Who did what, the latest first."""
    entries = parts.audit.entries(search=q, before=before, limit=PAGE)
    return page(
        request,
        "operate/audit.html",
        actor=actor,
        here="audit",
        entries=entries,
        search=q,
        before=entries[-1].seq if len(entries) == PAGE else "",
    )


@router.get("/audit.csv")
def audit_csv(
    parts: CurrentParts, _: Overseer, q: Annotated[str, Query(max_length=100)] = ""
) -> StreamingResponse:
    """All entries that match."""
    name = f"dinv-audit-{datetime.now(UTC):%Y-%m-%d}.csv"
    return StreamingResponse(
        parts.audit.csv(search=q),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )

"""Where machines are made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Actor
from dinv.server.problems import NotFound, Problem
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page import reading
from dinv.server.web.page.rendering import onward, page
from dinv.server.web.page.routes.operate.written import Written

router = APIRouter(prefix="/operate")


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
        form=Written(form or {}),
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

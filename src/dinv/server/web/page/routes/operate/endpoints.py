"""Where machines are made."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Actor, Endpoint
from dinv.server.problems import NotFound, Problem
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page import reading
from dinv.server.web.page.rendering import onward, page
from dinv.server.web.page.routes.operate.written import Written, written, written_size

router = APIRouter(prefix="/operate")

PAGE = 50


@router.get("/endpoints")
def endpoints(
    request: Request,
    parts: CurrentParts,
    actor: Overseer,
    q: Annotated[str, Query(max_length=100)] = "",
    after: Annotated[str, Query(max_length=64)] = "",
    change: Annotated[str, Query(max_length=64)] = "",
) -> HTMLResponse:
    """Where machines are made; `change` is the one that the form has."""
    found = _named(parts, actor, change) if change else None
    return _endpoints(
        request, parts, actor, sought=q, after=after, form=_written(found) if found else None, changed=found
    )


def _named(parts: CurrentParts, actor: Actor, name: str) -> Endpoint | None:
    return next((each for each in parts.fleet.endpoints(actor) if each.name == name), None)


def _matches(endpoint: Endpoint, sought: str) -> bool:
    texts = (endpoint.name, *(f"{key}={value}" for key, value in endpoint.labels.items()))
    return any(sought.lower() in text.lower() for text in texts)


def _written(endpoint: Endpoint) -> dict[str, str]:
    """An endpoint, as it would be written into the form."""
    return {
        "name": endpoint.name,
        "endpoint": str(endpoint.options.get("endpoint", "")),
        "cert_path": str(endpoint.options.get("endpoint_cert_path", "")),
        "max_machines": written(endpoint.max_machines),
        "cpus": written(endpoint.cpus),
        "memory": written_size(endpoint.memory),
        "weight": written(endpoint.weight),
        "labels": ", ".join(f"{key}={value}" for key, value in endpoint.labels.items()),
    }


def _endpoints(
    request: Request,
    parts: CurrentParts,
    actor: Actor,
    *,
    sought: str = "",
    after: str = "",
    form: dict[str, str] | None = None,
    changed: Endpoint | None = None,
    wrong: Problem | None = None,
) -> HTMLResponse:
    every = sorted(parts.fleet.endpoints(actor), key=attrgetter("name"))
    found = [each for each in every if each.name > after and _matches(each, sought)]
    return page(
        request,
        "operate/endpoints.html",
        actor=actor,
        here="endpoints",
        endpoints=found[:PAGE],
        after=found[PAGE - 1].name if len(found) > PAGE else "",
        sought=sought,
        changed=changed,
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
    """A new one, or a change of one that is there: what the form does not have stays as it is."""
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
    there = _named(parts, actor, name.strip())
    of_form = ("endpoint", "endpoint_cert_path")
    options = {key: value for key, value in there.options.items() if key not in of_form} if there else {}
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
            enabled=there is None or there.enabled,
        )
    except Problem as problem:
        return _endpoints(request, parts, actor, form=form, changed=there, wrong=problem)
    return onward("/operate/endpoints", "saved")


@router.post("/endpoints/{name}/{do}")
def change_endpoint(parts: CurrentParts, actor: Overseer, name: str, do: str) -> Response:
    """Switch it on or off: no new machines are made on one that is off; or remove it."""
    if do == "remove":
        parts.fleet.remove_endpoint(actor, name)
        return onward("/operate/endpoints", "gone")
    found = _named(parts, actor, name)
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

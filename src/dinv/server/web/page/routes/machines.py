"""The button, and one's machines."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from dinv.server.models import Actor, Certificate, Machine
from dinv.server.problems import Problem
from dinv.server.web.context_file import CONTEXT_TYPE, context_file
from dinv.server.web.given import CurrentActor, CurrentAsks, CurrentParts, MaybeActor, public_url
from dinv.server.web.page import live
from dinv.server.web.page.reading import period, some_period
from dinv.server.web.page.rendering import onward, page

router = APIRouter()

LOG_LINES = 300
EXTENSION = timedelta(hours=8)


@router.get("/", response_model=None)
def home(request: Request, parts: CurrentParts, actor: CurrentActor) -> Response:
    """The button, what one has, and how much of the quota is used; auditors only look."""
    if actor.person.role == "auditor":
        return onward("/operate")
    return _home(request, parts, actor)


def _home(
    request: Request,
    parts: CurrentParts,
    actor: Actor,
    *,
    chosen: str = "",
    name: str = "",
    ttl: str = "",
    wrong: Problem | None = None,
) -> HTMLResponse:
    desk = parts.fleet.desk(actor)
    return page(
        request,
        "home.html",
        actor=actor,
        here="home",
        templates=desk.templates,
        chosen=chosen or (desk.templates[0].name if desk.templates else ""),
        ready=desk.ready,
        machines=desk.machines,
        used=desk.used,
        quota=desk.quota,
        key=secrets.token_urlsafe(16),
        name=name,
        ttl=ttl,
        wrong=wrong,
    )


@router.post("/machines")
def press(
    request: Request,
    parts: CurrentParts,
    actor: CurrentActor,
    template: Annotated[str, Form(max_length=64)] = "",
    name: Annotated[str, Form(max_length=64)] = "",
    ttl: Annotated[str, Form(max_length=16)] = "",
    key: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """The button. Pressed twice, it is one machine: the form has a key of its own."""
    try:
        machine = parts.fleet.request(
            actor, template, name.strip(), ttl=period(ttl, "ttl", "For how long"), key=key
        )
    except Problem as problem:
        return _home(request, parts, actor, chosen=template, name=name, ttl=ttl, wrong=problem)
    return onward(f"/machines/{machine.id}")


@router.get("/live")
async def live_list(parts: CurrentParts, actor: MaybeActor, asks: CurrentAsks) -> Response:
    """One's machines, again and again when something has changed. It says, too, that nobody is signed in."""
    return live.answer(live.own_machines(parts, asks, actor.person.id if actor else ""))


@router.get("/machines/{machine_id}")
def machine(request: Request, parts: CurrentParts, actor: CurrentActor, machine_id: str) -> HTMLResponse:
    """One machine: how to use it, what happened, who gets in."""
    found = parts.fleet.machine(actor, machine_id)
    return page(
        request,
        "machine/page.html",
        actor=actor,
        here="home" if is_own(found, actor) else "machines",
        machine=found,
        mine=is_own(found, actor),
        events=live.latest_events(parts.fleet, actor, found.id),
        shares=parts.fleet.shares(actor, found.id),
        public_url=public_url(request, parts),
    )


def is_own(machine: Machine, actor: Actor) -> bool:
    """Whether it is the actor's, and not one that an operator looks at."""
    return machine.owner_id == actor.person.id


@router.get("/machines/{machine_id}/live")
async def live_machine(
    request: Request,
    parts: CurrentParts,
    asks: CurrentAsks,
    machine_id: str,
    seen: Annotated[int, Query(ge=0, le=2**31)] = 0,
) -> Response:
    """The upper part of the page, again when something has changed."""
    return live.answer(
        live.one_machine(parts, asks, machine_id, public_url(request, parts), mine=is_own, seen=seen)
    )


@router.post("/machines/{machine_id}/start")
def start(parts: CurrentParts, actor: CurrentActor, machine_id: str) -> Response:
    """Start it."""
    return onward(f"/machines/{parts.fleet.start(actor, machine_id).id}", "starting")


@router.post("/machines/{machine_id}/stop")
def stop(parts: CurrentParts, actor: CurrentActor, machine_id: str) -> Response:
    """Stop it."""
    return onward(f"/machines/{parts.fleet.stop(actor, machine_id).id}", "stopping")


@router.post("/machines/{machine_id}/extend")
def extend(
    parts: CurrentParts,
    actor: CurrentActor,
    machine_id: str,
    by: Annotated[str, Form(max_length=16)] = "",
) -> Response:
    """To `by` from now; as long as the template allows, at most."""
    wanted = period(by, "by", "From now on") or EXTENSION
    before = parts.fleet.machine(actor, machine_id)
    after = parts.fleet.extend(actor, before.id, wanted)
    said = "extended" if after.expires_at != before.expires_at else "as-long"
    return onward(f"/machines/{after.id}", said)


@router.get("/machines/{machine_id}/remove", response_model=None)
def ask_remove(request: Request, parts: CurrentParts, actor: CurrentActor, machine_id: str) -> Response:
    """Ask whether it is meant; there is nothing to ask of one that is gone, after Back, say."""
    machine = parts.fleet.machine(actor, machine_id)
    if machine.state in ("removing", "removed"):
        return onward(f"/machines/{machine.id}")
    return page(request, "machine/remove.html", actor=actor, machine=machine)


@router.post("/machines/{machine_id}/remove")
def remove(parts: CurrentParts, actor: CurrentActor, machine_id: str) -> Response:
    """It is meant."""
    machine = parts.fleet.remove(actor, machine_id)
    said = "gone" if machine.state == "removed" else "removing"
    return onward("/" if is_own(machine, actor) else "/operate/machines", said)


@router.post("/machines/{machine_id}/context")
def context(parts: CurrentParts, actor: CurrentActor, machine_id: str) -> Response:
    """A docker context with a new key and certificate. POST, since each is another certificate."""
    machine = parts.fleet.machine(actor, machine_id)
    return _download(machine, parts.fleet.certificate(actor, machine.id), actor.person.name, actor)


def _download(machine: Machine, certificate: Certificate, holder: str, actor: Actor) -> Response:
    return Response(
        context_file(machine, certificate, holder=holder, owner=actor.person.name),
        media_type=CONTEXT_TYPE,
        headers={
            "Content-Disposition": f'attachment; filename="{machine.name}.dinv"',
            "Cache-Control": "no-store",
        },
    )


@router.post("/machines/{machine_id}/shares")
def share(
    parts: CurrentParts,
    actor: CurrentActor,
    machine_id: str,
    holder: Annotated[str, Form(max_length=64)] = "",
    lifetime: Annotated[str, Form(max_length=16)] = "",
) -> Response:
    """A file for somebody else."""
    machine = parts.fleet.machine(actor, machine_id)
    holder = holder.strip()
    certificate = parts.fleet.share(
        actor, machine.id, holder, some_period(lifetime, "lifetime", "For how long")
    )
    return _download(machine, certificate, holder, actor)


@router.post("/machines/{machine_id}/shares/{serial}/revoke")
def revoke(parts: CurrentParts, actor: CurrentActor, machine_id: str, serial: str) -> Response:
    """Take somebody's access away."""
    parts.fleet.revoke(actor, machine_id, serial)
    return onward(f"/machines/{machine_id}", "revoked")


@router.get("/machines/{machine_id}/log")
def log(parts: CurrentParts, actor: CurrentActor, machine_id: str) -> PlainTextResponse:
    """The latest lines, as text."""
    return PlainTextResponse(_log(parts, actor, machine_id), headers={"Cache-Control": "no-store"})


@router.get("/machines/{machine_id}/log/latest")
def log_fragment(parts: CurrentParts, actor: CurrentActor, machine_id: str) -> Response:
    """The same, as the page's part that asks for it again and again."""
    from markupsafe import escape

    try:
        text = _log(parts, actor, machine_id)
    except Problem as problem:
        text = problem.detail
    return HTMLResponse(str(escape(text)), headers={"Cache-Control": "no-store"})


def _log(parts: CurrentParts, actor: Actor, machine_id: str) -> str:
    lines = parts.fleet.log(actor, machine_id, tail=LOG_LINES)
    return b"".join(lines).decode("utf-8", "replace")

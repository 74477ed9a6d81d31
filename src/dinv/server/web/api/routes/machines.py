"""Machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from dinv.server.models import Event, Machine, MachineState, Share
from dinv.server.web.api import streams
from dinv.server.web.api.values import (
    CertificateMade,
    CertificateWanted,
    Extension,
    MachinePage,
    MachineWanted,
    ShareWanted,
    period,
    problems,
)
from dinv.server.web.api.versions import IfMatch, IfNoneMatch, etag, expected, with_etag
from dinv.server.web.given import CurrentActor, CurrentAsks, CurrentParts
from dinv.server.web.threads import InThread
from dinv.system.deadline import Deadline

router = APIRouter(route_class=InThread, prefix="/machines", tags=["machines"])

MachineId = Annotated[
    str, Path(max_length=64, pattern=r"^[A-Za-z0-9.-]+$", description="Its id, or your own name for it")
]
Serial = Annotated[str, Path(max_length=64, pattern=r"^[0-9a-fA-F]+$")]
_ETAG: dict[str, Any] = {"ETag": {"schema": {"type": "string"}, "description": "Its version"}}
_LOG = "text/plain; charset=utf-8"
_LOCATION: dict[str, Any] = {
    "Location": {"schema": {"type": "string"}, "description": "Where its state and events are"}
}


@router.get("", responses=problems())
def machines(
    parts: CurrentParts,
    actor: CurrentActor,
    everybody: Annotated[bool, Query(description="For operators and auditors")] = False,
    search: Annotated[str, Query(max_length=100)] = "",
    state: MachineState | Literal[""] = "",
    after: Annotated[str, Query(max_length=200)] = "",
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> MachinePage:
    """List machines: one's own, or everybody's."""
    found, following = parts.fleet.machines(
        actor, everybody=everybody, search=search, state=state, after=after, limit=limit
    )
    return MachinePage(machines=found, after=following)


@router.post(
    "",
    status_code=202,
    responses={
        201: {"model": Machine, "description": "It is ready", "headers": {**_ETAG, **_LOCATION}},
        202: {"description": "It is being made, or waits", "headers": {**_ETAG, **_LOCATION}},
        **problems(404, 409, 410),
    },
)
def request(
    parts: CurrentParts,
    actor: CurrentActor,
    response: Response,
    wanted: MachineWanted,
    key: Annotated[
        str | None,
        Header(alias="Idempotency-Key", max_length=128, description="The same key again is the same machine"),
    ] = None,
) -> Machine:
    """Ask for a machine: the button."""
    machine = parts.fleet.request(
        actor,
        wanted.template,
        wanted.name or "",
        ttl=period(wanted.ttl) if wanted.ttl else None,
        key=key or "",
    )
    response.status_code = 201 if machine.state == "ready" else 202
    response.headers["Location"] = f"/api/v1/machines/{machine.id}"
    return with_etag(response, machine)


@router.get(
    "/{machine_id}",
    response_model=Machine,
    responses={
        200: {"headers": _ETAG},
        304: {"description": "It is as it was"},
        **problems(404),
    },
)
def machine(
    parts: CurrentParts,
    actor: CurrentActor,
    response: Response,
    machine_id: MachineId,
    if_none_match: IfNoneMatch = None,
) -> Machine | Response:
    """Look at one."""
    found = parts.fleet.machine(actor, machine_id)
    if if_none_match is not None and if_none_match.strip() == etag(found):
        return Response(status_code=304, headers={"ETag": etag(found)})
    return with_etag(response, found)


@router.delete("/{machine_id}", status_code=202, responses=problems(404, 409, 412))
def remove(
    parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, if_match: IfMatch = None
) -> Machine:
    """Remove it, with all that is in it."""
    return parts.fleet.remove(actor, machine_id, version=expected(if_match))


@router.post("/{machine_id}/extend", responses={200: {"headers": _ETAG}, **problems(404, 409, 412)})
def extend(
    parts: CurrentParts,
    actor: CurrentActor,
    response: Response,
    machine_id: MachineId,
    wanted: Extension,
    if_match: IfMatch = None,
) -> Machine:
    """Give it more time: `by` from now, as far as its template allows."""
    changed = parts.fleet.extend(actor, machine_id, period(wanted.by), version=expected(if_match))
    return with_etag(response, changed)


@router.post("/{machine_id}/start", status_code=202, responses=problems(404, 409, 412))
def start(
    parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, if_match: IfMatch = None
) -> Machine:
    """Start it."""
    return parts.fleet.start(actor, machine_id, version=expected(if_match))


@router.post("/{machine_id}/stop", status_code=202, responses=problems(404, 409, 412))
def stop(
    parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, if_match: IfMatch = None
) -> Machine:
    """Stop it; what is in it stays."""
    return parts.fleet.stop(actor, machine_id, version=expected(if_match))


@router.post("/{machine_id}/restart", status_code=202, responses=problems(404, 409, 412))
def restart(
    parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, if_match: IfMatch = None
) -> Machine:
    """Stop and start it."""
    return parts.fleet.restart(actor, machine_id, version=expected(if_match))


@router.post("/{machine_id}/certificate", status_code=201, responses=problems(404, 409))
def certificate(
    parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, wanted: CertificateWanted
) -> CertificateMade:
    """A client certificate for its owner."""
    csr = wanted.csr.encode() if wanted.csr is not None else None
    return CertificateMade.of(parts.fleet.certificate(actor, machine_id, csr))


@router.get("/{machine_id}/shares", responses=problems(404))
def shares(parts: CurrentParts, actor: CurrentActor, machine_id: MachineId) -> list[Share]:
    """Who has access."""
    return parts.fleet.shares(actor, machine_id)


@router.post("/{machine_id}/shares", status_code=201, responses=problems(404, 409))
def share(
    parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, wanted: ShareWanted
) -> CertificateMade:
    """Give somebody else access."""
    csr = wanted.csr.encode() if wanted.csr is not None else None
    return CertificateMade.of(parts.fleet.share(actor, machine_id, wanted.holder, period(wanted.ttl), csr))


@router.delete("/{machine_id}/shares/{serial}", status_code=202, responses=problems(404, 409))
def revoke(parts: CurrentParts, actor: CurrentActor, machine_id: MachineId, serial: Serial) -> Machine:
    """Take access away: the certificate is refused within seconds, while the endpoint answers."""
    parts.fleet.revoke(actor, machine_id, serial)
    return parts.fleet.machine(actor, machine_id)


@router.get("/{machine_id}/events", responses=problems(404))
def events(
    parts: CurrentParts,
    actor: CurrentActor,
    machine_id: MachineId,
    after: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 500,
) -> list[Event]:
    """What happened, from the event after this one on."""
    return parts.fleet.events(actor, machine_id, after=after, limit=limit)


@router.get(
    "/{machine_id}/events/stream",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **problems(404),
    },
)
def event_stream(
    parts: CurrentParts,
    actor: CurrentActor,
    asks: CurrentAsks,
    machine_id: MachineId,
    last: Annotated[str | None, Header(alias="Last-Event-ID", max_length=20, pattern=r"^[0-9]*$")] = None,
) -> StreamingResponse:
    """The same, as it happens (server-sent events); ends when the machine is ready, failed or gone."""
    found = parts.fleet.machine(actor, machine_id)
    return StreamingResponse(
        streams.events(parts, asks, found.id, int(last or 0)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


@router.get(
    "/{machine_id}/log",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(404, 409)},
)
async def log(
    parts: CurrentParts,
    actor: CurrentActor,
    asks: CurrentAsks,
    machine_id: MachineId,
    tail: Annotated[int, Query(ge=0, le=10_000)] = 200,
    follow: bool = False,
) -> StreamingResponse:
    """The machine's own log; what is followed ends when the machine is not one's own any more."""
    fleet = parts.fleet
    if not follow:
        lines = await run_in_threadpool(fleet.log, actor, machine_id, tail=tail)
        return StreamingResponse(lines, media_type=_LOG)

    def read(until: Deadline) -> Iterator[bytes]:
        return fleet.log(actor, machine_id, tail=tail, follow=until)

    followed = parts.logs.follow(read, whose=actor.person.id)
    await followed.begin()
    pieces = followed.pieces(lambda: fleet.machine(asks(), machine_id), parts.stopping.is_set)
    return StreamingResponse(pieces, media_type=_LOG)

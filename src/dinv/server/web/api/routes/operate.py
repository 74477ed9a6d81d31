"""Templates, endpoints, pools, quotas, audit: seen as far as one may, changed by operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query

from dinv.server.models import Endpoint, Pool, Quota, Template
from dinv.server.web.api.values import (
    AuditPage,
    EndpointWanted,
    PoolChange,
    QuotaWanted,
    Standing,
    problems,
)
from dinv.server.web.given import CurrentActor, CurrentParts, Overseer
from dinv.server.web.threads import InThread

router = APIRouter(route_class=InThread)

LARGEST_TEMPLATE = 65536
"""Characters."""
Name = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Subject = Annotated[str, Path(max_length=80, pattern=r"^(user:.+|team:.+|every-user|every-team)$")]


@router.get("/templates", tags=["templates"], responses=problems())
def templates(parts: CurrentParts, actor: CurrentActor) -> list[Template]:
    """Those that one may have, the default one first."""
    return parts.fleet.templates(actor)


@router.put("/templates", tags=["templates"], responses=problems(409))
def put_template(
    parts: CurrentParts,
    actor: CurrentActor,
    document: Annotated[str, Body(embed=True, max_length=LARGEST_TEMPLATE, description="YAML")],
) -> Template:
    """Add one, or change the one of this name."""
    return parts.fleet.put_template(actor, document)


@router.delete("/templates/{name}", status_code=204, tags=["templates"], responses=problems(404))
def remove_template(parts: CurrentParts, actor: CurrentActor, name: Name) -> None:
    """Machines that were made from it stay."""
    parts.fleet.remove_template(actor, name)


@router.get("/endpoints", tags=["endpoints"], responses=problems())
def endpoints(parts: CurrentParts, actor: CurrentActor) -> list[Endpoint]:
    """All, with what is taken there."""
    return parts.fleet.endpoints(actor)


@router.put("/endpoints/{name}", tags=["endpoints"], responses=problems(409))
def put_endpoint(parts: CurrentParts, actor: CurrentActor, name: Name, wanted: EndpointWanted) -> Endpoint:
    """Add one, or change it."""
    return parts.fleet.put_endpoint(
        actor,
        name,
        options=dict(wanted.options),
        weight=wanted.weight,
        max_machines=wanted.max_machines,
        cpus=wanted.cpus,
        memory=wanted.memory,
        labels=wanted.labels,
        enabled=wanted.enabled,
    )


@router.delete("/endpoints/{name}", status_code=204, tags=["endpoints"], responses=problems(404, 409))
def remove_endpoint(parts: CurrentParts, actor: CurrentActor, name: Name) -> None:
    """Only when no machine is on it."""
    parts.fleet.remove_endpoint(actor, name)


@router.get("/pools", tags=["pools"], responses=problems())
def pools(parts: CurrentParts, actor: CurrentActor) -> list[Pool]:
    """Those of the templates that one may have."""
    return parts.fleet.pools(actor)


@router.patch("/pools/{template}", tags=["pools"], responses=problems(404, 409))
def set_pool(
    parts: CurrentParts,
    actor: CurrentActor,
    template: Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")],
    wanted: PoolChange,
) -> Pool:
    """How many are kept ready, or whether it is paused."""
    return parts.fleet.set_pool(
        actor, template, size=wanted.size, maximum=wanted.maximum, paused=wanted.paused
    )


@router.get("/quotas", tags=["quotas"], responses=problems())
def quotas(parts: CurrentParts, actor: CurrentActor) -> list[Quota]:
    """All that are set."""
    return parts.fleet.quotas(actor)


@router.put("/quotas/{subject}", tags=["quotas"], responses=problems(404))
def set_quota(parts: CurrentParts, actor: CurrentActor, subject: Subject, wanted: QuotaWanted) -> Quota:
    """All limits of a subject at once."""
    quota = Quota(subject, wanted.machines, wanted.cpus, wanted.memory, wanted.cache, wanted.hours)
    parts.fleet.set_quota(actor, quota)
    return quota


@router.get("/usage", tags=["quotas"], responses=problems(404))
def usage(
    parts: CurrentParts, actor: CurrentActor, subject: Annotated[str, Query(max_length=80)] = ""
) -> Standing:
    """What a person or a team has, and may have; one's own without a subject."""
    used, quota = parts.fleet.usage(actor, subject)
    return Standing(used=used, quota=quota)


@router.get("/audit", tags=["audit"], responses=problems(404))
def audit(
    parts: CurrentParts,
    _: Overseer,
    search: Annotated[str, Query(max_length=100)] = "",
    actor: Annotated[str, Query(max_length=128)] = "",
    action: Annotated[str, Query(max_length=64)] = "",
    about: Annotated[str, Query(alias="object", max_length=255)] = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before: Annotated[int | None, Query(ge=1, le=2**62)] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> AuditPage:
    """Who did what, the latest first."""
    entries = parts.audit.entries(
        search=search,
        actor=actor,
        action=action,
        object=about,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    return AuditPage(entries=entries, before=entries[-1].seq if len(entries) == limit else None)

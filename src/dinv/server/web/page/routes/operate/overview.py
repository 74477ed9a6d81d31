"""Endpoints with their capacity, and pools."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from dinv.server.models import Actor, Endpoint, Pool
from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page import reading
from dinv.server.web.page.rendering import onward, page

router = APIRouter(prefix="/operate")

MOST_ENDPOINTS = 8
"""Those that somebody has to look at come first; all of them have a page of their own."""


@router.get("")
def overview(request: Request, parts: CurrentParts, actor: Overseer) -> HTMLResponse:
    """Endpoints with their capacity, and pools."""
    pools = parts.fleet.pools(actor)
    endpoints = parts.fleet.endpoints(actor)
    return page(
        request,
        "operate/overview.html",
        actor=actor,
        here="overview",
        endpoints=sorted(endpoints, key=_is_well)[:MOST_ENDPOINTS],
        endpoint_count=len(endpoints),
        pools=pools,
        counts=_counts(parts, actor, pools),
    )


def _counts(parts: CurrentParts, actor: Actor, pools: list[Pool]) -> dict[str, int]:
    by_state = parts.fleet.counts(actor)
    return {
        "machines": sum(by_state.values()) - by_state.get("waiting", 0),
        "waiting": by_state.get("waiting", 0),
        "ready": sum(pool.ready for pool in pools),
        "failed": by_state.get("failed", 0),
    }


def _is_well(endpoint: Endpoint) -> bool:
    return endpoint.enabled and endpoint.state == "ok" and not endpoint.strangers


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

"""Who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, StreamingResponse

from dinv.server.web.given import CurrentParts, Overseer
from dinv.server.web.page.rendering import page
from dinv.server.web.page.routes.operate.written import PAGE

router = APIRouter(prefix="/operate")


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
        sought=q,
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

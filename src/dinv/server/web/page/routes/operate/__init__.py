"""What operators and auditors see: everything. What they may change, Fleet and People check."""

from __future__ import annotations

from fastapi import APIRouter

from dinv.server.web.page.routes.operate import (
    audit,
    endpoints,
    machines,
    overview,
    people,
    quotas,
    templates,
)

router = APIRouter()
for part in (overview, machines, templates, endpoints, people, quotas, audit):
    router.include_router(part.router)

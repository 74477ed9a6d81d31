"""All routes of the API, as one router for the application."""

from __future__ import annotations

from fastapi import APIRouter

from dinv.server.web.api.routes import machines, operate, people

router = APIRouter(prefix="/api/v1")
for part in (people, machines, operate):
    router.include_router(part.router)

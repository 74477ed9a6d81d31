"""All routes of the page, as one router for the application."""

from __future__ import annotations

from fastapi import APIRouter

from dinv.server.web.page.routes import account, machines, operate, sign_in, static_files

router = APIRouter(include_in_schema=False)
for part in (static_files, sign_in, account, machines, operate):
    router.include_router(part.router)

"""The API: everything that the page can do, for programs. OpenAPI 3.1 at /api/openapi.json.

JSON in and out; errors are problem+json (RFC 9457). What takes long is answered with 202 and a Location, and
its progress are the machine's events. A machine's `version` is its ETag: If-Match keeps two programs from
undoing each other's changes. POST /api/v1/machines takes an Idempotency-Key.
"""

from __future__ import annotations

from fastapi import FastAPI


def install(app: FastAPI) -> None:
    """Add the API to the application, with its description."""
    from dinv.server.web.api.description import describe
    from dinv.server.web.api.routes.api import router

    app.include_router(router)
    describe(app)

"""The API's description, OpenAPI 3.1, at /api/openapi.json: for anybody: it tells nothing of a server."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from dinv import __version__
from dinv.server.web.api.values import ProblemSeen

PATH = "/api/openapi.json"


def describe(app: FastAPI) -> None:
    """Make the description, once it is asked for, and serve it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
        return app.openapi_schema

    def answer() -> JSONResponse:
        return JSONResponse(openapi())

    app.openapi = openapi  # type: ignore[method-assign]
    app.add_api_route(PATH, answer, include_in_schema=False)


def _made(app: FastAPI) -> dict[str, Any]:
    found: dict[str, Any] = get_openapi(
        title="dinv",
        version=__version__,
        summary="Docker hosts for a team",
        description=(
            "Tokens are made on the page, under one's name; the command line gets one by itself. Errors are "
            "problem+json (RFC 9457); their type is urn:dinv:problem:KIND."
        ),
        routes=app.routes,
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas["ProblemSeen"] = ProblemSeen.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schemas["ProblemSeen"].pop("$defs", {}))
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in found["paths"].items():
        for operation in operations.values():
            # Only what begins a sign-in needs no token.
            operation["security"] = [] if path.startswith("/api/v1/device") else [{"token": []}]
            # The framework's own shape of errors is none of ours.
            operation["responses"].get("422", {}).get("content", {}).pop("application/json", None)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    return found

"""For those who watch the server: /healthz (it runs), /readyz (it can serve), /metrics (Prometheus).

/metrics is for programs of this computer, asked directly, and for tokens of operators and auditors. A request
that came through a proxy is not from this computer, whoever the proxy is.
"""

from __future__ import annotations

import ipaddress

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from dinv.server.problems import Forbidden, NotSignedIn, Unavailable
from dinv.server.web import figures
from dinv.server.web.guards import PartsOf, bearer
from dinv.server.web.parts import Parts

router = APIRouter(include_in_schema=False)
_OF_PROXIES = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@router.get("/healthz")
async def healthz() -> Response:
    """Whether the process answers at all: it needs nothing else, not even a thread.

    All threads may be waiting for a database that is gone; a server that is ended for it helps nobody.
    """
    return PlainTextResponse("ok\n")


@router.get("/readyz")
def readyz(parts: PartsOf) -> Response:
    """Whether requests should be sent here: the database answers, and the server is not about to stop."""
    if parts.stopping.is_set():
        raise Unavailable("The server is stopping.", retry_after=5)
    parts.database.check()
    return PlainTextResponse("ready\n")


@router.get("/metrics")
def metrics(request: Request, parts: PartsOf) -> Response:
    """Figures, in Prometheus's text format."""
    if not _is_from_here(request):
        _check_token(request, parts)
    return Response(figures.text(parts.fleet), media_type=CONTENT_TYPE_LATEST)


def _is_from_here(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _OF_PROXIES):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback and not request.app.state.behind_proxy
    except ValueError:
        return False


def _check_token(request: Request, parts: Parts) -> None:
    address = request.client.host if request.client else ""
    actor = parts.people.token(
        bearer(request), address=address, request_id=request.scope.get("dinv.request_id", "")
    )
    if actor is None:
        raise NotSignedIn("This needs a token of an operator or auditor: Authorization: Bearer dinv_...")
    if not actor.sees_all:
        raise Forbidden("Only operators and auditors may see the server's figures.")

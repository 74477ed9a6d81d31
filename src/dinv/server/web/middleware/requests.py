"""Around every request: its id, its line in the log, its figures, and an answer whatever happens."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dinv.server.database.schema import new_id
from dinv.server.measures import REQUEST_SECONDS
from dinv.server.web import answers
from dinv.server.web.log import LOG

_QUIET = ("/healthz", "/readyz", "/metrics")


class Requests:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id()
        scope["dinv.request_id"] = request_id
        status = 0
        begun = time.monotonic()

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, answering)
        except Exception:  # noqa: BLE001  # whatever it is: it is logged, and answered if it still can be
            problem = answers.unexpected(request_id)
            if not status:
                await answers.answer(scope, problem)(scope, receive, answering)
        finally:
            self._record(scope, status, time.monotonic() - begun)

    @staticmethod
    def _record(scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "")
        REQUEST_SECONDS.labels(scope["method"], route or "none", str(status)).observe(seconds)
        if route in _QUIET and status < 400:
            return
        fields = {
            "request_id": scope["dinv.request_id"],
            "address": scope["client"][0] if scope.get("client") else "",
            "actor": scope.get("dinv.actor") or None,
            "method": scope["method"],
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "problem": scope.get("dinv.problem"),
        }
        LOG.info("request", extra=fields)

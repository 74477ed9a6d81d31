"""After whatever may have asked for an operation, workers look at once, and not at their next round."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

_ASKS_NOTHING = ("GET", "HEAD", "OPTIONS")


class Waking:
    """ASGI middleware. What was asked for is committed when its answer has been sent."""

    def __init__(self, app: ASGIApp, wake: Callable[[], None]) -> None:
        self._app = app
        self._wake = wake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        await self._app(scope, receive, send)
        if scope["type"] == "http" and scope["method"] not in _ASKS_NOTHING:
            self._wake()

"""Bounds of a request: its address, its headers, its body, and the time that the body may take."""

from __future__ import annotations

import asyncio
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dinv.server.problems import TooLarge
from dinv.server.web import answers
from dinv.server.web.answers import TooSlow

LONGEST_ADDRESS = 4096
LARGEST_HEADERS = 16 * 1024
MOST_HEADERS = 100
LARGEST_BODY = 1024 * 1024
BODY_SECONDS = 30.0


class Limits:
    """ASGI middleware: refuses at once what says that it is too large, and cuts off what turns out to be."""

    def __init__(
        self, app: ASGIApp, *, largest_body: int = LARGEST_BODY, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._app = app
        self._largest_body = largest_body
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def answering(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, self._bounded(receive), answering)
        except (TooLarge, TooSlow) as problem:
            if not begun:
                await answers.answer(scope, problem)(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > LONGEST_ADDRESS:
            raise TooLarge(f"The address has more than {LONGEST_ADDRESS} characters.")
        headers = scope["headers"]
        size = sum(len(name) + len(value) for name, value in headers)
        if len(headers) > MOST_HEADERS or size > LARGEST_HEADERS:
            raise TooLarge(f"There are more than {MOST_HEADERS} headers, or {LARGEST_HEADERS} bytes of them.")
        for name, value in headers:
            if name == b"content-length" and (not value.isdigit() or int(value[:20]) > self._largest_body):
                raise self._too_large()

    def _bounded(self, receive: Receive) -> Receive:
        size = 0
        complete = False
        deadline = time.monotonic() + self._body_seconds

        async def receiving() -> Message:
            nonlocal size, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                raise TooSlow(f"The body did not arrive within {self._body_seconds:.0f} seconds.") from None
            size += len(message.get("body", b""))
            complete = message["type"] != "http.request" or not message.get("more_body", False)
            if size > self._largest_body:
                raise self._too_large()
            return message

        return receiving

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The body has more than {self._largest_body} bytes, and that is the most.")

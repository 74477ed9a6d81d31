"""Requests that another site has a browser make (CSRF) are refused, by what browsers say of their origin.

Browsers send Origin with every request that is not GET or HEAD, and Sec-Fetch-Site with all; no page can
forge either. Programs send neither, and have no cookie. Below /api/ no cookie counts (`guards.py`).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from dinv.server.problems import Forbidden
from dinv.server.web import answers
from dinv.server.web.cookies import SESSION, SIGN_IN

_SAFE = ("GET", "HEAD", "OPTIONS")


class Origin:
    """ASGI middleware. `public_url` as in the settings."""

    def __init__(self, app: ASGIApp, *, public_url: str = "") -> None:
        self._app = app
        self._public = origin_of(public_url) if public_url else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and scope["method"] not in _SAFE and not self._is_own(Request(scope)):
            problem = Forbidden(
                "The request comes from another site, or from a browser that does not say where from. "
                "Open this server's own page, and do it there."
            )
            await answers.answer(scope, problem)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_own(self, request: Request) -> bool:
        site = request.headers.get("sec-fetch-site")
        if site is not None and site not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        if origin is not None:
            own = f"{request.url.scheme}://{request.headers.get('host', '')}".lower()
            return origin.lower() in (self._public, _without_default_port(own), own)
        return site is not None or not (SESSION in request.cookies or SIGN_IN in request.cookies)


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it: scheme, host, and the port unless it is the usual."""
    parts = urlsplit(url)
    return _without_default_port(f"{parts.scheme}://{parts.netloc}".lower())


def _without_default_port(origin: str) -> str:
    default = {"https": ":443", "http": ":80"}.get(origin.partition(":")[0], "")
    return origin.removesuffix(default) if default else origin

"""Headers that every answer has: what browsers may do with it.

Scripts, styles and pictures come from here alone and never stand in the page; no other page may frame it; no
address of ours is told to other sites. The referrer stays within this origin rather than away altogether:
without any, browsers send `Origin: null` with forms, and `origin.py` could not tell them from forged ones.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
_ALWAYS = (
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("cache-control", "no-store"),
)
_YEAR = 31_536_000


class Headers:
    """ASGI middleware. What an answer says of itself is left as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._always = [(name.encode(), value.encode()) for name, value in _ALWAYS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answering(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.setdefault("headers", [])
                there = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in self._always if name not in there]
                # Browsers take it only from a certificate that they trust (RFC 6797, 8.1).
                if scope["scheme"] == "https" and not _is_local(scope):
                    headers.append((b"strict-transport-security", f"max-age={_YEAR}".encode()))
            await send(message)

        await self._app(scope, receive, answering)


def _is_local(scope: Scope) -> bool:
    """Tell whether the browser calls us localhost: the rule would hold for all other servers there too."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    return bool(host.partition(b":")[0].lower() == b"localhost")

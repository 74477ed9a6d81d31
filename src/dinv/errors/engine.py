"""What the Engine API answers a call with: one class for each kind of HTTP status."""

from __future__ import annotations

from dinv.errors.base import DinvError


class EngineError(DinvError):
    """The Engine API answered a call with an error.

    `status` is the HTTP status, `method` and `path` are the call (path without query), `message` is the
    engine's own error message.
    """

    def __init__(self, message: str, *, status: int = 0, method: str = "", path: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.method = method
        self.path = path


class BadRequest(EngineError):
    """400: the engine rejects the request."""


class Unauthorized(EngineError):
    """401 or 403: the engine, or the registry behind it, requires other credentials."""


class NotFound(EngineError):
    """404: no such container, image, volume or network."""


class Conflict(EngineError):
    """409: the name is taken, or the object is in the wrong state."""


class ServerError(EngineError):
    """500 and above."""


class ProtocolError(EngineError):
    """The answer is not what the Engine API promises: cut short, not JSON, not HTTP."""

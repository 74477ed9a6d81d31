"""The Docker API on which machines are created."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.wording import command, option


class EndpointError(DinvError):
    """The Docker API on which machines are created cannot be used."""


class NoEndpoint(EndpointError):
    """No endpoint was named and none was found. `tried`: pairs of what was tried, and the result."""

    def __init__(self, tried: list[tuple[str, str]]) -> None:
        lines = "".join(f"\n  {what}: {said}" for what, said in tried)
        super().__init__(
            f"No Docker endpoint answers. Tried:{lines}\n"
            "Name one with "
            + option("endpoint")
            + " or DINV_ENDPOINT, or start a private one here: "
            + command("engine", "start")
        )
        self.tried = tried


class EndpointUnreachable(EndpointError):
    """Nothing answers at the endpoint's address."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"Cannot reach the Docker endpoint {endpoint}: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class EndpointTLSError(EndpointError):
    """The TLS handshake with the endpoint failed, on either side."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"TLS with the Docker endpoint {endpoint} failed: {reason}")
        self.endpoint = endpoint
        self.reason = reason


class EndpointTooOld(EndpointError):
    """The endpoint's API version is too old for dinv."""

    def __init__(self, endpoint: str, found: str, needed: str) -> None:
        super().__init__(
            f"The Docker endpoint {endpoint} speaks API {found}; dinv needs {needed} or newer. "
            "Upgrade that engine, or name another endpoint with " + option("endpoint") + "."
        )
        self.endpoint = endpoint
        self.found = found
        self.needed = needed


class NotDone(EndpointError):
    """The endpoint reported success, but the result is missing. `what` was to be done."""

    def __init__(self, endpoint: str, what: str, found: str) -> None:
        super().__init__(
            f"{endpoint} said that it has {what}, but {found}. Perhaps something in between, such as a "
            f"proxy, answers instead of the endpoint: try again, or do it on the endpoint itself."
        )
        self.endpoint = endpoint
        self.what = what


class LocalEngineError(EndpointError):
    """dinv's own engine on this computer cannot be started or stopped. `log` has its last log lines."""

    def __init__(self, message: str, log: list[str] | None = None) -> None:
        tail = "".join(f"\n  {line}" for line in log or ())
        super().__init__(message + f" Its last lines:{tail}" if tail else message)
        self.log = log or []

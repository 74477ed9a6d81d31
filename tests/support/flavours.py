"""The endpoints that one suite runs on, and users of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from users import User

from dinv.drivers.machine_urls import machine_urls
from dinv.endpoints.resolve import resolve
from dinv.store.store import Store

if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

HOST_NAME = "Hostname"
"""What dinv asks of VIC before 1.3 in vain, and does not rely on: the machine's name as its host name."""
NO_OVERWRITE = "?noOverwriteDirNonDir"
"""What dinv asks of any endpoint and does not rely on: it looks what is there before it copies."""
MALFORMED = (
    "Content-Type specified",
    "json: cannot unmarshal",
    "bad driver value",
    "bad parameter",
    "plugin not found",
    "invalid bind mount spec",
    "[POST /scopes/{scope}/containers]",
    "is not currently supported by vic",
    "Invalid filter",
)
"""What a VCH says to a call that no state of it could make right."""


class Place:
    """An endpoint: `flavour` is what dinv finds it to be, `endpoint` what `--endpoint` takes."""

    def __init__(self, flavour: str, endpoint: str, *, vch: VchSimulator | None = None) -> None:
        self.flavour = flavour
        self.endpoint = endpoint
        self.vch = vch

    @property
    def isolation(self) -> str:
        return "vm" if self.flavour == "vch" else "capabilities"


class Resident(User):
    """A user of any endpoint: also of one that is named by a file of vic-machine's."""

    def engine(self) -> Engine:
        """A client of the user's endpoint."""
        endpoint = resolve(self.endpoint, Store(self.store), machine_urls=machine_urls, environ={})
        return endpoint.engine(timeout=30)


class Simulate(Protocol):
    """Starts a VCH, with VchSimulator's settings."""

    def __call__(self, **settings: Any) -> VchSimulator: ...


class At(Protocol):
    """Makes a user of an endpoint: an address, or a file of vic-machine's."""

    def __call__(self, endpoint: str) -> Resident: ...


def check_calls(vch: VchSimulator) -> None:
    """Fail where a VCH was asked for what it does not have, or for what it passes over in silence."""
    for call in vch.calls:
        assert not call.failure, call.failure
        assert call.implemented, f"no VCH has {call.method} {call.path}"
        assert call.api in (None, "1.25"), f"a VCH speaks no API {call.api}: {call.method} {call.path}"
        unheard = set(call.ignored) - {NO_OVERWRITE}
        if not vch.settings.release.hostname:
            unheard -= {HOST_NAME}
        assert not unheard, f"a VCH does not hear of {unheard} in {call.method} {call.path}"
        malformed = any(words in call.error for words in MALFORMED)
        assert not malformed, f"a VCH refuses {call.method} {call.path}: {call.error}"

"""What the server needs of machines: the narrow seam between its decisions and dinv's library.

`library.py` does it with `dinv.machines`; the tests' world in memory (tests/support/fake_machines.py) is the
other one. Machines are known by their host name, which is theirs for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from dinv.progress import Progress
from dinv.system.deadline import Deadline

Options = Mapping[str, object]
"""Of `Machines.create`: of a machine with its endpoint's, or those that name an endpoint."""
ThingState = Literal["running", "stopped", "changing", "broken"]


@dataclass(frozen=True)
class Facts:
    """What a working copy says of its machine, without a call; `finished`: its create has finished."""

    identity: str
    url: str
    docker_version: str
    finished: bool


@dataclass(frozen=True)
class Thing:
    """A container on an endpoint that is one of dinv's machines, whoever made it."""

    name: str
    identity: str
    state: ThingState


@dataclass(frozen=True)
class Look:
    """What an endpoint answers; `cpus` and `memory` (bytes) are all it has, 0 if it does not say."""

    things: tuple[Thing, ...]
    cpus: float = 0.0
    memory: int = 0


@dataclass(frozen=True)
class Signed:
    """A client certificate, by the machine's own CA; `certificate` is the chain, `key` None for a CSR."""

    url: str
    ca: bytes
    certificate: bytes
    serial: str
    not_after: datetime
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Activity:
    """`idle` in seconds; None if what runs there cannot tell."""

    connections: int
    containers: int
    idle: float | None


class Hosts(Protocol):
    """Machines on endpoints, and the working copies of their directories on this server.

    Calls about one machine come one at a time (`copies.py` sees to that). What is done already is not an
    error: everything may be done again after a kill. All raise DinvError.
    """

    # On the endpoint, by the working copy

    def create(self, name: str, options: Options, progress: Progress) -> None:
        """Make it; what a killed create has left in the working copy is removed from the endpoint first.

        Before anything is on the endpoint, `progress.at_step("create", "image")` is called: from then on the
        working copy says what to remove. After an error nothing is left, or the working copy is.
        """

    def start(self, name: str, progress: Progress) -> None: ...

    def stop(self, name: str, progress: Progress) -> None: ...

    def restart(self, name: str, progress: Progress) -> None: ...

    def remove(self, name: str, progress: Progress) -> None:
        """Remove everything of it on its endpoint, then the working copy."""

    def revoke(self, name: str, serial: str, progress: Progress) -> None: ...

    def renew(self, name: str, progress: Progress) -> None:
        """Renew those of its own certificates that are due, while it runs; its CA stays."""

    def activity(self, name: str) -> Activity: ...

    def cache_used(self, name: str) -> int:
        """Return how many bytes its image cache has."""

    def log(self, name: str, *, tail: int, follow: Deadline | None) -> Iterator[bytes]: ...

    # Endpoints

    def look(self, endpoint: Options) -> Look:
        """Ask an endpoint what is on it, one machine's container a Thing. Some seconds at most."""

    # Working copies; no calls

    def names(self) -> list[str]: ...

    def facts(self, name: str) -> Facts | None:
        """Return None if there is no working copy, or one without a record."""

    def renew_at(self, name: str) -> datetime | None:
        """Return when its own certificates are to be renewed, by the working copy; None for never."""

    def certify(self, name: str, holder: str, *, lifetime: int, csr: bytes | None) -> Signed:
        """Sign, and add that to the record of issuance in the working copy; `lifetime` in seconds."""

    def pack(self, name: str) -> bytes:
        """Return the working copy, also of a create that is under way: keys, record and all."""

    def unpack(self, name: str, data: bytes) -> None:
        """Replace the working copy by what `pack` returned, there or elsewhere."""

    def forget(self, name: str) -> None:
        """Remove the working copy; nothing on an endpoint."""

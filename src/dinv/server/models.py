"""The values that the parts of the server hand to each other. They hold no secret, and change nothing.

Times are datetimes in UTC, by the database's clock; memory and caches in bytes; CPUs as Docker counts them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Role = Literal["user", "operator", "auditor"]
Via = Literal["session", "token", "system"]
Scope = Literal["read", "machines", "operate"]
"""What a token may do: look; also have machines; also what operators may, if its owner is one."""

MachineState = Literal[
    "waiting",
    "creating",
    "ready",
    "starting",
    "stopping",
    "stopped",
    "removing",
    "removed",
    "failed",
    "parked",
]
"""`waiting`: in the queue, on no endpoint. `failed`: its create failed, and is undone; an owner sees why.
`parked`: of a pool, failed, and kept for operators to look at."""
OperationKind = Literal["create", "start", "stop", "restart", "remove", "revoke", "renew"]


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    id: str
    name: str
    display_name: str
    email: str
    role: Role
    teams: tuple[str, ...] = ()
    issuer: str = ""
    """"" for a local account."""
    disabled: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True)
class Session:
    """A browser that somebody is signed in with."""

    address: str
    """Where it was begun."""
    begun_at: datetime
    seen_at: datetime
    is_current: bool
    """Whether it is the one that asks."""


@dataclass(frozen=True)
class Actor:
    """Who asks, and how: what every call of Fleet and People is checked against, and what audit records."""

    person: Person
    via: Via
    scopes: frozenset[Scope] = frozenset({"read", "machines", "operate"})
    token_id: str = ""
    address: str = ""
    request_id: str = ""

    @property
    def is_operator(self) -> bool:
        return self.person.role == "operator" and "operate" in self.scopes

    @property
    def sees_all(self) -> bool:
        return self.person.role in ("operator", "auditor")


@dataclass(frozen=True)
class Endpoint:
    """Where machines are made, and how much is taken there."""

    id: str
    name: str
    options: dict[str, Any]
    """The options of `create` that name it: endpoint, endpoint_cert_path ... (paths on the server)."""
    weight: int = 1
    max_machines: int | None = None
    cpus: float | None = None
    memory: int | None = None
    labels: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    state: Literal["unknown", "ok", "failing", "unreachable"] = "unknown"
    """Nothing is made on one that is "failing", creates having failed there, or "unreachable"."""
    error: str = ""
    checked_at: datetime | None = None
    failures: int = 0
    """Creates that failed there in a row."""
    not_before: datetime | None = None
    """While it is failing: when it is tried again."""
    machines: int = 0
    used_cpus: float = 0.0
    used_memory: int = 0
    strangers: tuple[str, ...] = ()
    """Names of dinv's things there that this server does not know: shown, never touched."""


@dataclass(frozen=True)
class Template:
    """A kind of machine that people may press the button for; a pool of it is kept ready."""

    id: str
    name: str
    title: str
    description: str
    document: str
    """The YAML as the operator wrote it."""
    options: dict[str, Any]
    """The options of `create` that it says."""
    generation: str
    ttl: int
    """Seconds; 0 for no limit."""
    longest_ttl: int
    idle_ttl: int
    cpus: float
    memory: int
    cache: int
    endpoint_labels: dict[str, str] = field(default_factory=dict)
    teams: tuple[str, ...] = ()
    """Who may have it; empty for everybody."""
    is_default: bool = False
    pool_size: int = 0
    pool_max: int = 0
    pool_paused: bool = False


@dataclass(frozen=True)
class Machine:
    """A machine, from the request to its removal."""

    id: str
    name: str
    """Its owner's word for it; "" while it is of a pool."""
    host_name: str
    """Its name in the store and on its endpoint; never changes, unique for ever."""
    owner: str
    """Name of the person; "" while it is of a pool."""
    owner_id: str
    team: str
    template: str
    generation: str
    endpoint: str
    state: MachineState
    url: str
    version: int
    """Counts its changes: the ETag."""
    created_at: datetime
    ready_at: datetime | None = None
    claimed_at: datetime | None = None
    expires_at: datetime | None = None
    idle_ttl: int = 0
    cpus: float = 0.0
    memory: int = 0
    cache_used: int | None = None
    cache: int = 0
    place: int | None = None
    """In the queue, from 1, while it waits."""
    waits_for: str = ""
    error: str = ""
    docker_version: str = ""
    pooled: bool = False
    """Whether it came from a pool."""


@dataclass(frozen=True)
class Event:
    """`id` counts up over all machines: what SSE's Last-Event-ID names."""

    id: int
    machine_id: str
    time: datetime
    kind: Literal["state", "progress", "note", "warning", "error"]
    text: str


@dataclass(frozen=True)
class Certificate:
    """What a user needs to reach a machine; `key` is None when the user made it. Never kept, never logged."""

    url: str
    ca: bytes
    certificate: bytes
    serial: str
    not_after: datetime
    key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Share:
    """Somebody's access to a machine: a client certificate, known by its serial number."""

    serial: str
    holder: str
    """Name of a person, or any name for somebody without an account."""
    given_by: str
    given_at: datetime
    not_after: datetime
    revoked_at: datetime | None = None
    is_owner: bool = False


@dataclass(frozen=True)
class Quota:
    """None: no limit. `hours`: of machines, within 30 days."""

    subject: str
    """"user:NAME", "team:NAME", "every-user", "every-team"."""
    machines: int | None = None
    cpus: float | None = None
    memory: int | None = None
    cache: int | None = None
    hours: float | None = None


@dataclass(frozen=True)
class Usage:
    """What somebody has now, and the hours of the last 30 days."""

    machines: int
    cpus: float
    memory: int
    cache: int
    hours: float


@dataclass(frozen=True)
class Desk:
    """What somebody finds when they come: what they may have, and what they have."""

    templates: list[Template]
    """The preselected one first."""
    ready: dict[str, int]
    """How many machines wait ready, by template; those without any are left out."""
    machines: list[Machine]
    """Their own, the newest first."""
    used: Usage
    quota: Quota


@dataclass(frozen=True)
class Pool:
    """A template's machines that wait for somebody, counted."""

    template: str
    size: int
    maximum: int
    paused: bool
    ready: int
    creating: int
    parked: int
    claimed: int
    generation: str
    failures: int = 0
    next_attempt: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class AuditEntry:
    """A line of the audit log."""

    seq: int
    time: datetime
    actor: str
    via: str
    action: str
    object: str
    result: str
    address: str
    request_id: str
    detail: dict[str, Any]
    previous: str
    digest: str

"""What is sent to the API, and what comes back where that is not a value of `dinv.server.models` as it is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dinv.formats.durations import parse_duration
from dinv.server.models import (
    AuditEntry,
    Certificate,
    Machine,
    Person,
    Quota,
    Role,
    Scope,
    Usage,
)

LONGEST_SECONDS = 3650 * 86400


def _is_period(text: str) -> str:
    if not 0 < parse_duration(text) <= LONGEST_SECONDS:
        raise ValueError("is not between a second and ten years")
    return text


Period = Annotated[
    str,
    Field(
        pattern=r"^(?:[0-9]{1,5}d)?(?:[0-9]{1,5}h)?(?:[0-9]{1,5}m)?(?:[0-9]{1,9}s)?$",
        min_length=2,
        max_length=24,
        description="Numbers and units, such as 90m, 8h, 30d or 1d12h",
        examples=["8h"],
    ),
    AfterValidator(_is_period),
]
Name = Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$")]
Holder = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$")]
SigningRequest = Annotated[
    str, Field(max_length=65536, description="PEM: the key stays where it was made. Without it, one is made")
]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Number = Annotated[float, Field(ge=0, le=1e9)]
Size = Annotated[int, Field(ge=0, le=2**60, description="Bytes")]
Label = Annotated[str, Field(max_length=200)]


def period(text: str) -> timedelta:
    """A Period as a timedelta."""
    return timedelta(seconds=parse_duration(text))


class Sent(BaseModel):
    """What is sent: a key that is not known is an error, and not passed over."""

    model_config = ConfigDict(extra="forbid")


class MachineWanted(Sent):
    """The button. Without a template it is the default one; without a name, a free one."""

    template: Annotated[str, Field(max_length=64)] = ""
    name: Name | None = None
    ttl: Period | None = None


class Extension(Sent):
    """How long from now."""

    by: Period


class CertificateWanted(Sent):
    """With a signing request, the key never leaves the computer of whoever asks."""

    csr: SigningRequest | None = None


class ShareWanted(CertificateWanted):
    """Access for somebody else."""

    holder: Holder
    ttl: Period


class TokenWanted(Sent):
    """A token of one's own."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    scopes: frozenset[Scope]
    ttl: Period | None = None


class PersonWanted(Sent):
    """A local account."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    role: Role = "user"
    password: Annotated[str, Field(min_length=1, max_length=1024)]
    display_name: Annotated[str, Field(max_length=200)] = ""
    email: Annotated[str, Field(max_length=254)] = ""
    teams: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)] = []


class PersonChange(Sent):
    """What is to be different; what is not there stays."""

    role: Role | None = None
    disabled: bool | None = None
    teams: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=100)] | None = None


class EndpointWanted(Sent):
    """`options` are those of `dinv create` that name an endpoint."""

    options: Annotated[dict[Label, Label], Field(max_length=20)] = {}
    weight: Annotated[int, Field(ge=1, le=1000)] = 1
    max_machines: Count | None = None
    cpus: Number | None = None
    memory: Size | None = None
    labels: Annotated[dict[Label, Label], Field(max_length=50)] = {}
    enabled: bool = True


class PoolChange(Sent):
    """What is to be different; what is not there stays."""

    size: Count | None = None
    maximum: Count | None = None
    paused: bool | None = None


class QuotaWanted(Sent):
    """null: no limit."""

    machines: Count | None = None
    cpus: Number | None = None
    memory: Size | None = None
    cache: Size | None = None
    hours: Number | None = None


class DevicePoll(Sent):
    """What `dinv login` asks again and again."""

    device_code: Annotated[str, Field(min_length=1, max_length=200)]


class DeviceBegun(BaseModel):
    """What `dinv login` shows, and keeps (RFC 8628)."""

    device_code: str
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_in: int
    interval: int


class TokenMade(BaseModel):
    """`token` is shown this once."""

    id: str = ""
    token: str


class TokenSeen(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class CertificateMade(BaseModel):
    """PEM. `key` is null when the signing request was sent."""

    url: str
    ca: str
    certificate: str
    key: str | None
    serial: str
    not_after: datetime

    @classmethod
    def of(cls, made: Certificate) -> CertificateMade:
        """As it is sent."""
        return cls(
            url=made.url,
            ca=made.ca.decode(),
            certificate=made.certificate.decode(),
            key=made.key.decode() if made.key is not None else None,
            serial=made.serial,
            not_after=made.not_after,
        )


class MachinePage(BaseModel):
    """`after` is what to ask for next; "" at the end."""

    machines: list[Machine]
    after: str


class Standing(BaseModel):
    """What somebody has, and may have."""

    used: Usage
    quota: Quota


class Me(BaseModel):
    """Who asks, and what they have and may have."""

    person: Person
    scopes: list[Scope]
    used: Usage
    quota: Quota


class AuditPage(BaseModel):
    """The latest first; `before` is what to ask for next, null at the end."""

    entries: list[AuditEntry]
    before: int | None


class FieldProblem(BaseModel):
    """One thing that is wrong with what was sent."""

    pointer: str
    detail: str


class ProblemSeen(BaseModel):
    """RFC 9457, problem+json."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": True})

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[FieldProblem] | None = None


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an operation may answer besides: for OpenAPI. 401, 403, 422, 429 and 503 any may."""
    every = {400, 401, 403, 413, 422, 429, 503}
    return {
        status: {
            "description": _DESCRIPTIONS[status],
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemSeen"}}},
        }
        for status in sorted({*statuses, *every})
    }


_DESCRIPTIONS = {
    400: "What was sent is not HTTP or JSON as it should be",
    401: "Not signed in, or the token is not valid",
    403: "The token's scope or the person's role does not allow it",
    404: "There is no such thing, or it is somebody else's",
    409: "Its state, a quota or another's name does not allow it",
    410: "The template is no longer there",
    412: "It was changed meanwhile",
    413: "What was sent is too large",
    422: "What was sent cannot be used; `errors` says where",
    429: "Too many attempts; Retry-After says when to come again",
    503: "The database or an endpoint does not answer now; Retry-After says when to come again",
}

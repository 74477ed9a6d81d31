"""ETags: a machine's version, as HTTP says it."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import Header, Response

from dinv.server.models import Machine
from dinv.server.problems import Invalid

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=64, description="The ETag that was seen; else 412 is answered"),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", max_length=64, description="304 is answered while the ETag is this one"),
]


def etag(machine: Machine) -> str:
    """A strong ETag."""
    return f'"{machine.version}"'


def expected(if_match: str | None) -> int | None:
    """The version that If-Match names; None for any. Raises Invalid."""
    if if_match is None or if_match.strip() == "*":
        return None
    found = re.fullmatch(r'\s*"([0-9]{1,9})"\s*', if_match, re.ASCII)
    if found is None:
        detail = 'If-Match is not an ETag of a machine, such as "3"'
        raise Invalid(detail, errors=[{"pointer": "/header/If-Match", "detail": detail}])
    return int(found[1])


def with_etag(response: Response, machine: Machine) -> Machine:
    """Say the version in the answer's header, too."""
    response.headers["ETag"] = etag(machine)
    return machine

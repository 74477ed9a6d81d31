"""What the tests of the VCH simulator ask of it."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator


class Simulate(Protocol):
    """Starts a simulator, with VchSimulator's settings; plain HTTP unless told otherwise."""

    def __call__(self, **settings: Any) -> VchSimulator: ...


class Connect(Protocol):
    """Makes a client of a simulator; with `ca_only`, one without a certificate of its own."""

    def __call__(self, vch: VchSimulator, *, ca_only: bool = False) -> Engine: ...


_REPOSITORY = f"dinv-vch-test-{uuid.uuid4().hex[:8]}"
IMAGE = f"{_REPOSITORY}:latest"
"""A busybox, with the label from=image."""
WITH_VOLUME = f"{_REPOSITORY}:volume"
"""The same, which declares a volume at /data."""


def body(command: str = "sleep 60", *, image: str = IMAGE, **host: Any) -> dict[str, Any]:
    """A create call's body."""
    host = {"NetworkMode": "default", **host}
    return {"Image": image, "Cmd": ["sh", "-c", command], "Volumes": {}, "HostConfig": host}


def make(engine: Engine, name: str, command: str = "exec sleep 60", **host: Any) -> str:
    """Create a container; returns its id."""
    return engine.containers.create(name, body(command, **host))[0]


def ask(
    vch: VchSimulator, method: str, path: str, data: bytes | None = None, kind: str = "application/json"
) -> tuple[int, str]:
    """One request over plain HTTP, and nothing of dinv's in between: the status, and what is said."""
    connection = HTTPConnection("127.0.0.1", vch.port, timeout=30)
    try:
        connection.request(method, f"/v1.25{path}", data, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    try:
        return answer.status, str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return answer.status, text


def tar(name: str, content: bytes) -> bytes:
    """A tar with one file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()

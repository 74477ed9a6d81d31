"""The API of the daemon whose socket is mounted in the container."""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
import tarfile
import time
import urllib.parse
from typing import Any

SOCKET = "/var/run/docker.sock"
VERSION = "v1.40"


class Refused(Exception):
    """The daemon answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class _Connection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(SOCKET)


def raw(
    method: str, target: str, body: bytes | None = None, kind: str = "application/json", timeout: float = 60
) -> tuple[int, dict[str, str], bytes]:
    """One request, its target unchanged; status, headers and body."""
    connection = _Connection("localhost", timeout=timeout)
    try:
        headers = {} if body is None else {"Content-Type": kind}
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def call(method: str, path: str, body: object = None, timeout: float = 60, **query: object) -> Any:
    """One call, JSON both ways."""
    pairs = {key: value if isinstance(value, str) else json.dumps(value) for key, value in query.items()}
    target = f"/{VERSION}{path}" + (f"?{urllib.parse.urlencode(pairs)}" if pairs else "")
    data = None if body is None else json.dumps(body).encode()
    status, _, answer = raw(method, target, data, timeout=timeout)
    if status >= 400:
        try:
            message = str(json.loads(answer)["message"])
        except (ValueError, KeyError, TypeError):
            message = answer.decode(errors="replace")
        raise Refused(status, message)
    return json.loads(answer) if answer.strip() else None


def info() -> dict[str, Any]:
    found: dict[str, Any] = call("GET", "/info")
    return found


def named(name: str) -> dict[str, Any] | None:
    """The container of this name, or None."""
    try:
        found: dict[str, Any] = call("GET", f"/containers/{name}/json")
    except Refused as error:
        if error.status == 404:
            return None
        raise
    return found


def containers(prefix: str) -> list[dict[str, Any]]:
    """All containers whose names begin so."""
    found: list[dict[str, Any]] = call("GET", "/containers/json", all="1")
    return [each for each in found if each["Names"] and each["Names"][0].lstrip("/").startswith(prefix)]


def remove(container: str) -> None:
    try:
        call("DELETE", f"/containers/{container}", force="1", v="1")
    except Refused as error:
        if error.status not in (404, 409):
            raise


def create(name: str, body: dict[str, Any], files: dict[str, bytes] | None = None) -> str:
    """Make and start a container, with files in it; its id."""
    identity = str(call("POST", "/containers/create", body, name=name)["Id"])
    if files:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path, data in files.items():
                member = tarfile.TarInfo(path.lstrip("/"))
                member.size, member.mode = len(data), 0o600
                archive.addfile(member, io.BytesIO(data))
        status, _, answer = raw(
            "PUT", f"/{VERSION}/containers/{identity}/archive?path=/", packed.getvalue(), "application/x-tar"
        )
        if status >= 400:
            raise Refused(status, answer.decode(errors="replace"))
    call("POST", f"/containers/{identity}/start")
    return identity


def wait_for(what: str, condition: Any, seconds: float) -> Any:
    """Poll `condition` until it is true; what it returned, or None after the time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.2)
    return None


def version() -> str:
    """The version of the image that this runs in."""
    return os.environ["STAND_IN_VERSION"]


def repository() -> str:
    """The first part of the images' names."""
    return os.environ.get("STAND_IN_REPOSITORY", "mirantis")

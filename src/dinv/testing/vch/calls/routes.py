"""From a request to an answer: versions, routes, errors.

The routes are docker 1.13's, without the build router, which a VCH does not register (vmware/vic:
cmd/docker/main.go). Each leads to an operation by VIC's name for it, and a VCH may have that or not.
"""

from __future__ import annotations

import json
import re
import time
import traceback
from typing import TYPE_CHECKING

from dinv.testing.vch.calls import archives, create, guest, images, networks, power, system, views, volumes
from dinv.testing.vch.log import Call
from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.port_layer import PortLayerError, told
from dinv.testing.vch.rules.versions import MAX_API, MIN_API
from dinv.testing.vch.state import Context
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer, is_connection_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.testing.vch.log import Calls
    from dinv.testing.vch.state import Vch
    from dinv.testing.vch.wire.http import Connection, Request

_VERSION = re.compile(r"/v(\d+\.\d+)(?=/)")
_FIRST_WITH_JSON_ERRORS = (1, 24)

# An image's name may have slashes; what comes after it decides.
_IMAGE = "(?P<name>.+)"
_NAME = "(?P<name>[^/]+)"
_ID = "(?P<id>[^/]+)"

_TABLE = (
    ("GET", "/_ping", "Ping"),
    ("GET", "/version", "SystemVersion"),
    ("GET", "/info", "SystemInfo"),
    ("GET", "/events", "SubscribeToEvents"),
    ("GET", "/system/df", "SystemDiskUsage"),
    ("POST", "/auth", "AuthenticateToRegistry"),
    ("GET", "/containers/json", "Containers"),
    ("POST", "/containers/create", "ContainerCreate"),
    ("POST", "/containers/prune", "ContainersPrune"),
    ("GET", f"/containers/{_NAME}/json", "ContainerInspect"),
    ("GET", f"/containers/{_NAME}/export", "ContainerExport"),
    ("GET", f"/containers/{_NAME}/changes", "ContainerChanges"),
    ("GET", f"/containers/{_NAME}/top", "ContainerTop"),
    ("GET", f"/containers/{_NAME}/logs", "ContainerLogs"),
    ("GET", f"/containers/{_NAME}/stats", "ContainerStats"),
    ("HEAD", f"/containers/{_NAME}/archive", "ContainerStatPath"),
    ("GET", f"/containers/{_NAME}/archive", "ContainerArchivePath"),
    ("PUT", f"/containers/{_NAME}/archive", "ContainerExtractToDir"),
    ("POST", f"/containers/{_NAME}/copy", "ContainerCopy"),
    ("POST", f"/containers/{_NAME}/kill", "ContainerKill"),
    ("POST", f"/containers/{_NAME}/pause", "ContainerPause"),
    ("POST", f"/containers/{_NAME}/unpause", "ContainerUnpause"),
    ("POST", f"/containers/{_NAME}/restart", "ContainerRestart"),
    ("POST", f"/containers/{_NAME}/start", "ContainerStart"),
    ("POST", f"/containers/{_NAME}/stop", "ContainerStop"),
    ("POST", f"/containers/{_NAME}/wait", "ContainerWait"),
    ("POST", f"/containers/{_NAME}/resize", "ContainerResize"),
    ("POST", f"/containers/{_NAME}/attach", "ContainerAttach"),
    ("POST", f"/containers/{_NAME}/rename", "ContainerRename"),
    ("POST", f"/containers/{_NAME}/update", "ContainerUpdate"),
    ("POST", f"/containers/{_NAME}/exec", "ContainerExecCreate"),
    ("GET|POST|DELETE", f"/containers/{_NAME}/checkpoints(/.+)?", "checkpointing"),
    ("DELETE", f"/containers/{_NAME}", "ContainerRm"),
    ("GET", f"/exec/{_ID}/json", "ContainerExecInspect"),
    ("POST", f"/exec/{_ID}/start", "ContainerExecStart"),
    ("POST", f"/exec/{_ID}/resize", "ContainerExecResize"),
    ("GET", "/images/json", "Images"),
    ("GET", "/images/search", "SearchRegistryForImages"),
    ("GET", "/images/get", "ExportImage"),
    ("POST", "/images/create", "PullImage"),
    ("POST", "/images/load", "LoadImage"),
    ("POST", "/images/prune", "ImagesPrune"),
    ("GET", f"/images/{_IMAGE}/history", "ImageHistory"),
    ("GET", f"/images/{_IMAGE}/get", "ExportImage"),
    ("GET", f"/images/{_IMAGE}/json", "LookupImage"),
    ("POST", f"/images/{_IMAGE}/push", "PushImage"),
    ("POST", f"/images/{_IMAGE}/tag", "TagImage"),
    ("DELETE", f"/images/{_IMAGE}", "ImageDelete"),
    ("POST", "/commit", "Commit"),
    ("GET", "/volumes", "Volumes"),
    ("POST", "/volumes/create", "VolumeCreate"),
    ("POST", "/volumes/prune", "VolumesPrune"),
    ("GET", f"/volumes/{_NAME}", "VolumeInspect"),
    ("DELETE", f"/volumes/{_NAME}", "VolumeRm"),
    ("GET", "/networks/?", "Networks"),
    ("POST", "/networks/create", "CreateNetwork"),
    ("POST", "/networks/prune", "NetworksPrune"),
    ("GET", f"/networks/{_NAME}", "FindNetwork"),
    ("POST", f"/networks/{_NAME}/connect", "ConnectContainerToNetwork"),
    ("POST", f"/networks/{_NAME}/disconnect", "DisconnectContainerFromNetwork"),
    ("DELETE", f"/networks/{_NAME}", "DeleteNetwork"),
    ("GET", f"/plugins/{_NAME}/json", "PluginInspect"),
    ("GET|POST|DELETE", "/plugins(/.*)?", "plugins"),
    ("GET|POST|DELETE", "/(swarm|services|nodes|tasks|secrets)(/.*)?", "swarm"),
)
_ROUTES = [
    (frozenset(methods.split("|")), re.compile(pattern), operation) for methods, pattern, operation in _TABLE
]

HANDLERS: dict[str, Callable[[Context], Answer]] = {
    **system.HANDLERS,
    **create.HANDLERS,
    **views.HANDLERS,
    **power.HANDLERS,
    **guest.HANDLERS,
    **archives.HANDLERS,
    **images.HANDLERS,
    **volumes.HANDLERS,
    **networks.HANDLERS,
}

HEADERS = {"Api-Version": MAX_API, "Docker-Experimental": "true", "Server": f"Docker/{MAX_API} (linux)"}
"""On each answer."""


class Router:
    """Answers requests, and records them. `allowed_hosts`: see `allowed_host`."""

    def __init__(self, vch: Vch, calls: Calls, *, allowed_hosts: frozenset[str] | None) -> None:
        self._vch = vch
        self._calls = calls
        self._allowed_hosts = allowed_hosts

    def serve(self, request: Request, connection: Connection) -> bool:
        """Answer one request; return whether another may follow. Raises what breaks the connection."""
        found = _VERSION.match(request.path)
        api = found[1] if found else None
        path = request.path[found.end() :] if found else request.path
        call = Call(request.method, path, api)
        started = time.monotonic()
        answer = self._answer(request, call, connection)
        call.status = answer.status
        call.milliseconds = round((time.monotonic() - started) * 1000, 1)
        # Before the answer is sent: a client that has it finds its call in the list.
        self._calls.add(call)
        try:
            # An answer given early leaves a body that would be taken for the next request.
            if answer.hijack is not None or request.body.drain():
                return connection.answer(request, answer, HEADERS)
            connection.answer(request, answer, HEADERS)
            # Closing on a client that still sends would take the answer away from it.
            request.body.discard()
            return False
        finally:
            if answer.release is not None:
                answer.release()

    def _answer(self, request: Request, call: Call, connection: Connection) -> Answer:
        try:
            self._admit(request, call)
            call.operation, groups = _route(request.method, call.path)
            self._refuse(call)
            context = Context(self._vch, request, call, groups, connection)
            try:
                return HANDLERS[call.operation](context)
            except PortLayerError as error:
                call.injected = error.planned
                raise told(call.operation, error, context.named) from error
        except VicError as error:
            call.implemented = not (error.unimplemented or (error.status == 404 and not call.operation))
            message = self._vch.own_words(error.message) if isinstance(error, BehindError) else error.message
            call.error = message
            return _error(error.status, message, call.api)
        except Exception as error:  # noqa: BLE001  (a bug is reported, and the simulator goes on)
            if is_connection_error(error):
                # The engine behind has gone, or the client while its request was read.
                return _error(500, f"Server error from portlayer: {error}", call.api)
            call.failure = traceback.format_exc()
            return _error(500, f"the VCH simulator failed: {type(error).__name__}: {error}", call.api)

    def _refuse(self, call: Call) -> None:
        """Raise VicError for what VIC does not implement, and for what is to fail."""
        if call.operation == "swarm":
            raise errors.swarm()
        if not self._vch.release.implements(call.operation):
            raise errors.not_implemented(call.operation)
        fault = self._vch.faults.next(call.operation)
        if fault is not None:
            call.injected = True
            raise fault

    def _admit(self, request: Request, call: Call) -> None:
        host = request.headers.get("host", "")
        if self._allowed_hosts is not None and not allowed_host(host, self._allowed_hosts):
            asked = self._vch.settings.public
            raise VicError(500, f"invalid host header from {host} to requested host {asked}")
        if call.api is not None and number(call.api) < number(MIN_API):
            raise VicError(
                400,
                f"client version {call.api} is too old. Minimum supported API version is {MIN_API}, please "
                f"upgrade your client to a newer version",
            )


def allowed_host(header: str, allowed: frozenset[str]) -> bool:
    """Return whether a Host header names the VCH by an address of its own, or a name that resolves to one.

    Only checked without TLS (vmware/vic: lib/apiservers/engine/backends/middleware/middleware.go).
    """
    host, colon, port = header.rpartition(":")
    if not colon or not port.isdecimal():
        host = header
    return host.strip("[]").lower().rstrip(".") in allowed


def number(version: str) -> tuple[int, ...]:
    """Return an API version as a value that can be compared."""
    return tuple(int(part) for part in version.split("."))


def _route(method: str, path: str) -> tuple[str, dict[str, str]]:
    for methods, pattern, operation in _ROUTES:
        found = pattern.fullmatch(path) if method in methods else None
        if found:
            return operation, {name: value for name, value in found.groupdict().items() if value}
    raise errors.page_not_found()


def _error(status: int, message: str, api: str | None) -> Answer:
    if api is None or number(api) >= _FIRST_WITH_JSON_ERRORS:
        return Answer(
            status,
            json.dumps({"message": message}).encode() + b"\n",
            {"Content-Type": "application/json"},
        )
    return Answer(status, message.encode() + b"\n", {"Content-Type": "text/plain; charset=utf-8"})

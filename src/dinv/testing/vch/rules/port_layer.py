"""What a VCH's API server says when the port layer below it fails.

The API server calls the port layer. For some answers its client has types (go-swagger's), for others not, and
each place then has a message of its own. Here a call that is to fail raises PortLayerError, and `told` turns
that into the answer. vmware/vic: lib/apiservers/engine/proxy, backends.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError

if TYPE_CHECKING:
    from collections.abc import Callable

_NOT_FOUND, _CONFLICT, _UNPROCESSABLE, _LOCKED, _SERVER_ERROR = 404, 409, 422, 423, 500

# An answer's address in the API server's memory.
_ADDRESS = "0xc42044e0c0"

# Each call: its route, the statuses its client has a type for, and whether it has one for all others.
_CALLS: dict[str, tuple[str, tuple[int, ...], bool]] = {
    "AddContainer": ("POST /scopes/{scope}/containers", (404, 500), False),
    "BindContainer": ("POST /scopes/bind", (404, 500), False),
    "Commit": ("PUT /containers/{handle}", (404, 409), True),
    "ContainerRemove": ("DELETE /containers/{id}", (404, 409, 500), True),
    "ContainerSignal": ("POST /containers/{id}/signal", (404, 500), False),
    "Create": ("POST /containers", (404,), False),
    "CreateVolume": ("POST /storage/volumes", (404, 409, 500), True),
    "ExportArchive": ("GET /archive", (404, 422, 423, 500), True),
    "Get": ("GET /containers/{id}", (404,), True),
    "GetContainerInfo": ("GET /containers/{id}/info", (404, 500), False),
    "GetContainerList": ("GET /containers/list", (500,), False),
    "GetContainerLogs": ("GET /containers/{id}/logs", (404, 500), False),
    "GetVolume": ("GET /storage/volumes/{name}", (404, 500), False),
    "ImageJoin": ("POST /storage/images/{store_name}/{id}", (404,), True),
    "ImportArchive": ("POST /archive", (404, 409, 422, 423, 500), True),
    "Join": ("POST /tasks", (404, 500), False),
    "ListVolumes": ("GET /storage/volumes", (500,), True),
    "RemoveVolume": ("DELETE /storage/volumes/{name}", (404, 409, 500), False),
    "StatPath": ("GET /archive/stat", (404, 422, 500), False),
    "VolumeStoresList": ("GET /storage/volumestores", (500,), False),
}

OPERATIONS = frozenset(_CALLS)
"""The port layer's calls that can be made to fail, by the port layer's names for them."""


class PortLayerError(Exception):
    """An answer of the port layer that is an error. `device` is the disk it is about, for archives.

    `planned` is one that a test asked for.
    """

    def __init__(
        self, operation: str, status: int, message: str, device: str = "", *, planned: bool = False
    ) -> None:
        super().__init__(message)
        self.operation = operation
        self.status = status
        self.message = message
        self.device = device
        self.planned = planned


def swagger(error: PortLayerError) -> str:
    """What the port layer's client makes of an answer: its type and its payload, or "unknown error"."""
    route, known, rest = _CALLS[error.operation]
    if error.status in known:
        kind = HTTPStatus(error.status).phrase.replace(" ", "")
        name = error.operation[0].lower() + error.operation[1:] + kind
        code = error.status if error.message else 0
        return f"[{route}][{error.status}] {name}  &{{Code:{code} Message:{error.message}}}"
    if rest:
        return f"[{route}][{error.status}] {error.operation} default "
    return f"unknown error (status {error.status}): {{resp:{_ADDRESS}}} "


def told(api: str, error: PortLayerError, name: str) -> VicError:
    """Return a client's error. `api` is VIC's name for the client's call, `name` the container it names."""
    found = _told(api, error, name)
    if api == "ContainerKill":
        # docker 1.13 puts that before whatever the backend says (api/server/router/container).
        return errors.bare(f"Cannot kill container {name}: {found.message}")
    return found


def _told(api: str, error: PortLayerError, name: str) -> VicError:
    own = _PLACES.get(error.operation)
    if own is not None:
        return own(api, error, name)
    if error.status == _NOT_FOUND:
        return errors.no_such_container(name)
    return errors.from_portlayer(error.message)


def _plain(api: str, error: PortLayerError, name: str) -> VicError:
    del api, name
    return errors.from_portlayer(swagger(error))


def _import(api: str, error: PortLayerError, name: str) -> VicError:
    del api, name
    match error.status:
        case 404:
            return VicError(404, "No such file or directory")
        case 409:
            return errors.from_portlayer(
                "unexpected copy failure may result in truncated copy, please try again"
            )
        case 422:
            return errors.from_portlayer("failed to process given path")
        case 423:
            return errors.resource_in_use()
        case 500:
            return errors.from_portlayer(f"error writing files to device {error.device}")
    return VicError(500, swagger(error))


def _stat(api: str, error: PortLayerError, name: str) -> VicError:
    del api
    if error.status == _NOT_FOUND:
        return errors.no_such_path(name)
    if error.status == _UNPROCESSABLE:
        return errors.from_portlayer("failed to process given path")
    return errors.from_portlayer(swagger(error))


def _commit(api: str, error: PortLayerError, name: str) -> VicError:
    if error.status == _NOT_FOUND:
        return errors.no_such_container(name)
    if error.status == _CONFLICT:
        # A start and a rename pass the message on, the others what their client made of it.
        plain = api in ("ContainerStart", "ContainerRename")
        return errors.conflict(error.message if plain else swagger(error))
    return errors.from_portlayer(error.message)


def _join(api: str, error: PortLayerError, name: str) -> VicError:
    del name
    inner = errors.from_portlayer(swagger(error))
    return errors.from_portlayer(inner.message) if api == "ContainerExecCreate" else inner


def _image(api: str, error: PortLayerError, name: str) -> VicError:
    del api, name
    if error.status == _NOT_FOUND:
        return errors.no_such_container(f"No such image: {error.device}")
    return errors.from_portlayer(swagger(error))


def _remove(api: str, error: PortLayerError, name: str) -> VicError:
    del api
    if error.status == _CONFLICT:
        return errors.still_running()
    if error.status == _NOT_FOUND:
        return errors.no_such_container(name)
    return errors.from_portlayer(error.message or swagger(error))


def _list(api: str, error: PortLayerError, name: str) -> VicError:
    del api, name
    return VicError(
        500,
        f"Error invoking GetContainerList: "
        f"{error.message if error.status == _SERVER_ERROR else swagger(error)}",
    )


def _create_volume(api: str, error: PortLayerError, name: str) -> VicError:
    if error.status == _NOT_FOUND:
        return VicError(500, f"No volume store named ({error.device}) exists")
    if api == "ContainerCreate":
        return errors.from_portlayer(swagger(error))
    if error.status == _CONFLICT:
        return errors.volume_exists(name)
    known = error.status in _CALLS["CreateVolume"][1]
    return VicError(500, swagger(error) if known else error.message)


def _remove_volume(api: str, error: PortLayerError, name: str) -> VicError:
    del api
    if error.status == _NOT_FOUND:
        return VicError(404, f"Get {name}: no such volume")
    if error.status == _CONFLICT:
        return VicError(409, error.message)
    return errors.from_portlayer(error.message if error.status == _SERVER_ERROR else swagger(error))


def _volume(api: str, error: PortLayerError, name: str) -> VicError:
    if api == "VolumeInspect":
        if error.status == _NOT_FOUND:
            return VicError(404, f"No such volume: {name}")
        return VicError(500, f"error from portlayer server: {swagger(error)}")
    return VicError(500, f"error from portlayer server: {error.message}")


_PLACES: dict[str, Callable[[str, PortLayerError, str], VicError]] = {
    "AddContainer": _plain,
    "Commit": _commit,
    "ContainerRemove": _remove,
    "Create": _plain,
    "CreateVolume": _create_volume,
    "GetContainerList": _list,
    "GetVolume": _volume,
    "ImageJoin": _image,
    "ImportArchive": _import,
    "Join": _join,
    "ListVolumes": _volume,
    "RemoveVolume": _remove_volume,
    "StatPath": _stat,
}

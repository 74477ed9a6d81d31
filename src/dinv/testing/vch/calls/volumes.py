"""Volumes: stores, sizes, attachment (vmware/vic: lib/apiservers/engine/proxy/storage_proxy.go).

Sizes are kept and reported. They are not enforced: the engine behind has plain directories.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import uuid
from typing import TYPE_CHECKING

from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.port_layer import PortLayerError, swagger
from dinv.testing.vch.settings import DEFAULT_STORE
from dinv.testing.vch.state import Attachment, Volume
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

DEFAULT_MB = 1024
DRIVERS = ("vsphere", "local")
"""The accepted values of a volume's Driver; not an empty one, which an engine takes for local."""
DRIVER = "vsphere"

_STORE = "volumestore"
_CAPACITY = "capacity"
_OPTIONS = (_STORE, _CAPACITY, "flags", "container", "image")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_NUMBER = re.compile(r"[+-]?[0-9]+")
# go-units of the time: dots may be many, and are found out later.
_HUMAN_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)*) ?([kmgtp]?)b?", re.IGNORECASE)
_DECIMAL = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_INT_LIMIT = 1 << 63
_LABEL_LENGTH = 16
_PROPAGATIONS = frozenset(("private", "rprivate", "shared", "rshared", "slave", "rslave"))
_MODES = (frozenset(("rw", "ro")), frozenset(("z", "Z")), _PROPAGATIONS, frozenset(("nocopy",)))
_MOST_BIND_PARTS = 3


def capacity(text: str) -> int:
    """Return the MB in a Capacity: a plain number is MB, with a unit it is decimal (go-units: FromHumanSize).

    Less than a MB is 0, which the port layer gets. Raises VicError.
    """
    if _NUMBER.fullmatch(text) and abs(int(text)) < _INT_LIMIT:
        if int(text) < 1:
            raise _bad_value(f"Invalid size: {text}")
        return int(text)
    match = _HUMAN_SIZE.fullmatch(text)
    if match is None:
        raise _bad_value(f"invalid size: '{text}'")
    number, unit = match.groups()
    if number.count(".") > 1:
        raise _bad_value(f'strconv.ParseFloat: parsing "{number}": invalid syntax')
    size = int(float(number) * 1000 ** _DECIMAL[unit.lower()])
    if not 1 <= size < _INT_LIMIT:
        # Go's overflow is a negative number.
        raise _bad_value(f"Capacity value too large: {text}")
    return size // 1_000_000


def _bad_value(message: str) -> VicError:
    return VicError(500, f"bad driver value - {message}")


def create(vch: Vch, name: str, *, driver: str, options: JSON | None, labels: JSON | None) -> Volume:
    """Make a volume. Raises VicError."""
    if driver not in DRIVERS:
        raise VicError(500, f"error looking up volume plugin {driver}: plugin not found")
    name = name or str(uuid.uuid4())
    if not _NAME.fullmatch(name):
        raise VicError(
            500,
            f'volume name "{name}" includes invalid characters, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed',
        )
    for key in options or {}:
        if key.lower() not in _OPTIONS:
            raise _bad_value(f"{key} is not a supported option")
    normalized = {key.lower(): str(value) for key, value in (options or {}).items()}
    size = capacity(normalized[_CAPACITY]) if _CAPACITY in normalized else DEFAULT_MB
    store = normalized.get(_STORE, DEFAULT_STORE)
    with vch.lock:
        if name in vch.volumes:
            raise errors.volume_exists(name)
        if store not in vch.settings.volume_stores:
            raise VicError(500, f"No volume store named ({store}) exists")
        if size < 1:
            # A disk of nothing: vSphere's words, through the port layer.
            below = PortLayerError("CreateVolume", 500, "A specified parameter was not correct")
            raise VicError(500, swagger(below))
        volume = Volume(name, store=store, size=size, driver=driver, options=options, labels=labels)
        vch.behind.json("POST", "/volumes/create", body={"Name": vch.behind_name(name), "Labels": vch.label})
        vch.volumes[name] = volume
    return volume


def attachments(
    vch: Vch, container: Container, binds: list[str], declared: dict[str, JSON], made: list[Volume]
) -> list[Attachment]:
    """Return the volumes of a container to be: its Binds, and those of `declared` that they leave over.

    Volumes that do not exist are made, of the default size and in the default store, and added to `made`, for
    the caller to remove if the container is not made. A key of `declared` is a path, or a whole bind if the
    VCH's image cache was changed (create.py). Raises VicError.
    """
    named = {attachment.destination: attachment for attachment in map(_bind, binds)}
    unnamed = {attachment.destination: attachment for attachment in map(_bind, declared)}
    for path, attachment in unnamed.items():
        attachment.anonymous = path not in named
    found = {**unnamed, **named}
    for path, attachment in found.items():
        attachment.declared = path in unnamed
        if attachment.volume not in vch.volumes:
            options = {"container": container.name, "flags": attachment.mode, "image": container.image}
            try:
                made.append(create(vch, attachment.volume, driver=DRIVER, options=options, labels=None))
            except VicError as error:
                if error.message.startswith("No volume store"):
                    raise
                raise errors.from_portlayer(error.message) from error
    return list(found.values())


def check(body: JSON) -> None:
    """Raise VicError for invalid volumes (docker 1.13: volume/volume.go)."""
    binds = (body.get("HostConfig") or {}).get("Binds") or []
    for kind, specs in (("volume", body.get("Volumes") or {}), ("bind mount", binds)):
        for text in specs:
            wrong = _wrong(text)
            if wrong:
                raise errors.bare(f'invalid {kind} spec "{text}": {wrong}')


def _wrong(text: str) -> str:
    """Return what is wrong with a volume's specification, "" if nothing is."""
    invalid = f"invalid volume specification: '{text}'"
    parts = text.split(":")
    if len(parts) > _MOST_BIND_PARTS or not parts[0]:
        return invalid
    if len(parts) == 2 and _is_mode(parts[1]):
        return invalid
    mode = parts[2] if len(parts) == _MOST_BIND_PARTS else ""
    if not _is_mode(mode):
        return f"invalid mode: {mode}"
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    of_a_bind = source.startswith("/")
    if not target:
        problem = "field Target must not be empty"
    elif posixpath.normpath(target).strip("/") == "":
        problem = "invalid specification: destination can't be '/'"
    elif not target.startswith("/"):
        problem = f"invalid mount path: '{target}' mount path must be absolute"
    elif not of_a_bind and _PROPAGATIONS.intersection(mode.split(",")):
        problem = "field BindOptions must not be specified"
    else:
        return ""
    return f'{invalid}: invalid mount config for type "{"bind" if of_a_bind else "volume"}": {problem}'


def _is_mode(text: str) -> bool:
    """Return whether a mount's mode is valid: of each kind of word, one at most."""
    words = text.split(",") if text else []
    return all(any(word in kind for kind in _MODES) for word in words) and all(
        len(kind.intersection(words)) <= 1 and sum(word in kind for word in words) <= 1 for kind in _MODES
    )


def _bind(text: str) -> Attachment:
    """A volume by what Binds and Volumes have: PATH, NAME:PATH or NAME:PATH:MODE. Raises VicError."""
    parts = text.split(":")
    if len(parts) > 1 and parts[0].startswith("/"):
        raise errors.bad_request("mounting directories as a data volume is not supported.")
    if len(parts) > _MOST_BIND_PARTS:
        raise errors.bad_request(f"volume bind input is invalid: -v {text}")
    if len(parts) == 1:
        return Attachment(str(uuid.uuid4()), parts[0], anonymous=True)
    return Attachment(parts[0], parts[1], *parts[2:])


def claim(container: Container, running: list[Container]) -> None:
    """Raise VicError if a running container has one of this one's disks."""
    for attachment in container.attachments:
        if locked(attachment.volume, container, running):
            raise errors.device_in_use(attachment.volume)


def locked(volume: str, container: Container, running: list[Container]) -> bool:
    """Whether another container's VM holds a volume's disk."""
    return any(
        attachment.volume == volume
        for other in running
        if other is not container
        for attachment in other.attachments
    )


def describe(volume: Volume, *, made: bool = False) -> JSON:
    """A volume as inspect and list show it, or, `made`, as the call that makes it does."""
    return {
        "Driver": volume.driver,
        "Labels": volume.labels,
        # The label of the disk, in VIC; it is no path.
        "Mountpoint": label_of(volume.name),
        "Name": volume.name,
        "Options": None if made else volume.options,
        "Scope": "",
    }


def label_of(name: str) -> str:
    """The label that a volume's file system has, by which a VM finds it."""
    return hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()[:_LABEL_LENGTH]


# Handlers


def volume_create(context: Context) -> Answer:
    """POST /volumes/create."""
    vch, body = context.vch, context.body("volume")
    options: dict[str, str] | None = body.get("DriverOpts")
    normalized = {key.lower(): value for key, value in (options or {}).items()}
    driver, name = str(body.get("Driver") or ""), str(body.get("Name") or "")
    context.named = name
    if driver in DRIVERS:
        vch.faults.below("CreateVolume", normalized.get(_STORE, DEFAULT_STORE))
    made = create(vch, name, driver=driver, options=options, labels=body.get("Labels"))
    return Answer.json(describe(made, made=True), 201)


def volume_inspect(context: Context) -> Answer:
    """GET /volumes/NAME."""
    name = context.groups["name"]
    context.vch.faults.below("GetVolume")
    with context.vch.lock:
        found = context.vch.volumes.get(name)
    if found is None:
        raise VicError(404, f"No such volume: {name}")
    return Answer.json(describe(found))


def volume_remove(context: Context) -> Answer:
    """DELETE /volumes/NAME."""
    vch, name = context.vch, context.groups["name"]
    vch.faults.below("RemoveVolume")
    with vch.lock:
        if name not in vch.volumes:
            raise VicError(404, f"Get {name}: no such volume")
        vch.listed()  # a container removed behind our back uses no volumes
        users = vch.users(name)
        if users:
            raise VicError(409, f"volume {name} in use by {users[0].id}")
        try:
            vch.drop_volume(name)
        except BehindError as error:
            raise VicError(409, f"volume {name} in use by {vch.own_words(error.message)}") from error
    return Answer(204)


def volume_list(context: Context) -> Answer:
    """GET /volumes."""
    vch, filters = context.vch, context.filters()
    unknown = filters.keys() - {"name", "label", "dangling", "driver"}
    if unknown:
        raise errors.bare(f"Invalid filter '{min(unknown)}'")
    for value in filters.get("dangling", [])[:1]:
        if value not in ("true", "1", "false", "0"):
            raise errors.bare(f"invalid filter 'dangling=[{value}]'")
    vch.faults.below("ListVolumes")
    with vch.lock:
        found = [volume for volume in vch.volumes.values() if _matches(vch, volume, filters)]
    return Answer.json({"Volumes": [describe(volume) for volume in found] or None, "Warnings": None})


def _matches(vch: Vch, volume: Volume, filters: dict[str, list[str]]) -> bool:
    dangling = [value in ("1", "true") for value in filters.get("dangling", [])]
    return (
        all(has_label(volume.labels or {}, label) for label in filters.get("label", []))
        and ("name" not in filters or any(name in volume.name for name in filters["name"]))
        and ("driver" not in filters or volume.driver in filters["driver"])
        and (not dangling or dangling[0] is not bool(vch.users(volume.name)))
    )


def has_label(labels: dict[str, str], wanted: str) -> bool:
    """Whether labels match a filter: KEY, or KEY=VALUE."""
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


HANDLERS = {
    "VolumeCreate": volume_create,
    "VolumeInspect": volume_inspect,
    "VolumeRm": volume_remove,
    "Volumes": volume_list,
}

"""Volumes: stores, sizes, attachment (vmware/vic: lib/apiservers/engine/proxy/storage_proxy.go).

Sizes are kept and reported. They are not enforced: the engine behind has plain directories.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from dinv.testing.vch import errors
from dinv.testing.vch.behind import BehindError
from dinv.testing.vch.errors import VicError
from dinv.testing.vch.settings import DEFAULT_STORE
from dinv.testing.vch.state import Attachment, Volume
from dinv.testing.vch.wire import Answer

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

DEFAULT_MB = 1024
DRIVERS = ("vsphere", "local", "")
DRIVER = "vsphere"

_STORE = "volumestore"
_CAPACITY = "capacity"
_OPTIONS = (_STORE, _CAPACITY, "flags", "container", "image")
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_HUMAN_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kmgtp]?)b?", re.IGNORECASE)
_DECIMAL = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_BIND_PARTS = (2, 3)


def capacity(text: str) -> int:
    """MB in a Capacity: a number alone is MB, with a unit it is decimal (go-units: FromHumanSize).

    Raises VicError.
    """
    try:
        size = int(text)
    except ValueError:
        match = _HUMAN_SIZE.fullmatch(text.strip())
        if match is None:
            raise errors.bare(f"invalid size: '{text}'") from None
        number, unit = match.groups()
        size = int(float(number) * 1000 ** _DECIMAL[unit.lower()]) // 1_000_000
    if size < 1:
        raise errors.bare(f"Invalid size: {text}")
    return size


def create(vch: Vch, name: str, *, driver: str, options: dict[str, str], labels: dict[str, str]) -> Volume:
    """Make a volume. Raises VicError."""
    if driver not in DRIVERS:
        raise VicError(404, f"error looking up volume plugin {driver}: plugin not found")
    name = name or uuid.uuid4().hex
    if not _NAME.fullmatch(name):
        raise errors.bare(
            f'volume name "{name}" includes invalid characters, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed'
        )
    normalized = {key.lower(): value for key, value in options.items()}
    for key in options:
        if key.lower() not in _OPTIONS:
            raise errors.bare(f"bad driver value - {key} is not a supported option")
    size = capacity(normalized[_CAPACITY]) if _CAPACITY in normalized else DEFAULT_MB
    store = normalized.get(_STORE) or DEFAULT_STORE
    with vch.lock:
        if name in vch.volumes:
            raise VicError(500, f"A volume named {name} already exists. Choose a different volume name.")
        if store not in vch.settings.volume_stores:
            raise VicError(500, f"No volume store named ({store}) exists")
        if vch.faults.storage_quota:
            raise errors.from_portlayer("Storage quota exceeds the limit of the virtual container host")
        # Reported with its defaults: what `docker volume inspect` is asked for is how large it is.
        shown = {**normalized, _CAPACITY: normalized.get(_CAPACITY, str(DEFAULT_MB)), _STORE: store}
        volume = Volume(name, store=store, size=size, driver=DRIVER, options=shown, labels=labels)
        vch.behind.json("POST", "/volumes/create", body={"Name": vch.behind_name(name), "Labels": vch.label})
        vch.volumes[name] = volume
    return volume


def attachments(
    vch: Vch, binds: list[str], declared: dict[str, JSON], made: list[Volume]
) -> list[Attachment]:
    """The volumes of a container to be: its Binds, and of `declared` what they leave over.

    Volumes that do not exist are made, of the default size and in the default store, and added to `made`
    for the caller to remove if the container does not come to be. A key of `declared` is a path, or a whole
    bind where the VCH's image cache was changed (create.py). Raises VicError.
    """
    found: dict[str, Attachment] = {}
    for text in binds:
        attachment = _bind(text)
        if attachment.volume not in vch.volumes:
            made.append(create(vch, attachment.volume, driver="", options={}, labels={}))
        found[attachment.destination] = attachment
    for key in declared:
        if ":" in key:
            attachment = _bind(key)
            attachment.anonymous = True
            if attachment.volume not in vch.volumes:
                # Removed since, with the container that it was made for.
                made.append(create(vch, attachment.volume, driver="", options={}, labels={}))
        elif key.rstrip("/") in found:
            continue
        else:
            volume = create(vch, "", driver="", options={}, labels={})
            made.append(volume)
            attachment = Attachment(volume.name, key.rstrip("/"), read_only=False, anonymous=True)
        found.setdefault(attachment.destination, attachment)
    return list(found.values())


def _bind(text: str) -> Attachment:
    parts = text.split(":")
    if len(parts) not in _BIND_PARTS or not parts[0] or not parts[1].startswith("/"):
        raise errors.bare(f"volume bind input is invalid: -v {text}")
    if parts[0].startswith(("/", ".")):
        raise errors.bad_request("mounting directories as a data volume is not supported.")
    modes = parts[2].split(",") if len(parts) == max(_BIND_PARTS) else []
    # Docker's other modes (z, nocopy, rshared) mean nothing here and are passed over.
    read_only = "ro" in modes
    destination = parts[1].rstrip("/") or "/"
    return Attachment(parts[0], destination, read_only=read_only, anonymous=False)


def claim(container: Container, running: list[Container]) -> None:
    """Raise VicError when a running container has one of this one's disks."""
    if any(locked(attachment.volume, container, running) for attachment in container.attachments):
        raise errors.disk_locked()


def locked(volume: str, container: Container, running: list[Container]) -> bool:
    """Whether another container's VM holds a volume's disk."""
    return any(
        attachment.volume == volume
        for other in running
        if other is not container
        for attachment in other.attachments
    )


def describe(volume: Volume) -> JSON:
    """A volume as inspect and list show it."""
    return {
        "Driver": volume.driver,
        "Labels": dict(volume.labels),
        # The datastore's own name of the disk, in VIC; it is no path.
        "Mountpoint": volume.name,
        "Name": volume.name,
        "Options": dict(volume.options),
        "Scope": "",
    }


# Handlers


def volume_create(context: Context) -> Answer:
    """POST /volumes/create."""
    body = context.body()
    made = create(
        context.vch,
        str(body.get("Name") or ""),
        driver=str(body.get("Driver") or ""),
        options={str(key): str(value) for key, value in (body.get("DriverOpts") or {}).items()},
        labels={str(key): str(value) for key, value in (body.get("Labels") or {}).items()},
    )
    return Answer.json(describe(made), 201)


def volume_inspect(context: Context) -> Answer:
    """GET /volumes/NAME."""
    name = context.groups["name"]
    with context.vch.lock:
        found = context.vch.volumes.get(name)
    if found is None:
        raise VicError(404, f"No such volume: {name}")
    return Answer.json(describe(found))


def volume_remove(context: Context) -> Answer:
    """DELETE /volumes/NAME."""
    vch, name = context.vch, context.groups["name"]
    with vch.lock:
        if name not in vch.volumes:
            raise VicError(404, f"Get {name}: no such volume")
        vch.listed()  # who has gone behind our back uses no volumes
        users = vch.users(name)
        if users:
            raise errors.conflict(f"volume {name} is in use by {', '.join(user.id for user in users)}")
        try:
            vch.drop_volume(name)
        except BehindError as error:
            raise errors.conflict(f"volume {name} is in use: {vch.own_words(error.message)}") from error
    return Answer(204)


def volume_list(context: Context) -> Answer:
    """GET /volumes."""
    vch, filters = context.vch, context.filters()
    unknown = filters.keys() - {"name", "label", "dangling", "driver"}
    if unknown:
        raise errors.bare(f"Invalid filter '{min(unknown)}'")
    with vch.lock:
        found = [volume for volume in vch.volumes.values() if _matches(vch, volume, filters)]
    return Answer.json({"Volumes": [describe(volume) for volume in found], "Warnings": None})


def _matches(vch: Vch, volume: Volume, filters: dict[str, list[str]]) -> bool:
    dangling = [value.lower() in ("1", "true") for value in filters.get("dangling", [])]
    return (
        all(has_label(volume.labels, label) for label in filters.get("label", []))
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

"""`POST /containers/create`: a container VM asked for, a container on the engine behind made.

vmware/vic: lib/apiservers/engine/backends/container.go (validateCreateConfig, setCreateConfigOptions),
proxy/container_proxy.go, proxy/storage_proxy.go (AddVolumesToContainer).

The order is VIC's: the quota, the image, what is asked for, the name, the port layer's steps.
Only what VIC honours is passed on (fields.py). What a container VM has by being a VM is added: on a plain
engine, nested daemons take capabilities and unmasked paths (docs/design.md, decision 5).
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING

from dinv.testing.vch.calls import networks, volumes
from dinv.testing.vch.rules import errors, fields, ports
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.settings import DEFAULT_STORE
from dinv.testing.vch.state import Container
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from typing import Any

    from dinv.testing.vch.state import Context, Vch, Volume

    JSON = dict[str, Any]

DEFAULT_CPUS = 2
DEFAULT_MB = 2048
SMALLEST_MB = 512
STEP_MB = 128
_SCRATCH_GB = 8
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MIB = 1024 * 1024

_VM: JSON = {
    "CapAdd": ["SYS_ADMIN", "NET_ADMIN"],
    "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
    "MaskedPaths": [],
    "ReadonlyPaths": [],
    # The engine behind has one disk for all.
    "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
}
_PASSED = (
    *(
        "Image",
        "WorkingDir",
        "User",
        "Tty",
        "OpenStdin",
        "StdinOnce",
        "StopSignal",
    ),
    *("AttachStdin", "AttachStdout", "AttachStderr", "Domainname", "NetworkDisabled", "ExposedPorts"),
)


def memory(asked: int) -> int:
    """Return the MB of a VM for this many bytes, 0 if none were asked for."""
    if asked <= 0:
        return DEFAULT_MB
    wanted = max(asked // _MIB, SMALLEST_MB)
    return -(-wanted // STEP_MB) * STEP_MB


def environment(asked: list[str], image: list[str], *, tty: bool) -> list[str]:
    """Config.Env: PATH, always, TERM with a terminal, and what the image has and nobody asked otherwise."""
    found = list(asked)
    if not any(each.startswith("PATH=") for each in found):
        paths = [each for each in image if each.startswith("PATH=")]
        found.append(paths[0] if paths else f"PATH={_PATH}")
    names = {each.partition("=")[0] for each in found}
    if tty and "TERM" not in names:
        found.append("TERM=xterm")
    return found + [each for each in image if each.partition("=")[0] not in names]


def cpus(host: JSON) -> int:
    """A VM's number of CPUs: CPUCount, or CpusetCpus, which here is a count. Raises VicError."""
    count = int(host.get("CpuCount") or 0)
    if count > 0:
        return count
    text = str(host.get("CpusetCpus") or "").partition(",")[0]
    if not text:
        return DEFAULT_CPUS
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise errors.bare(f'Error parsing CPU count: strconv.Atoi: parsing "{text}": invalid syntax')
    return max(int(text), 1)


def container_create(context: Context) -> Answer:
    """POST /containers/create."""
    vch = context.vch
    body = context.body("container")
    context.call.ignored += fields.ignored(body, vch.release)
    context.ignore_query("platform")
    volumes.check(body)
    with _room(vch):
        image = _image(vch, str(body.get("Image") or ""))
        container = _validated(vch, body, image)
        _storage(vch, container)
        return Answer.json({"Id": _create(context, container, image), "Warnings": None}, 201)


def _create(context: Context, container: Container, image: JSON) -> str:
    """Make a container that was asked for, if it may be; return its id. Raises VicError, PortLayerError."""
    vch, body = context.vch, container.asked
    with _name(vch, context.request.query.get("name", "")) as name:
        container.name = name
        vch.faults.below("Create")
        vch.faults.below("ImageJoin", container.image_id.removeprefix("sha256:"))
        vch.faults.below("Join")
        vch.faults.below("AddContainer")
        networks.choose(vch, container)
        made: list[Volume] = []
        try:
            with vch.lock:
                vch.faults.below("CreateVolume", DEFAULT_STORE)
                container.attachments = volumes.attachments(
                    vch, container, list(container.host.get("Binds") or []), _declared(vch, body, image), made
                )
                _remember_anonymous(vch, body, image, container)
            vch.faults.below("Commit")
            _make(vch, container)
        except BaseException:
            for volume in made:
                with contextlib.suppress(VicError):
                    vch.drop_volume(volume.name)
            raise
        with vch.lock:
            vch.containers[container.id] = container
    return container.id


def _image(vch: Vch, name: str) -> JSON:
    try:
        found: JSON = vch.behind.json("GET", f"/images/{name}/json")
    except BehindError as error:
        if error.status != 404:
            raise
        tagged = name if ":" in name.rpartition("/")[2] or "@" in name else f"{name}:latest"
        raise VicError(404, f"No such image: {tagged}") from error
    return found


def _validated(vch: Vch, body: JSON, image: JSON) -> Container:
    host = body.get("HostConfig") or {}
    # Memory is whole MB, and less than one counts as not given.
    container = Container("", body, memory=memory(int(host.get("Memory") or 0)), cpus=cpus(host))
    container.image_id = image["Id"]
    container.image_config = own = image.get("Config") or {}
    container.env = environment(
        list(body.get("Env") or []), list(own.get("Env") or []), tty=bool(body.get("Tty"))
    )
    networks.check(container)
    ports.check(container.port_bindings, vch.settings.public)
    # Empty lists count as not given too: then the image's apply.
    if not any(place.get(name) for place in (body, own) for name in ("Cmd", "Entrypoint")):
        raise VicError(404, "No command specified")
    return container


@contextlib.contextmanager
def _name(vch: Vch, asked: str) -> Any:
    """Reserve a name for a container that is being made. Raises 409 if it is taken."""
    name = asked.removeprefix("/") or f"vm_{secrets.token_hex(4)}"
    vch.listed()  # who has gone behind our back has no name any more
    with vch.lock:
        owner = next((each.id for each in vch.containers.values() if each.name == name), "")
        if owner or name in vch.reserved:
            raise errors.name_taken(name, owner)
        vch.reserved.add(name)
    try:
        yield name
    finally:
        with vch.lock:
            vch.reserved.discard(name)


@contextlib.contextmanager
def _room(vch: Vch) -> Any:
    """Reserve one of the allowed number of containers, before anything else. Raises VicError."""
    limit = vch.settings.max_containers
    if limit:
        vch.faults.below("GetContainerList")
        there = len(vch.listed())
    with vch.lock:
        vch.making += 1
        making = vch.making
    try:
        if limit and there + making > limit:
            raise errors.bare(
                f"Container count exceeds limit {limit}. containers: {there}, reservation: {making}"
            )
        yield
    finally:
        with vch.lock:
            vch.making -= 1


def _storage(vch: Vch, container: Container) -> None:
    if not vch.faults.storage_quota:
        return
    with vch.lock:
        used = sum(each.memory for each in vch.containers.values()) / 1024
    # Its memory and 8 GB of scratch disk are what a container counts as.
    asked = container.memory / 1024 + _SCRATCH_GB
    raise errors.bare(
        f"Storage quota exceeds. Storage quota: 1GB, image storage usage: 0.500GB, container storage usage: "
        f"{used:.3f}GB, storage reservation: {asked:.3f}GB"
    )


def _declared(vch: Vch, body: JSON, image: JSON) -> dict[str, JSON]:
    """The volumes to make beside the Binds: what the client lists, and what the image declares.

    They come from the VCH's image cache, where `_remember_anonymous` may have changed them.
    """
    cached = vch.image_volumes.setdefault(
        image["Id"], {path: {} for path in (image.get("Config") or {}).get("Volumes") or {}}
    )
    asked = body.get("Volumes")
    return cached if asked is None else {**asked, **cached}


def _remember_anonymous(vch: Vch, body: JSON, image: JSON, container: Container) -> None:
    """VIC's hazard: without `Volumes` of its own, a container shares the image cache's map, and changes it.

    The image then "declares" the volumes that this container was given, and later containers of the image
    get the same ones (storage_proxy.go: AddVolumesToContainer; image_cache's shallow copy).
    """
    if body.get("Volumes") is not None:
        return
    cached = vch.image_volumes[image["Id"]]
    for attachment in container.attachments:
        if attachment.anonymous and cached.pop(attachment.destination, None) is not None:
            cached[attachment.bind] = {}


def _make(vch: Vch, container: Container) -> None:
    asked, settings = container.asked, vch.settings
    host: JSON = {
        **_VM,
        "Binds": [vch.behind_name(attachment.behind) for attachment in container.attachments],
        # As many as the engine behind has: it refuses more, where vSphere would overcommit.
        "NanoCpus": min(container.cpus, int(vch.behind.info.get("NCPU") or 1)) * 1_000_000_000,
        "Memory": container.memory * _MIB,
        "AutoRemove": bool(container.host.get("AutoRemove")),
        "Dns": container.host.get("Dns") or [],
        "Links": [_link(vch, text) for text in container.host.get("Links") or []],
        "NetworkMode": networks.behind_name(vch, container),
    }
    if container.port_bindings and not ports.on_container_network(vch, container):
        host["PortBindings"] = ports.behind(container.port_bindings, settings.public, vch.api_port)
    body: JSON = {name: asked[name] for name in _PASSED if asked.get(name) is not None}
    # An engine takes an entrypoint for its image's command too, and an empty list for none.
    own = container.image_config
    body |= {name: asked.get(name) or own.get(name) for name in ("Cmd", "Entrypoint")}
    body["Env"] = container.env
    if vch.release.hostname and asked.get("Hostname"):
        body["Hostname"] = asked["Hostname"]
    body |= {
        "Labels": vch.label,
        # Never run on a VCH, not even the image's own.
        "Healthcheck": {"Test": ["NONE"]},
        "ExposedPorts": {
            **(asked.get("ExposedPorts") or {}),
            **{port: {} for port in container.port_bindings},
        },
        "HostConfig": host,
        "NetworkingConfig": networks.endpoints(vch, container),
    }
    query = {"name": vch.behind_name(container.name)}
    try:
        container.id = vch.behind.json("POST", "/containers/create", query=query, body=body)["Id"]
    except BehindError as error:
        if error.status >= 500:
            raise errors.from_portlayer(vch.own_words(error.message)) from error
        raise


def _link(vch: Vch, text: str) -> str:
    name, colon, alias = text.partition(":")
    linked = vch.find(name)
    return f"{vch.behind_name(linked.name)}{colon or ':'}{alias or linked.name}"


HANDLERS = {"ContainerCreate": container_create}

"""Copying a volume on its endpoint: a container there has both, and copies from one to the other.

The API's own archives would not do: they leave out the extended attributes by which the daemon's layers say
what hides what (trusted.overlay.*). rsync in the machine image keeps them, as root with CAP_SYS_ADMIN.

A daemon's images that change while they are copied come out broken. So nobody may run with the volume, the
lock of its machine is held, and only the process that has watched from the beginning to the end takes the
copying container away. As long as that container is there, running or not, the copy is unfinished, and
`create --cache-volume` refuses it as being in use: a kill -9 leaves nothing that looks whole.

Several may be at work on one name. A call knows by a label of its own what it has made, and removes nothing
else; and of those that remove a copy that was broken off, the one goes on that has removed its container.
"""

from __future__ import annotations

import contextlib
import os
import re
import time

from dinv.cache_volumes import found
from dinv.drivers.docker import flavours, volumes
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.flavours.engine import AUTO
from dinv.drivers.docker.flavours.specification import MachineSpec
from dinv.errors import (
    BadRequest,
    Conflict,
    DinvError,
    ImageMissing,
    InputError,
    NotFound,
    ServerError,
    VolumeError,
    VolumeInUse,
    VolumeMissing,
)
from dinv.image_building.builder import image_list
from dinv.images import DEFAULT_IMAGE
from dinv.labels import LABEL_CLONE_ID, LABEL_CLONE_OF, LABEL_ROLE, LABEL_STORE
from dinv.lifecycle import power
from dinv.lifecycle.host import Host
from dinv.states import RUNNING
from dinv.store import identity
from dinv.system.deadline import Deadline
from dinv.timeouts import STATE_SECONDS
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from dinv.cache_volumes.found import CacheVolume
    from dinv.drivers.docker.flavours.engine import EngineFlavour
    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.store.store import Store

_COPY = ("rsync", "-aHAXS", "--numeric-ids", "--exclude=/lost+found", "/from/", "/to/")
_LOOK_SECONDS = 0.2
_LINES = 5
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,79}")
"""A volume's name (moby: volume/local), no longer than vSphere takes."""


def container(target: str) -> str:
    """Return the name of the container that makes a copy of this name."""
    return found.COPIER + target


def clone(
    engine: Engine,
    store: Store,
    source: CacheVolume,
    target: str,
    *,
    stop: bool,
    timeout: float,
    progress: Progress,
    trace: Callable[[str], None] | None,
) -> None:
    """Copy `source` to a new volume `target`; see `CacheVolumes.clone`."""
    if not _NAME.fullmatch(target):
        raise InputError(
            f'"{target}" cannot be a volume: letters, digits, and after the first one _ . -; at most 80.'
        )
    if source.copying or source.unfinished:
        raise VolumeError(source.name, f"Volume {source.name} is itself a copy that is not finished.")
    _image(engine)  # before a machine is stopped for it
    _make_room(engine, store, target)
    with contextlib.ExitStack() as stack:
        if source.owner:
            stack.enter_context(_at_rest(store, source, stop=stop, progress=progress, trace=trace))
        _check_at_rest(engine, store, source.name, target)
        begun = time.monotonic()
        with progress.working("Volume", f"copying {source.name} to {target}"):
            _copy(engine, store, source, target, Deadline(timeout))
        progress.line("Volume", f"{source.name} to {target}", f"copied in {time.monotonic() - begun:.1f} s")


def being_made(volume: CacheVolume) -> VolumeInUse:
    """Return the error that a copy is not finished yet."""
    return VolumeInUse(
        volume.name,
        f"Volume {volume.name} is being made, as a copy of {volume.clone_of}, by container "
        f"{container(volume.name)}. Wait for its end, or break it off: "
        + command("volume", "rm", "--force", volume.name),
        [container(volume.name)],
    )


def remove_copier(engine: Engine, copier: str) -> bool:
    """Remove the container, by its id, that made or makes a copy; return whether it was not gone already."""
    try:
        engine.containers.remove(copier, force=True, volumes=True, timeout=CHANGE_SECONDS)
    except (NotFound, Conflict):  # Conflict: another process removes it
        return False
    return True


def let_go(engine: Engine, volume: CacheVolume) -> None:
    """Remove the container of a copy that was broken off: the volume is then the caller's to remove.

    Raises VolumeInUse if somebody else was first: a volume of the name may be theirs, and new.
    """
    if not remove_copier(engine, volume.copier):
        raise VolumeInUse(
            volume.name,
            f"Volume {volume.name} is just being removed, or made anew, by another dinv.",
            [],
        )


@contextlib.contextmanager
def _at_rest(
    store: Store,
    source: CacheVolume,
    *,
    stop: bool,
    progress: Progress,
    trace: Callable[[str], None] | None,
) -> Iterator[None]:
    """Hold the lock of the volume's machine, which is stopped for that long if `stop` says so."""
    name = source.owner
    with Host(store.load(name), store, trace=trace) as host:
        runs = bool(source.running) and host.driver.state(timeout=STATE_SECONDS).state == RUNNING
        if runs and not stop:
            raise VolumeInUse(
                source.name,
                f'Machine "{name}" runs, and a copy of images in use would be broken. Stop it first: '
                + command("stop", name)
                + "; or have that done for as long as it takes, with "
                + option("stop"),
                source.running,
            )
        if runs:
            power.stop(host, progress)
        try:
            with store.lock(name, "copying its cache volume"):
                yield
        finally:
            if runs:
                power.start(host, progress)


def _check_at_rest(engine: Engine, store: Store, source: str, target: str) -> None:
    """Raise VolumeInUse if a container that runs has the volume, now that its machine is locked."""
    for volume in found.look(engine, store, sizes=False):
        if volume.name == source and volume.running:
            raise VolumeInUse(
                source,
                f"Volume {source} is in use by {', '.join(volume.running)}, and a copy would be broken. "
                f"Stop that first.",
                volume.running,
            )
        if volume.name == source:
            return
    raise VolumeMissing(source, f"Volume {source} has just been removed; {target} was not made.")


def _make_room(engine: Engine, store: Store, target: str) -> None:
    """Remove a copy of this name that was broken off. Raises VolumeError if there is another volume.

    VolumeInUse if it is a copy that is being made.
    """
    for volume in found.look(engine, store, sizes=False):
        if volume.name == target and volume.copying:
            raise being_made(volume)
        if volume.name == target and volume.unfinished:
            let_go(engine, volume)
            engine.volumes.remove(target, timeout=CHANGE_SECONDS)
            return
    try:
        engine.volumes.inspect(target)
    except NotFound:
        return
    raise _there_already(engine, target)


def _there_already(engine: Engine, target: str) -> VolumeError:
    return VolumeError(
        target,
        f"{engine.address} has a volume {target} already. Choose another name, or remove it: "
        + command("volume", "rm", target),
    )


def _image(engine: Engine) -> str:
    """Return the id of a machine image, the newest of dinv's own if there is one. Raises ImageMissing."""
    images = image_list(engine)
    if not images:
        advice = flavours.detect(engine.info()).image_advice
        raise ImageMissing(DEFAULT_IMAGE, engine.address, "a volume is copied by a container of it", advice)
    return next((image.id for image in images if image.contract == DEFAULT_IMAGE), images[0].id)


def _copy(engine: Engine, store: Store, source: CacheVolume, target: str, deadline: Deadline) -> None:
    flavour = flavours.detect(engine.info())
    options = {
        key: value for key, value in source.options.items() if key in flavour.volume_options(1, "store")
    }
    mine = os.urandom(16).hex()
    labels = {LABEL_ROLE: found.CACHE, LABEL_CLONE_OF: source.name, LABEL_STORE: identity.of(store)}
    body = _body(flavour, _image(engine), source.name, target, mine)
    try:
        _make_volume(engine, target, {**labels, LABEL_CLONE_ID: mine}, options)
        copier = _make_container(engine, target, body, mine)
        try:
            engine.containers.start(copier, timeout=flavour.start_seconds)
            _await(engine, copier, source.name, target, deadline)
        except NotFound as error:
            raise VolumeError(
                target,
                f"Volume {target} has not become a whole copy of {source.name}: the container that makes it "
                f"was removed meanwhile ({error.message}).",
            ) from error
    except BaseException as error:
        _undo(engine, target, mine, error)
        raise
    remove_copier(engine, copier)


def _make_volume(engine: Engine, target: str, labels: dict[str, str], options: dict[str, str]) -> None:
    """Make the volume. Raises VolumeError if somebody else has just made one of the name."""
    try:
        volume = engine.volumes.create(
            target, labels=labels, driver=volumes.LOCAL, driver_opts=options, timeout=CHANGE_SECONDS
        )
    except (BadRequest, Conflict, ServerError) as error:
        try:
            # A VCH returns an error for a name that exists, even if our own call was just made again.
            volume = engine.volumes.inspect(target)
        except NotFound:
            raise error from None
    if not _is_mine(volume.get("Labels"), labels[LABEL_CLONE_ID]):
        raise _there_already(engine, target)


def _make_container(engine: Engine, target: str, body: dict[str, Any], mine: str) -> str:
    """Make the container that copies; return its id. Raises Conflict if there is another of its name."""
    try:
        return engine.containers.create(container(target), body, timeout=CHANGE_SECONDS)[0]
    except Conflict:
        # A call that was repeated may find what it made the first time.
        copier = _copier(engine, target, mine)
        if not copier:
            raise
        return copier


def _copier(engine: Engine, target: str, mine: str) -> str:
    """Return the id of the container that the call `mine` has made, "" if there is none."""
    try:
        there = engine.containers.inspect(container(target))
    except NotFound:
        return ""
    return str(there["Id"]) if _is_mine((there.get("Config") or {}).get("Labels"), mine) else ""


def _is_mine(labels: Mapping[str, str] | None, mine: str) -> bool:
    return (labels or {}).get(LABEL_CLONE_ID) == mine


def _undo(engine: Engine, target: str, mine: str, error: BaseException) -> None:
    """Remove what the call `mine` has made, and nothing that another has made of the same name."""
    try:
        copier = _copier(engine, target, mine)
        if copier:
            remove_copier(engine, copier)
        if _is_mine(engine.volumes.inspect(target).get("Labels"), mine):
            engine.volumes.remove(target, timeout=CHANGE_SECONDS)
    except NotFound:
        pass
    except DinvError:
        error.add_note("What was copied so far is left. Remove it: " + command("volume", "rm", target))


def _body(flavour: EngineFlavour, image: str, source: str, target: str, mine: str) -> dict[str, Any]:
    """Return the create call's body for the container that copies: like a machine's, with another command."""
    spec = MachineSpec(
        hostname="clone",
        image=image,
        labels={LABEL_ROLE: "clone", LABEL_CLONE_OF: source, LABEL_CLONE_ID: mine},
        environment={},
        command=(),
        mounts=((source, "/from:ro"), (target, "/to")),
        cpus=0,
        memory=0,
        network="",
        ip="",
        publish_address="",
        port=0,
        isolation=flavour.isolation(AUTO),
    )
    body: dict[str, Any] = {**flavour.create_body(spec), "Entrypoint": list(_COPY), "ExposedPorts": {}}
    for key in ("PortBindings", "RestartPolicy"):
        body["HostConfig"].pop(key, None)
    return body


def _await(engine: Engine, copier: str, source: str, target: str, deadline: Deadline) -> None:
    """Wait until all is copied. Raises VolumeError, NotFound if the container is gone, DeadlineExceeded."""
    while True:
        state = engine.containers.inspect(copier).get("State") or {}
        status = str(state.get("Status", "")).lower()
        if status in ("exited", "stopped", "dead"):
            break
        deadline.raise_if_expired(f"Copying volume {source}")
        time.sleep(_LOOK_SECONDS)
    if int(state.get("ExitCode") or 0):
        with engine.containers.logs(copier, tail=_LINES, tty=False) as output:
            said = b"".join(data for _, data in output).decode(errors="replace").strip()
        raise VolumeError(
            source,
            f"Volume {source} could not be copied to {target}, which was removed: "
            + (said or f"rsync ended with exit status {state.get('ExitCode')}")
            + ".",
        )

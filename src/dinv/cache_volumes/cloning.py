"""Copying a volume on its endpoint: a container there has both, and copies from one to the other.

The API's own archives would not do: they leave out the extended attributes by which the daemon's layers say
what hides what (trusted.overlay.*). rsync in the machine image keeps them, as root with CAP_SYS_ADMIN.

A daemon's images that change while they are copied come out broken. So nobody may run with the volume, the
lock of its machine is held, and only the process that has watched from the beginning to the end takes the
copying container away. As long as that container is there, running or not, the copy is unfinished, and
`create --cache-volume` refuses it as being in use: a kill -9 leaves nothing that looks whole.
"""

from __future__ import annotations

import contextlib
import re
import time

from dinv.cache_volumes import found
from dinv.drivers.docker import flavours, volumes
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.flavours.engine import AUTO
from dinv.drivers.docker.flavours.specification import MachineSpec
from dinv.errors import (
    Conflict,
    DinvError,
    ImageMissing,
    InputError,
    NotFound,
    VolumeError,
    VolumeInUse,
    VolumeMissing,
)
from dinv.image_building.builder import image_list
from dinv.images import DEFAULT_IMAGE
from dinv.labels import LABEL_CLONE_OF, LABEL_ROLE, LABEL_STORE
from dinv.lifecycle import power
from dinv.lifecycle.host import Host
from dinv.states import RUNNING
from dinv.store import identity
from dinv.system.deadline import Deadline
from dinv.timeouts import STATE_SECONDS
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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


def remove_container(engine: Engine, target: str) -> None:
    """Remove the container that made, or makes, a copy; it is fine if there is none."""
    with contextlib.suppress(NotFound, Conflict):  # Conflict: another process removes it
        engine.containers.remove(container(target), force=True, volumes=True, timeout=CHANGE_SECONDS)


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
    """Remove a copy of this name that was broken off. Raises VolumeError if there is another volume."""
    for volume in found.look(engine, store, sizes=False):
        if volume.name == target and volume.unfinished:
            remove_container(engine, target)
            engine.volumes.remove(target, timeout=CHANGE_SECONDS)
            return
    try:
        engine.volumes.inspect(target)
    except NotFound:
        return
    raise VolumeError(
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
    labels = {LABEL_ROLE: found.CACHE, LABEL_CLONE_OF: source.name, LABEL_STORE: identity.of(store)}
    body = _body(flavour, _image(engine), source.name, target)
    try:
        engine.volumes.create(
            target, labels=labels, driver=volumes.LOCAL, driver_opts=options, timeout=CHANGE_SECONDS
        )
        engine.containers.create(container(target), body, timeout=CHANGE_SECONDS)
        engine.containers.start(container(target), timeout=flavour.start_seconds)
        _await(engine, source.name, target, deadline)
    except BaseException as error:
        try:
            remove_container(engine, target)
            engine.volumes.remove(target, timeout=CHANGE_SECONDS)
        except NotFound:
            pass
        except DinvError:
            error.add_note("What was copied so far is left. Remove it: " + command("volume", "rm", target))
        raise
    engine.containers.remove(container(target), force=True, volumes=True, timeout=CHANGE_SECONDS)


def _body(flavour: EngineFlavour, image: str, source: str, target: str) -> dict[str, Any]:
    """Return the create call's body for the container that copies: like a machine's, with another command."""
    spec = MachineSpec(
        hostname="clone",
        image=image,
        labels={LABEL_ROLE: "clone", LABEL_CLONE_OF: source},
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


def _await(engine: Engine, source: str, target: str, deadline: Deadline) -> None:
    """Wait until all is copied. Raises VolumeError, DeadlineExceeded."""
    while True:
        state = engine.containers.inspect(container(target)).get("State") or {}
        status = str(state.get("Status", "")).lower()
        if status in ("exited", "stopped", "dead"):
            break
        deadline.raise_if_expired(f"Copying volume {source}")
        time.sleep(_LOOK_SECONDS)
    if int(state.get("ExitCode") or 0):
        with engine.containers.logs(container(target), tail=_LINES, tty=False) as output:
            said = b"".join(data for _, data in output).decode(errors="replace").strip()
        raise VolumeError(
            source,
            f"Volume {source} could not be copied to {target}, which was removed: "
            + (said or f"rsync ended with exit status {state.get('ExitCode')}")
            + ".",
        )

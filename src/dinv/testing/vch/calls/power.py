"""Starting, stopping, killing, renaming and removing container VMs.

vmware/vic: lib/apiservers/engine/backends/container.go, lib/portlayer/exec/base.go. A start is a VM's boot:
it takes `start_delay` seconds before there is a process; meanwhile the container is "Starting".
"""

from __future__ import annotations

import re
import time
from signal import Signals
from typing import TYPE_CHECKING

from dinv.testing.vch.calls import networks, volumes
from dinv.testing.vch.rules import errors, ports
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.port_layer import PortLayerError, told
from dinv.testing.vch.state import REMOVING, STARTING, STOPPING
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from dinv.testing.vch.state import Container, Context, Vch

STOP_SECONDS = 10
"""The grace of a stop that names none. A create call's StopTimeout is ignored."""
_CALL_SECONDS = 600.0
_REAL_TIME = re.compile(r"RTM(IN(\+\d+)?|AX(-\d+)?)")
_NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+")


def container_start(context: Context) -> Answer:
    """POST /containers/NAME/start; for a running one it is not an error, and has no effect."""
    vch, container = context.vch, context.container
    context.legacy_host_config()
    vch.retried(lambda: _start(vch, container))
    return Answer(204)


def _start(vch: Vch, container: Container) -> None:
    """Power a VM on, if it is not. Raises VicError, PortLayerError."""
    with container.operation("start"):
        vch.faults.below("Get")
        with vch.lock:
            # Atomically: of two that want the same port or disk, one comes second.
            running = vch.running()
            if container in running:
                return
            vch.faults.below("BindContainer")
            ports.claim(vch, container, running)
            vch.faults.below("Commit")
            volumes.claim(container, running)
            networks.claim(vch, container)
            container.transition = STARTING
        try:
            if not vch.booted():
                raise errors.from_portlayer("context canceled")
            vch.on(container, "POST", "/start", seconds=_CALL_SECONDS)
        except BehindError as error:
            taken = ports.refused_behind(container, error.message)
            if taken is not None:
                raise taken from error
            raise errors.from_portlayer(
                f"unable to wait for process launch status: {vch.own_words(error.message)}"
            ) from error
        finally:
            container.transition = ""
        networks.activate(container)
        if ports.api_port_of(vch, container):
            vch.api_holder = container


def _stop(vch: Vch, container: Container, grace: int) -> None:
    """Power a VM off, if it is not. Raises VicError, PortLayerError."""
    with container.operation("stop"):
        vch.faults.below("Get")
        vch.faults.below("GetContainerInfo")
        if not vch.inspect(container)["State"]["Running"]:
            return
        vch.faults.below("Commit")
        with container.changing(STOPPING):
            # A signal and, after the grace, SIGKILL; a VM is off after that, and so is a container.
            seconds = _CALL_SECONDS + max(grace, 0)
            vch.on(container, "POST", "/stop", query={"t": str(grace)}, seconds=seconds)
            vch.await_listed(container)


def _grace(context: Context) -> int:
    text = context.request.query.get("t", "")
    try:
        return int(text) if text else STOP_SECONDS
    except ValueError:
        raise errors.bare(f'strconv.Atoi: parsing "{text}": invalid syntax') from None


def container_stop(context: Context) -> Answer:
    """POST /containers/NAME/stop; for a stopped one it is not an error."""
    vch, container, grace = context.vch, context.container, _grace(context)
    vch.retried(lambda: _stop(vch, container, grace), rounds=2)
    return Answer(204)


def container_restart(context: Context) -> Answer:
    """POST /containers/NAME/restart: a stop and a start, and it says which of them failed."""
    vch, container, grace = context.vch, context.container, _grace(context)
    try:
        vch.retried(lambda: _stop(vch, container, grace))
    except (VicError, PortLayerError) as error:
        raise _half_failed("Stop", error, context) from error
    try:
        vch.retried(lambda: _start(vch, container))
    except (VicError, PortLayerError) as error:
        raise _half_failed("Start", error, context) from error
    return Answer(204)


def _half_failed(half: str, error: VicError | PortLayerError, context: Context) -> VicError:
    if isinstance(error, PortLayerError):
        context.call.injected = error.planned
        error = told(f"Container{half}", error, context.named)
    return errors.from_portlayer(f"{half} failed with: {error.message}")


def container_kill(context: Context) -> Answer:
    """POST /containers/NAME/kill."""
    vch, name = context.vch, context.groups["name"]
    signal = context.request.query.get("signal") or "SIGKILL"
    if not _is_signal(signal):
        raise errors.bare(f"Invalid signal: {signal}")
    try:
        container = context.container
        vch.faults.below("GetContainerInfo")
        if not vch.inspect(container)["State"]["Running"]:
            raise errors.bare(f"{container.id} is not running")
        vch.faults.below("ContainerSignal")
        vch.on(container, "POST", "/kill", query={"signal": signal})
        vch.await_listed(container)
    except BehindError as error:
        # The engine behind knows more of signals than is told from their names here.
        raise errors.bare(f"Invalid signal: {signal}") from error
    except VicError as error:
        raise errors.bare(f"Cannot kill container {name}: {error.message}") from error
    return Answer(204)


def _is_signal(text: str) -> bool:
    """Whether a text is a signal's number, or its name with or without SIG (docker 1.13: pkg/signal)."""
    if text.isascii() and text.isdecimal():
        return int(text) > 0
    name = text.upper().removeprefix("SIG")
    return f"SIG{name}" in Signals.__members__ or _REAL_TIME.fullmatch(name) is not None


def container_rename(context: Context) -> Answer:
    """POST /containers/NAME/rename."""
    vch, container = context.vch, context.container
    name = context.request.query.get("name", "").removeprefix("/")
    if not name:
        raise errors.bare("neither old nor new names may be empty")
    if not _NAME.fullmatch(name):
        raise VicError(500, f"invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    if container.name == name:
        raise VicError(500, "renaming a container with the same name as its current name")
    with vch.lock:
        owner = next((each for each in vch.containers.values() if each.name == name), None)
        if owner is not None or name in vch.reserved:
            raise errors.name_taken(name, owner.id if owner else "")
        vch.reserved.add(name)
    try:
        vch.retried(lambda: _rename(vch, container, name))
    finally:
        with vch.lock:
            vch.reserved.discard(name)
    return Answer(204)


def _rename(vch: Vch, container: Container, name: str) -> None:
    with container.operation("rename"):
        vch.faults.below("Get")
        vch.faults.below("Commit")
        vch.on(container, "POST", "/rename", query={"name": vch.behind_name(name)})
        container.name = name


def container_remove(context: Context) -> Answer:
    """DELETE /containers/NAME; with `v`, since VIC 1.3, its anonymous volumes too."""
    vch, container, request = context.vch, context.container, context.request
    force = request.flag("force")
    if request.flag("link"):
        raise errors.not_implemented("removing links")
    vch.faults.below("Get")
    if not force:
        if container.starting:
            raise VicError(409, "The container is starting.  To remove use -f")
        if vch.inspect(container)["State"]["Running"]:
            vch.faults.below("ContainerRemove")
            raise errors.still_running()
        vch.retried(lambda: _remove_stopped(vch, container))
    else:
        # Whatever else goes on with it: that finds the container gone.
        with container.changing(REMOVING):
            _remove(vch, container)
    if request.flag("v") and vch.release.removes_volumes:
        vch.remove_anonymous(container)
    return Answer(204)


def _remove_stopped(vch: Vch, container: Container) -> None:
    with container.operation("remove"), container.changing(REMOVING):
        _remove(vch, container)


def _remove(vch: Vch, container: Container) -> None:
    vch.faults.below("ContainerRemove")
    try:
        vch.behind.json("DELETE", f"/containers/{container.id}", query={"force": "1"}, seconds=_CALL_SECONDS)
    except BehindError as error:
        if error.status == 404:
            vch.forget(container)
            raise errors.no_such_container(container.name) from error
        if "already in progress" not in error.message:
            raise errors.from_portlayer(vch.own_words(error.message)) from error
        _await_removal(vch, container)
    vch.forget(container)


def _await_removal(vch: Vch, container: Container) -> None:
    """Wait until a removal that another client began is over. Raises 409 if it takes long."""
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end and not vch.closing.is_set():
        if container.id not in {entry["Id"] for entry in vch.listed()}:
            return
        time.sleep(0.02)
    raise errors.in_progress("remove", container.name)


HANDLERS = {
    "ContainerStart": container_start,
    "ContainerStop": container_stop,
    "ContainerRestart": container_restart,
    "ContainerKill": container_kill,
    "ContainerRename": container_rename,
    "ContainerRm": container_remove,
}

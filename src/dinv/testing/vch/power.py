"""Starting, stopping, killing, renaming and removing container VMs.

vmware/vic: lib/apiservers/engine/backends/container.go, lib/portlayer/exec/base.go. A start is a VM's boot:
it takes `start_delay` seconds before there is a process; meanwhile the container is "starting".
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dinv.testing.vch import errors, networks, ports, volumes
from dinv.testing.vch.behind import BehindError
from dinv.testing.vch.errors import VicError
from dinv.testing.vch.wire import Answer

if TYPE_CHECKING:
    from dinv.testing.vch.state import Container, Context, Vch

STOP_SECONDS = 10
"""The grace of a stop that names none. A create call's StopTimeout is ignored."""
_CALL_SECONDS = 600.0


def container_start(context: Context) -> Answer:
    """POST /containers/NAME/start."""
    container = context.container
    with container.operation("start"):
        return Answer(204 if _start(context.vch, container) else 304)


def _start(vch: Vch, container: Container) -> bool:
    """Power a VM on; False where it was on. Raises VicError."""
    with vch.lock:
        # In one piece: of two that want the same port or disk, one comes second.
        running = vch.running()
        if container in running:
            return False
        ports.claim(vch, container, running)
        volumes.claim(container, running)
        networks.claim(vch, container)
        container.starting = True
    try:
        if vch.closing.wait(vch.start_delay):
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
        container.starting = False
    return True


def _stop(vch: Vch, container: Container, grace: int) -> None:
    # A signal and, after the grace, SIGKILL; a VM is off after that, and so is a container.
    vch.on(container, "POST", "/stop", query={"t": str(grace)}, seconds=_CALL_SECONDS + max(grace, 0))


def _grace(context: Context) -> int:
    text = context.request.query.get("t", "")
    try:
        return int(text) if text else STOP_SECONDS
    except ValueError:
        raise errors.bare(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def container_stop(context: Context) -> Answer:
    """POST /containers/NAME/stop; of one that is stopped it is no error."""
    container, grace = context.container, _grace(context)
    with container.operation("stop"):
        _stop(context.vch, container, grace)
    return Answer(204)


def container_restart(context: Context) -> Answer:
    """POST /containers/NAME/restart: a stop and a start."""
    container, grace = context.container, _grace(context)
    with container.operation("restart"):
        _stop(context.vch, container, grace)
        _start(context.vch, container)
    return Answer(204)


def container_kill(context: Context) -> Answer:
    """POST /containers/NAME/kill."""
    vch, container = context.vch, context.container
    signal = context.request.query.get("signal") or "SIGKILL"
    with container.operation("kill"):
        if not vch.inspect(container)["State"]["Running"]:
            raise VicError(500, f"Container {container.name} is not running")
        try:
            vch.on(container, "POST", "/kill", query={"signal": signal})
        except BehindError as error:
            raise errors.bare(vch.own_words(error.message)) from error
    return Answer(204)


def container_rename(context: Context) -> Answer:
    """POST /containers/NAME/rename."""
    vch, container = context.vch, context.container
    name = context.request.query.get("name", "").removeprefix("/")
    if not name:
        raise errors.bare("Neither old nor new names may be empty")
    with container.operation("rename"):
        with vch.lock:
            owner = next((each for each in vch.containers.values() if each.name == name), None)
            if owner is not None or name in vch.reserved:
                raise VicError(
                    409,
                    f'Conflict. The name "{name}" is already in use by container '
                    f"{owner.id if owner else ''}. You have to remove (or rename) that container to be able "
                    f"to re use that name.",
                )
            vch.reserved.add(name)
        try:
            vch.on(container, "POST", "/rename", query={"name": vch.behind_name(name)})
            container.name = name
        finally:
            with vch.lock:
                vch.reserved.discard(name)
    return Answer(204)


def container_remove(context: Context) -> Answer:
    """DELETE /containers/NAME; with `v`, since VIC 1.3, its anonymous volumes too."""
    vch, container, request = context.vch, context.container, context.request
    force = request.flag("force")
    if request.flag("link"):
        raise errors.not_implemented("removing links")
    if not force:
        if container.starting:
            raise VicError(409, "The container is starting.  To remove use -f")
        with container.operation("remove"):
            if vch.inspect(container)["State"]["Running"]:
                raise VicError(
                    409,
                    "You cannot remove a running container. Stop the container before attempting removal or "
                    "use -f",
                )
            _remove(vch, container)
    else:
        # Whatever else goes on with it: that finds the container gone.
        _remove(vch, container)
    if request.flag("v") and vch.release.removes_volumes:
        vch.remove_anonymous(container)
    return Answer(204)


def _remove(vch: Vch, container: Container) -> None:
    try:
        vch.behind.json("DELETE", f"/containers/{container.id}", query={"force": "1"}, seconds=_CALL_SECONDS)
    except BehindError as error:
        if error.status == 404:  # noqa: PLR2004
            vch.forget(container)
            raise errors.no_such_container(container.name) from error
        if "already in progress" not in error.message:
            raise errors.from_portlayer(vch.own_words(error.message)) from error
        _await_removal(vch, container)
    vch.forget(container)


def _await_removal(vch: Vch, container: Container) -> None:
    """Wait until a removal that somebody else began is over. Raises 409 when it takes long."""
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

"""Installers of Docker Datacenter, run on a machine's daemon as their documentation has it.

    docker run --rm -i -v /var/run/docker.sock:/var/run/docker.sock mirantis/ucp:VERSION OPERATION FLAGS...

But over the Engine API. Secrets are in the container's environment, which ends with it, and never among its
arguments; files are put into the container itself, before it starts. The container removes itself, so one
whose dinv was killed leaves nothing either, and a run that finds another at work waits for its end.
"""

from __future__ import annotations

import contextlib
import threading
import time

from dinv.channel import pack
from dinv.errors import (
    Conflict,
    DatacenterError,
    DeadlineExceeded,
    DinvError,
    EngineError,
    InstallerFailed,
    InstallerHangs,
    NotFound,
)
from dinv.labels import LABEL_INSTALLER
from dinv.provisioners.datacenter.log_lines import Log
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.channel import File
    from dinv.engine import Engine
    from dinv.progress import Progress

SOCKET = "/var/run/docker.sock"
CALL_SECONDS = 60.0
POLL_SECONDS = 1.0
END_SECONDS = 30.0
"""For an installer's exit status, once it has ended its output."""
MOST_OUTPUT = 1024 * 1024
"""Bytes of standard output that are kept, for operations whose output is their result."""


class Run:
    """One run of an installer: `dtr install`, say.

    `image` is the installer, `operation` its command with `flags`; `environment` and `files` are what it is
    given besides. `secrets` are texts that are not shown, should it repeat them. `socket`: whether it works
    on the machine's daemon. `name` is the container's; UCP's documentation has "ucp". `timeout` in seconds.
    """

    def __init__(
        self,
        image: str,
        operation: str,
        flags: Sequence[str] = (),
        *,
        timeout: float,
        environment: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        files: Sequence[File] = (),
        socket: bool = True,
        name: str = "ucp",
    ) -> None:
        self.image = image
        self.operation = operation
        self.flags = tuple(flags)
        self.timeout = timeout
        self.environment = dict(environment or {})
        self.secrets = tuple(secrets)
        self.files = tuple(files)
        self.socket = socket
        self.name = name

    def body(self, *, selinux: bool) -> dict[str, Any]:
        """Return the API's object for its container."""
        host: dict[str, Any] = {"AutoRemove": True}
        if self.socket:
            host["Binds"] = [f"{SOCKET}:{SOCKET}"]
        if selinux:
            # The daemon's socket is not labelled for containers (Mirantis: mke-cli-install, "SELinux").
            host["SecurityOpt"] = ["label=disable"]
        return {
            "Image": self.image,
            "Cmd": [self.operation, *self.flags],
            "Env": [f"{key}={value}" for key, value in self.environment.items()],
            "Labels": {LABEL_INSTALLER: self.operation},
            "AttachStdout": True,
            "AttachStderr": True,
            "HostConfig": host,
        }


def run(engine: Engine, machine: str, what: Run, progress: Progress) -> bytes:
    """Run an installer to its end; return its standard output. `engine` is a client of the machine's daemon.

    Its image has to be there. Raises InstallerFailed for a line of level "fatal", or an exit status other
    than 0; InstallerHangs after its time, when it has been stopped; and the errors of the daemon.
    """
    deadline = Deadline(what.timeout)
    log = Log(what.secrets)
    output = bytearray()
    container = _created(engine, machine, what, deadline, progress)
    ended: list[int] = []
    waiting: threading.Thread | None = None
    try:
        if what.files:
            engine.containers.archive_put(container, "/", pack(what.files), timeout=CALL_SECONDS)
        with engine.containers.attach(container, tty=False, timeout=CALL_SECONDS) as streams:
            # Asked before the start: a container that removes itself may be gone before anybody can ask.
            waiting = threading.Thread(
                target=_wait, args=(engine, container, deadline, ended), name=what.name, daemon=True
            )
            waiting.start()
            engine.containers.start(container, timeout=CALL_SECONDS)

            def take(stream: str, data: bytes) -> None:
                if stream == "stdout" and len(output) < MOST_OUTPUT:
                    output.extend(data[: MOST_OUTPUT - len(output)])
                _show(log.feed(data, stream), progress)

            streams.copy(
                stdout=lambda data: take("stdout", data),
                stderr=lambda data: take("stderr", data),
                timeout=deadline,
            )
        waiting.join(END_SECONDS)
    except DeadlineExceeded as error:
        last = log.lines[-1].text if log.lines else ""
        raise InstallerHangs(machine, what.image, what.operation, what.timeout, last) from error
    finally:
        _removed(engine, container)
    log.end()
    status = ended[0] if ended else None
    if log.fatal or status:
        raise InstallerFailed(machine, what.image, what.operation, log.reasons(), status)
    return bytes(output)


def settle(engine: Engine, machine: str, what: Run, progress: Progress) -> None:
    """Wait for the end of an installer that a killed dinv has left running, if there is one."""
    with contextlib.suppress(NotFound):
        engine.containers.inspect(what.name, timeout=CALL_SECONDS)
        _wait_for_other(engine, machine, what, Deadline(what.timeout), progress)


def _created(engine: Engine, machine: str, what: Run, deadline: Deadline, progress: Progress) -> str:
    """Create its container, once no other of its name is at work; return its id."""
    security = engine.info(timeout=CALL_SECONDS).get("SecurityOptions") or ()
    body = what.body(selinux=any(str(each).startswith("name=selinux") for each in security))
    while True:
        try:
            container, _ = engine.containers.create(what.name, body, timeout=CALL_SECONDS)
        except Conflict:
            _wait_for_other(engine, machine, what, deadline, progress)
        else:
            return container


def _wait_for_other(engine: Engine, machine: str, what: Run, deadline: Deadline, progress: Progress) -> None:
    """Wait until the installer that a killed dinv has left running has ended. Raises InstallerHangs."""
    progress.note(f"An installer is at work on {machine} already: waiting for its end")
    while True:
        try:
            found = engine.containers.inspect(what.name, timeout=CALL_SECONDS)
        except NotFound:
            return
        if not (found.get("State") or {}).get("Running"):
            if LABEL_INSTALLER not in ((found.get("Config") or {}).get("Labels") or {}):
                raise DatacenterError(
                    machine,
                    f'Machine "{machine}" has a container called {what.name} that dinv did not make, and '
                    f"installers are called that. Remove it: docker --context {machine} rm {what.name}",
                )
            # Created and never started, or ended and about to be removed.
            _removed(engine, what.name)
            return
        if deadline.expired:
            raise InstallerHangs(machine, what.image, what.operation, what.timeout)
        time.sleep(POLL_SECONDS)


def _wait(engine: Engine, container: str, deadline: Deadline, ended: list[int]) -> None:
    with contextlib.suppress(DinvError):
        limit = deadline.remaining()
        ended.append(
            engine.containers.wait(container, condition="removed", timeout=(limit or 0) + END_SECONDS)
        )


def _removed(engine: Engine, container: str) -> None:
    """Remove an installer's container, running or not; mostly it has removed itself."""
    with contextlib.suppress(EngineError, DeadlineExceeded):
        engine.containers.remove(container, force=True, timeout=CALL_SECONDS)


def _show(lines: Sequence[Any], progress: Progress) -> None:
    for line in lines:
        if line.level not in ("debug", "trace"):
            progress.update(line.text)

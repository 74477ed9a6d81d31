"""The calls about commands run in containers."""

from __future__ import annotations

from math import inf
from time import sleep

from dinv.engine import shapes
from dinv.engine.wire.http_syntax import quote
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, BinaryIO

    from dinv.engine.calls import Calls
    from dinv.engine.wire.hijack import HijackedStream, Sink

    JSON = dict[str, Any]

_FIRST_PAUSE = 0.002
_LONGEST_PAUSE = 0.1


class Execs:
    """`engine.execs`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bool = False,
        tty: bool = False,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        privileged: bool = False,
        timeout: float | Deadline | None = None,
    ) -> str:
        """Prepare a command in a running container and return the exec's id.

        `user` is a name or number, optionally with `:GROUP`. `env` needs API 1.25, `workdir` 1.35.
        Raises NotFound, and Conflict if the container does not run.
        """
        body: JSON = {
            "AttachStdin": stdin,
            "AttachStdout": True,
            "AttachStderr": True,
            "Tty": tty,
            "Cmd": list(argv),
            "Privileged": privileged,
        }
        if env:
            body["Env"] = [f"{name}={value}" for name, value in env.items()]
        if user:
            body["User"] = user
        if workdir:
            body["WorkingDir"] = workdir
        path = f"/containers/{quote(container)}/exec"
        found: str = self._calls.json("POST", path, body=body, shape=shapes.CREATED, timeout=timeout)["Id"]
        return found

    def start(
        self, exec_id: str, *, tty: bool = False, timeout: float | Deadline | None = None
    ) -> HijackedStream:
        """Start the command and return its streams, which the caller closes.

        `tty` must be the same as for `create`. `timeout` is for the start only. Raises BadRequest or NotFound
        if the command cannot be run (moby answers 400 if it does not exist).
        """
        body = {"Detach": False, "Tty": tty}
        return self._calls.hijack(f"/exec/{quote(exec_id)}/start", body=body, tty=tty, timeout=timeout)

    def inspect(self, exec_id: str, *, timeout: float | Deadline | None = None) -> JSON:
        """Return its state: "Running", "ExitCode" (None until it has ended), "Pid"."""
        found: JSON = self._calls.json(
            "GET", f"/exec/{quote(exec_id)}/json", shape=shapes.EXEC, timeout=timeout
        )
        return found

    def resize(
        self, exec_id: str, *, height: int, width: int, timeout: float | Deadline | None = None
    ) -> None:
        """Set the size of its TTY, in characters. The command must have been started."""
        self._calls.call(
            "POST", f"/exec/{quote(exec_id)}/resize", query={"h": height, "w": width}, timeout=timeout
        )

    def exit_code(self, exec_id: str, *, timeout: float | Deadline | None = None) -> int:
        """Return the exit status of a command whose output has ended.

        The engine may record it a moment after it closes the streams, so this waits, in small steps.
        """
        deadline = Deadline.of(timeout, self._calls.timeout)
        pause = _FIRST_PAUSE
        while True:
            found = self.inspect(exec_id, timeout=deadline)
            if not found.get("Running") and found.get("ExitCode") is not None:
                return int(found["ExitCode"])
            deadline.raise_if_expired(f"the end of exec {exec_id[:12]} on {self._calls.address}")
            sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 2)

    def run(
        self,
        container: str,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: Sink = None,
        stderr: Sink = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        tty: bool = False,
        timeout: float | Deadline | None = inf,
    ) -> int:
        """Run a command to its end and return its exit status.

        `stdin` is passed on to its end; `stdout` and `stderr` are functions or open files that get bytes,
        None drops them. With `tty` all output is stdout's. `timeout` is for the whole call, by default
        without limit; the API cannot end a command, so one that outlives it keeps running.
        """
        deadline = Deadline.of(timeout, inf)
        exec_id = self.create(
            container,
            argv,
            stdin=stdin is not None,
            tty=tty,
            env=env,
            user=user,
            workdir=workdir,
            timeout=_sooner(deadline, self._calls.timeout),
        )
        with self.start(exec_id, tty=tty, timeout=_sooner(deadline, self._calls.timeout)) as stream:
            stream.copy(stdin=stdin, stdout=stdout, stderr=stderr, timeout=deadline)
        return self.exit_code(exec_id, timeout=_sooner(deadline, self._calls.timeout))


def _sooner(deadline: Deadline, seconds: float) -> Deadline:
    """Return the deadline, or one in `seconds` if that is sooner."""
    remaining = deadline.remaining()
    return deadline if remaining is not None and remaining < seconds else Deadline(seconds)

"""Programs of others that are run to their end: with a deadline, with bounds, and nothing left running.

Each has a process that looks after it (`supervisor.py`), so it ends even when dinv is killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys

import dinv
from dinv.system import scratch
from dinv.system.supervisor import GRACE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from dinv.system.deadline import Deadline

    Take = Callable[[bytes], bool]
    """Gets a piece of output; returns whether the command may go on."""

_PIECE = 65536
_LAST_PIECES = 64
"""How often a pipe is read once the command has ended: it holds less, but others may go on writing."""

_PATHS = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n')\n"
_SUPERVISOR = "from dinv.system.supervisor import main; main(int(sys.argv[1]), sys.argv[2:])"


class Ended:
    """What became of a command.

    `status` is as in subprocess: below 0 for a signal; None if the process that looks after it was lost.
    `late`: its time was up. `stopped`: whoever takes its output wanted no more. In both cases it was ended.
    """

    def __init__(self, status: int | None, *, late: bool, stopped: bool) -> None:
        self.status = status
        self.late = late
        self.stopped = stopped


class Printed:
    """What became of a command, and what it printed.

    `status` and `late` are as in Ended. `output` and `said` are from its standard output and error, the
    latter's end only. `too_much`: it printed more than it may, and was ended.
    """

    def __init__(self, ended: Ended, output: bytes, said: bytes) -> None:
        self.status = ended.status
        self.late = ended.late
        self.too_much = ended.stopped
        self.output = output
        self.said = said


def signal_name(number: int) -> str:
    """Return the name of a signal: "SIGTERM"; "signal 99" if it has none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def python(code: str, *arguments: str) -> list[str]:
    """Return a command that runs `code`, which finds modules where this process does, dinv first."""
    own = os.path.dirname(os.path.dirname(dinv.__file__))
    paths = "\n".join([own, *(os.path.abspath(place) for place in sys.path)])
    return [sys.executable, "-c", _PATHS + code, paths, *arguments]


def run(
    argv: Sequence[str],
    *,
    given: bytes,
    environment: Mapping[str, str],
    deadline: Deadline,
    most: int,
    most_said: int = 4096,
) -> Printed:
    """Run a program as `follow` does, `given` on its standard input; return what it printed.

    It is ended when it prints more than `most` bytes; of its standard error the last `most_said` are kept.
    Raises OSError if it cannot be started.
    """
    output, said = bytearray(), bytearray()

    def take(data: bytes) -> bool:
        output.extend(data)
        return len(output) <= most

    def hear(data: bytes) -> bool:
        said.extend(data)
        del said[:-most_said]
        return True

    with scratch.small() as file:
        file.write(given)
        file.seek(0)
        ended = follow(
            argv, stdin=file.fileno(), environment=environment, deadline=deadline, output=take, errors=hear
        )
    return Printed(ended, bytes(output[:most]), bytes(said))


def follow(
    argv: Sequence[str],
    *,
    stdin: int,
    environment: Mapping[str, str],
    deadline: Deadline,
    output: Take,
    errors: Take | None = None,
    directory: str | None = None,
) -> Ended:
    """Run a program without a shell; `output` and `errors` get what it prints, in pieces.

    Without `errors`, its standard error goes where its output goes. It is in a session of its own, so it has
    no terminal to ask questions on, and Ctrl-C is the caller's. When it has ended, when its time is up, when
    `output` wants no more, or when the caller is interrupted or killed, everything in its process group is
    ended. A child of its that has left the group and holds its output open is not waited for. Raises OSError
    if it cannot be started; its `filename` is the program's, or another if that which looks after it cannot.
    """
    with _Command(
        argv, stdin=stdin, environment=environment, directory=directory, output=output, errors=errors
    ) as command:
        report, late, stopped = command.read(deadline)
        if (late or stopped) and not report:
            report = command.end()
    kind, _, number = report.partition(" ")
    if kind == "error":
        raise OSError(int(number), os.strerror(int(number)), argv[0])
    status = {"exit": 1, "signal": -1}.get(kind)
    return Ended(status and status * int(number), late=late, stopped=stopped)


class _Command:
    """A command with its supervisor and its pipes. At the end of the `with`, all are gone."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        stdin: int,
        environment: Mapping[str, str],
        directory: str | None,
        output: Take,
        errors: Take | None,
    ) -> None:
        self._ours, theirs = socket.socketpair()
        ours, printed = os.pipe()
        self._pipes = {ours: output}
        said = subprocess.STDOUT
        if errors is not None:
            ours, said = os.pipe()
            self._pipes[ours] = errors
        program, *code = python(_SUPERVISOR, str(theirs.fileno()), *argv)
        try:
            self._supervisor = subprocess.Popen(
                # Nothing but what it needs: neither site-packages nor what PYTHON* say.
                [program, "-I", "-S", *code],
                stdin=stdin,
                stdout=printed,
                stderr=said,
                env=dict(environment),
                cwd=directory,
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            self._close()
            raise
        finally:
            theirs.close()
            os.close(printed)
            if errors is not None:
                os.close(said)
        for pipe in self._pipes:
            os.set_blocking(pipe, False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ours.close()
        try:
            self._supervisor.wait(4 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        self._close()

    def _close(self) -> None:
        self._ours.close()
        for pipe in self._pipes:
            os.close(pipe)

    def read(self, deadline: Deadline) -> tuple[str, bool, bool]:
        """Read until it has ended; return its report, whether it is late, and whether no more is wanted."""
        lifeline = self._ours.fileno()
        reading = dict(self._pipes)
        while not deadline.expired:
            ready, _, _ = select.select([lifeline, *reading], (), (), deadline.remaining())
            for pipe in ready:
                if pipe == lifeline:
                    continue
                data = os.read(pipe, _PIECE)
                if not data:
                    del reading[pipe]
                elif not reading[pipe](data):
                    return "", False, True
            if lifeline in ready:
                report = self._report()
                # Whoever has left the process group, a daemon, may keep a pipe open: no wait for its end.
                return report, False, not all(_rest(pipe, take) for pipe, take in reading.items())
        return "", True, False

    def end(self) -> str:
        """End it; return its report, or "" if there is none in time."""
        with contextlib.suppress(OSError):  # it may have ended by itself meanwhile
            self._ours.shutdown(socket.SHUT_WR)
        ready, _, _ = select.select([self._ours], (), (), 4 * GRACE_SECONDS)
        return self._report() if ready else ""

    def _report(self) -> str:
        return self._ours.recv(64).decode("ascii", "replace")


def _rest(pipe: int, take: Take) -> bool:
    """Take what is in a pipe now; return whether more would be wanted."""
    for _ in range(_LAST_PIECES):
        try:
            data = os.read(pipe, _PIECE)
        except BlockingIOError:
            break
        if not data:
            break
        if not take(data):
            return False
    return True

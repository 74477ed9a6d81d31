"""Programs of others that are run to their end: with a deadline, with bounds, and nothing left running."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time

from dinv.system import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dinv.system.deadline import Deadline

_PIECE = 65536
_POLL_SECONDS = 0.02
_LAST_PIECES = 8
"""How often both pipes are read once it has ended; they hold less."""
_GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL."""


class Ended:
    """What became of a program.

    `status` is as in subprocess: below 0 for a signal. `output` and `said` are what it printed on its
    standard output and error, the latter's end only. `late`: its time was up. `too_much`: it printed more
    than it may. In both cases it was stopped.
    """

    def __init__(self, status: int, output: bytes, said: bytes, *, late: bool, too_much: bool) -> None:
        self.status = status
        self.output = output
        self.said = said
        self.late = late
        self.too_much = too_much


def run(
    argv: Sequence[str],
    *,
    given: bytes,
    environment: Mapping[str, str],
    deadline: Deadline,
    most: int,
    most_said: int = 4096,
) -> Ended:
    """Run a program without a shell, `given` on its standard input; return what became of it.

    It is in a session of its own, so it has no terminal to ask questions on, and Ctrl-C is the caller's. When
    it has ended, when its time is up, when it prints more than `most` bytes, or when the caller is
    interrupted, everything in its process group is ended. A child of its that holds its output open is not
    waited for. Raises OSError if it cannot be started.
    """
    with scratch.small() as file:
        file.write(given)
        file.seek(0)
        (output, printed), (errors, said) = os.pipe(), os.pipe()
        try:
            process = subprocess.Popen(
                argv, stdin=file, stdout=printed, stderr=said, env=dict(environment), start_new_session=True
            )
        except BaseException:
            os.close(output)
            os.close(errors)
            raise
        finally:
            os.close(printed)
            os.close(said)
    reading = _Reading(process, output, errors, most=most, most_said=most_said)
    try:
        late = not reading.to_end(deadline)
    finally:
        _end(process)
        os.close(output)
        os.close(errors)
    found = bytes(reading.output)
    return Ended(process.returncode, found[:most], bytes(reading.said), late=late, too_much=len(found) > most)


class _Reading:
    """What a process prints, as far as it is kept."""

    def __init__(
        self, process: subprocess.Popen[bytes], output: int, errors: int, *, most: int, most_said: int
    ) -> None:
        self._process = process
        self._most = most
        self._most_said = most_said
        self._stdout = output
        self._open = {output, errors}
        self.output = bytearray()
        self.said = bytearray()
        for descriptor in self._open:
            os.set_blocking(descriptor, False)

    def to_end(self, deadline: Deadline) -> bool:
        """Read until the process has ended, or prints too much; return False if the time is up before."""
        while not deadline.expired:
            # Asked before the pipes are emptied: what it printed last is in them then.
            ended = _has_ended(self._process)
            pieces = 0
            # A child of its may go on printing after its end.
            while (not ended or pieces < _LAST_PIECES) and not self._full and self._take():
                pieces += 1
                if deadline.expired:
                    return False
            if ended or self._full:
                return True
            self._wait(deadline)
        return False

    @property
    def _full(self) -> bool:
        return len(self.output) > self._most

    def _wait(self, deadline: Deadline) -> None:
        left = deadline.remaining()
        # The end of a process does not show on its pipes when a child of its has them too.
        select.select(list(self._open), (), (), _POLL_SECONDS if left is None else min(left, _POLL_SECONDS))

    def _take(self) -> bool:
        """Take a piece from each pipe; return whether there was one."""
        found = False
        for descriptor in tuple(self._open):
            try:
                data = os.read(descriptor, _PIECE)
            except BlockingIOError:
                continue
            if not data:
                self._open.discard(descriptor)
            elif descriptor == self._stdout:
                self.output += data
                found = True
            else:
                self.said = (self.said + data)[-self._most_said :]
                found = True
        return found


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and its group."""
    if not _has_ended(process):
        _signal(process, signal.SIGTERM)
        until = time.monotonic() + _GRACE_SECONDS
        while not _has_ended(process) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
    # Also what it has left behind. Its number, which is the group's, stays taken until it is waited for.
    _signal(process, signal.SIGKILL)
    process.wait()


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it is not waited for yet, where the system can tell without."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)

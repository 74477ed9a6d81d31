"""The process between dinv and a command: it ends the command and all of its group when dinv is gone.

dinv may be killed at any time, and then nobody is left to keep the command's deadline. So dinv holds one end
of a pair of sockets and this process the other: when dinv shuts down or closes its end, or dies, the
command's process group is ended. In every case, what became of the command is written there, for dinv if it
still listens: "exit 0", "signal 11", "error 2" (an errno: it could not be started).

It is started anew, and imports nothing that takes long.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import time

GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL."""


def main(lifeline: int, argv: list[str]) -> None:
    """Run `argv` to its end, or until nobody holds the other end of `lifeline`, a descriptor.

    A program without a slash in its name is looked for in PATH.
    """
    os.set_inheritable(lifeline, False)  # noqa: FBT003  (its only form)
    failed, failing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(argv, failing)
    with contextlib.suppress(OSError):  # the child does the same: who comes first does not matter
        os.setpgid(pid, pid)
    os.close(failing)
    reason = os.read(failed, 16)
    if reason:
        os.waitpid(pid, 0)
        _report(lifeline, b"error " + reason)
        return
    _thread.start_new_thread(_watch, (lifeline, pid))
    status = os.waitstatus_to_exitcode(_end(pid))
    _report(lifeline, b"signal %d" % -status if status < 0 else b"exit %d" % status)


def _become(argv: list[str], failing: int) -> None:
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606  (without a shell is what is meant)
    except OSError as error:
        os.write(failing, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)


def _end(pid: int) -> int:
    """Wait for a process, and kill what it leaves in its group; return its status."""
    if not hasattr(os, "waitid"):  # macOS, before Python 3.13
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        return status
    # The number of the group stays taken until its first process has been waited for.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def _watch(lifeline: int, group: int) -> None:
    while os.read(lifeline, 1):
        pass
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(OSError):
            os.killpg(group, number)
        time.sleep(GRACE_SECONDS)


def _report(lifeline: int, what: bytes) -> None:
    with contextlib.suppress(OSError):
        os.write(lifeline, what)

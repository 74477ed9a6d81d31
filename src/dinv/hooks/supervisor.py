"""The process between dinv and a hook: it ends the hook, with all that it has started, when dinv is gone.

dinv may be killed at any time, and then nobody is left to keep the hook's deadline. So dinv holds one end of
a pair of sockets and this process the other: when dinv closes its end, or dies, the hook's process group is
ended. Otherwise, what became of the hook is written there: "exit 0", "signal 11", "error 2" (an errno).

It is started anew, and imports nothing that takes long.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import time

GRACE_SECONDS = 1.0
"""From SIGTERM to SIGKILL."""


def main(lifeline: int, argv: list[str]) -> None:
    """Run `argv` to its end, or until nobody holds the other end of `lifeline`, a descriptor."""
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
    # The number of the group stays taken until its first process has been waited for.
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    _report(lifeline, b"signal %d" % -status if status < 0 else b"exit %d" % status)


def _become(argv: list[str], failing: int) -> None:
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
            signal.signal(number, signal.SIG_DFL)
        os.execv(argv[0], argv)  # noqa: S606  (without a shell is what is meant)
    except OSError as error:
        os.write(failing, b"%d" % (error.errno or 0))
    finally:
        os._exit(127)


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


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

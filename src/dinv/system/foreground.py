"""A command in the foreground of a program that has something to do after it: signals, and its end.

The command has this process's standard streams, and is in its process group: so what is typed at a terminal,
Ctrl-C or Ctrl-Z, reaches both. If this process is killed, the command gets SIGTERM (Linux).
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys

from dinv.errors import CommandMissing, CommandNotExecutable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType
    from typing import Any

GRACE_SECONDS = 10.0
"""From a SIGTERM that was passed on to SIGKILL: as `docker stop` has it."""

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_FROM_TERMINALS = (signal.SIGINT, signal.SIGQUIT)
_PASSED = (signal.SIGUSR1, signal.SIGUSR2)
_PR_SET_PDEATHSIG = 1


def find(program: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return the path of a program, looked for as a shell does.

    Raises CommandMissing, CommandNotExecutable.
    """
    import shutil

    found = shutil.which(program, path=environ.get("PATH", os.defpath))
    if found is not None:
        return found
    directories = [""] if "/" in program else environ.get("PATH", os.defpath).split(os.pathsep)
    for directory in directories:
        path = os.path.join(directory, program)
        if program and os.path.exists(path):
            raise CommandNotExecutable(path, "is a directory" if os.path.isdir(path) else "is not executable")
    raise CommandMissing(program)


def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    signals: bool,
    name: str = "",
    grace: float = GRACE_SECONDS,
) -> int:
    """Run a command to its end; return its exit status, 128 + N if signal N has ended it.

    `argv[0]` is the program's path, and `name` what it is told that it was called by, if not by that.

    With `signals`, which only the main thread can have, those that end a program are the command's: SIGTERM
    and SIGHUP are passed on, and after `grace` seconds it is killed. SIGINT and SIGQUIT are passed on unless
    they come from the terminal, which has sent them to the command itself. Raises CommandNotExecutable.
    """
    passing = _Passing(grace)
    with passing if signals else contextlib.nullcontext():
        process = _started(argv, environment, name)
        passing.to(process)
        status = process.wait()
    return 128 - status if status < 0 else status


def _started(argv: Sequence[str], environment: Mapping[str, str], name: str) -> subprocess.Popen[bytes]:
    import subprocess

    try:
        return subprocess.Popen(
            [name or argv[0], *argv[1:]],
            executable=argv[0],
            env=dict(environment),
            preexec_fn=_dies_with_parent(),  # noqa: PLW1509  (this process has no other threads then)
        )
    except FileNotFoundError as error:
        why = "needs an interpreter that is not there" if os.path.exists(argv[0]) else "is gone"
        raise CommandNotExecutable(argv[0], why) from error
    except OSError as error:
        raise CommandNotExecutable(argv[0], f"cannot be run: {error.strerror}") from error


class _Passing:
    """Passes signals on to a process, for the length of a with-statement that begins before it does."""

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None
        self._early: list[int] = []
        self._killer: threading.Timer | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        handlers = {
            **dict.fromkeys((*_ENDING, *_PASSED), self._pass),
            **dict.fromkeys(_FROM_TERMINALS, self._typed),
        }
        for number, handler in handlers.items():
            # Ignored signals stay ignored, by the command too: nohup, and jobs in a script's background.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, handler)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._killer is not None:
            self._killer.cancel()

    def to(self, process: subprocess.Popen[bytes]) -> None:
        """Pass on to this process what has come, and what comes."""
        self._process = process
        while self._early:
            self._pass(self._early.pop(0), None)

    def _typed(self, number: int, frame: FrameType | None) -> None:
        if not _is_terminals_own():
            self._pass(number, frame)

    def _pass(self, number: int, _: FrameType | None) -> None:
        if self._process is None:
            self._early.append(number)
            return
        # Popen knows whether it was waited for: the number is not another process's by now.
        self._process.send_signal(number)
        if number in _ENDING and self._killer is None:
            import threading

            self._killer = threading.Timer(self._grace, self._process.kill)
            self._killer.daemon = True
            self._killer.start()


def _is_terminals_own() -> bool:
    """Return whether this process is in the foreground of a terminal, whose signals its whole group gets."""
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            return os.tcgetpgrp(descriptor) == os.getpgrp()
    return False


@contextlib.contextmanager
def patient(said: Callable[[], object]) -> Iterator[None]:
    """Hear the first signal that would end this process with a call of `said`, and the next one as Ctrl-C.

    For what comes to an end by itself soon, and should. Only for the main thread.
    """
    heard: list[int] = []

    def hear(number: int, _: FrameType | None) -> None:
        heard.append(number)
        if len(heard) > 1:
            raise KeyboardInterrupt
        said()

    numbers = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dies_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it becomes the command; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    import ctypes

    try:
        control = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return None
    parent = os.getpid()

    def ask() -> None:
        control(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it was killed before
            os._exit(128 + signal.SIGTERM)

    return ask

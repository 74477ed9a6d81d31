"""One hook is run: its process, what it is sent, what it prints, and what became of it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

import dinv
from dinv.hooks import settings
from dinv.hooks.supervisor import GRACE_SECONDS
from dinv.system import scratch
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from dinv.hooks.finding import Hook
    from dinv.progress import Progress

MOST_LINES = 200
"""Lines of a hook's output that are shown; the rest is read and dropped."""
LONGEST_LINE = 1000
"""Bytes of a line that are shown."""
MOST_BYTES = 1 << 20
"""Bytes of a hook's output after which nothing more of it is shown."""
DEEPEST = 4
"""How many commands of dinv may run in hooks of one another."""
DEPTH = "DINV_HOOK_DEPTH"

_PIECES = 64
"""How often the pipe is read once the hook has ended: a pipe holds less, but others may go on writing."""
_PASSED = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER", "XDG_RUNTIME_DIR")
"""What a hook gets of the user's environment, beside LC_*: others may hold secrets."""

_PATHS = "import sys; sys.path[:] = sys.argv.pop(1).split('\\n')\n"
_SUPERVISOR = _PATHS + "from dinv.hooks.supervisor import main; main(int(sys.argv[1]), sys.argv[2:])"
_ENTRY = _PATHS + "from dinv.hooks.entry import main; main(sys.argv[1])"


def run(hook: Hook, store: str, told: dict[str, Any], progress: Progress) -> tuple[str, list[str]]:
    """Run a hook to its end or its deadline, and show what it prints.

    Returns what was wrong, continuing "The hook NAME ...", "" if nothing was, and the lines it printed.
    Raises InputError.
    """
    limit = settings.seconds(store)
    depth = os.environ.get(DEPTH, "0")
    deep = int(depth) + 1 if depth.isdecimal() else 1
    if deep > DEEPEST:
        return f"is not run: {DEEPEST} commands are already running in hooks of one another", []
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        progress.hook(hook.name, line)

    # Whatever a hook needs of the store is found from there, as in git from the top of the work tree.
    environment = {**_environment(store, told, hook.name), DEPTH: str(deep)}
    progress.update(f"the hook {hook.name}")
    with scratch.small() as document:
        document.write(json.dumps({**told, "time": now}).encode() + b"\n")
        document.seek(0)
        try:
            process = _Process(_argv(hook), document.fileno(), environment, store)
        except OSError as error:
            return f"cannot be run: {error.strerror}", []
        except ValueError as error:  # NUL in a fact
            return f"cannot be run: {error}", []
        with process:
            ended = process.wait(Deadline(limit), show)
    return _wrong(ended, hook, limit), lines


def _search_path() -> str:
    """Return where this process finds modules, dinv first, a line each."""
    own = os.path.dirname(os.path.dirname(dinv.__file__))
    return "\n".join([own, *(os.path.abspath(place) for place in sys.path)])


def _argv(hook: Hook) -> list[str]:
    if not hook.entry:
        return [hook.place]
    return [sys.executable, "-c", _ENTRY, _search_path(), hook.entry]


def _environment(store: str, told: dict[str, Any], name: str) -> dict[str, str]:
    passed = {key: value for key, value in os.environ.items() if key in _PASSED or key.startswith("LC_")}
    machine, facts = told["machine"], told["facts"]
    said = {
        "DINV_HOOK": name,
        "DINV_HOOK_EVENT": told["event"],
        "DINV_HOOK_MACHINE": machine["name"],
        "DINV_HOOK_URL": machine["url"],
        "DINV_HOOK_ROLE": facts.get("role", ""),
        "DINV_HOOK_NAMES": " ".join(facts.get("names", ())),
        "DINV_HOOK_HOLDER": facts.get("holder", ""),
        "MACHINE_STORAGE_PATH": store,
    }
    return {"PATH": os.defpath, **passed, **{key: value for key, value in said.items() if value}}


def _wrong(ended: str, hook: Hook, limit: float) -> str:
    """Return what was wrong; `ended` is the supervisor's report, or "late", or "" if there is none."""
    kind, _, number = ended.partition(" ")
    if kind == "exit" and number == "0":
        return ""
    if kind == "exit":
        return f"has ended with exit status {number}"
    if kind == "signal":
        with contextlib.suppress(ValueError):
            number = signal.Signals(int(number)).name
        return f"was ended by {number}"
    if kind == "late":
        return f"has not ended within {limit:g} s, and was stopped (timeout in [hooks] of config.toml)"
    if kind == "error":
        return f"cannot be run: {_why(int(number), hook)}"
    return "was lost: the process that looks after it has ended"


def _why(number: int, hook: Hook) -> str:
    if number == errno.ENOEXEC:
        return "it is neither a program nor a script with a first line such as #!/bin/sh"
    if number == errno.ENOENT and os.path.exists(hook.place):
        return "the interpreter that its first line names is not there"
    return os.strerror(number)


class _Process:
    """A hook's process, with its supervisor. At the end of the `with`, both are gone."""

    def __init__(self, argv: list[str], stdin: int, environment: dict[str, str], directory: str) -> None:
        self._ours, theirs = socket.socketpair()
        self._output, printed = os.pipe()
        os.set_blocking(self._output, False)
        try:
            self._supervisor = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-c", _SUPERVISOR, _search_path()),
                    *(str(theirs.fileno()), *argv),
                ],
                stdin=stdin,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=directory,
                # Ctrl-C at the terminal is dinv's, which then ends the hook.
                start_new_session=True,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            self._ours.close()
            os.close(self._output)
            raise
        finally:
            theirs.close()
            os.close(printed)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._ours.close()
        try:
            self._supervisor.wait(4 * GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._supervisor.kill()
            self._supervisor.wait()
        os.close(self._output)

    def wait(self, deadline: Deadline, show: Callable[[str], None]) -> str:
        """Return the supervisor's report, "late", or "" if it was lost; `show` gets each line of output."""
        output = self._output
        lines = _Lines(show)
        watched = [output, self._ours.fileno()]
        while not deadline.expired:
            ready, _, _ = select.select(watched, (), (), deadline.remaining())
            if output in ready and not lines.take(output):
                watched.remove(output)
            if self._ours.fileno() in ready:
                ended = self._ours.recv(64).decode("ascii", "replace")
                # Whoever has left the process group, a daemon, may keep the pipe open: no wait for its end.
                for _ in range(_PIECES):
                    if not lines.take(output):
                        break
                lines.end()
                return ended
        lines.end()
        return "late"


class _Lines:
    """What a hook prints, in lines and in bounds."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._rest = b""
        self._bytes = 0
        self._count = 0

    def take(self, descriptor: int) -> bool:
        """Read what there is; return False at the end, or if there is nothing at the moment."""
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return False
        self._bytes += len(data)
        if self._bytes <= MOST_BYTES:
            for line in self._split(data):
                self._put(line)
        return bool(data)

    def end(self) -> None:
        """Show what has no line end, and say whether something was left out."""
        if self._rest:
            self._put(self._rest)
        if self._count > MOST_LINES or self._bytes > MOST_BYTES:
            self._show("(it printed more, which is not shown)")

    def _split(self, data: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        yield from lines
        if len(self._rest) > LONGEST_LINE:
            self._rest = self._rest[: LONGEST_LINE + 1]

    def _put(self, line: bytes) -> None:
        self._count += 1
        if self._count > MOST_LINES:
            return
        cut = line[:LONGEST_LINE] + b" ..." if len(line) > LONGEST_LINE else line
        self._show(cut.decode(errors="replace").rstrip("\r"))

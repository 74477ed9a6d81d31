"""One hook is run: its process, what it is sent, what it prints, and what became of it."""

from __future__ import annotations

import errno
import json
import os
import time

from dinv.hooks import settings
from dinv.system import commands, scratch
from dinv.system.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

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

_PASSED = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER", "XDG_RUNTIME_DIR")
"""What a hook gets of the user's environment, beside LC_*: others may hold secrets."""


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
        shown = _Lines(show)
        try:
            ended = commands.follow(
                _argv(hook),
                stdin=document.fileno(),
                environment=environment,
                directory=store,
                deadline=Deadline(limit),
                output=shown.take,
            )
        except OSError as error:
            return f"cannot be run: {_why(error, hook)}", []
        except ValueError as error:  # NUL in a fact
            return f"cannot be run: {error}", []
    shown.end()
    return _wrong(ended, limit), lines


def _argv(hook: Hook) -> list[str]:
    if not hook.entry:
        return [hook.place]
    return commands.python("from dinv.hooks.entry import main; main(sys.argv[1])", hook.entry)


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


def _wrong(ended: commands.Ended, limit: float) -> str:
    """Return what was wrong, "" if nothing was."""
    if ended.late:
        return f"has not ended within {limit:g} s, and was stopped (timeout in [hooks] of config.toml)"
    if ended.status is None:
        return "was lost: the process that looks after it has ended"
    if ended.status > 0:
        return f"has ended with exit status {ended.status}"
    if ended.status < 0:
        return f"was ended by {commands.signal_name(-ended.status)}"
    return ""


def _why(error: OSError, hook: Hook) -> str:
    if error.errno == errno.ENOEXEC:
        return "it is neither a program nor a script with a first line such as #!/bin/sh"
    if error.errno == errno.ENOENT and error.filename == hook.place and os.path.exists(hook.place):
        return "the interpreter that its first line names is not there"
    return os.strerror(error.errno or 0)


class _Lines:
    """What a hook prints, in lines and in bounds."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._rest = b""
        self._bytes = 0
        self._count = 0

    def take(self, data: bytes) -> bool:
        """Show the lines that `data` completes; return True: a hook may print what it likes."""
        self._bytes += len(data)
        if self._bytes <= MOST_BYTES:
            for line in self._split(data):
                self._put(line)
        return True

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

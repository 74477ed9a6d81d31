"""Programs that hang, flood, fork and die: each is ended, and said what became of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from until_there import UntilThere
from users import eventually

from dinv.system import commands, processes
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from pathlib import Path

FDS = "/proc/self/fd"


def run(
    script: str, *, deadline: Deadline | None = None, most: int = 1000, given: bytes = b""
) -> commands.Printed:
    deadline = deadline or Deadline(100)
    return commands.run(
        ["sh", "-c", script], given=given, environment=os.environ, deadline=deadline, most=most
    )


def ends(path: Path) -> bool:
    """Whether the process whose number is in the file is gone, or soon is: it has been sent its SIGKILL."""
    return processes.wait([int(path.read_text())], 30) == []


def test_what_it_prints_and_how_it_ends() -> None:
    ended = run("cat; echo oh >&2; exit 7", given=b"in")
    assert (ended.status, ended.output, ended.said) == (7, b"in", b"oh\n")
    assert not ended.late
    assert not ended.too_much


def test_what_it_does_not_read_is_no_matter() -> None:
    assert run("exec <&-; echo done", given=b"x" * 300_000).output == b"done\n"


def test_a_signal_is_told() -> None:
    assert run("kill -SEGV $$").status == -signal.SIGSEGV


def test_as_much_as_it_may_print_is_kept() -> None:
    ended = run("head -c 1000 /dev/zero")
    assert (len(ended.output), ended.too_much) == (1000, False)


@pytest.mark.parametrize("where", ["1", "2"])
def test_a_flood_is_stopped_or_cut(where: str) -> None:
    ended = run(f"head -c 400000000 /dev/zero >&{where}; echo end >&2")
    assert len(ended.output) <= 1000
    assert len(ended.said) <= 4096
    assert ended.too_much is (where == "1")
    assert where == "1" or ended.said.endswith(b"end\n")


def test_one_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    script = f"sleep 300 & echo $! > {tmp_path}/pid; echo waiting >&2; : > {tmp_path}/waits; wait"
    ended = run(script, deadline=UntilThere(tmp_path / "waits"))
    assert ended.late
    assert ended.said == b"waiting\n"
    assert ends(tmp_path / "pid")


def test_one_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    script = f"trap '' TERM; : > {tmp_path}/ignores; while :; do sleep 1; done"
    ended = run(script, deadline=UntilThere(tmp_path / "ignores"))
    assert (tmp_path / "ignores").exists()
    assert ended.late
    assert ended.status == -signal.SIGKILL


def test_a_child_that_keeps_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    ended = run(f"sleep 300 & echo $! > {tmp_path}/pid; echo chain")
    assert (ended.status, ended.output, ended.late) == (0, b"chain\n", False)
    assert ends(tmp_path / "pid")


def test_a_child_that_goes_on_printing_is_not_waited_for() -> None:
    ended = run("yes >&2 & echo chain")
    assert (ended.status, ended.output, ended.late) == (0, b"chain\n", False)


def test_it_has_no_terminal_to_ask_on() -> None:
    assert run("exec 3</dev/tty").status != 0


def test_an_interrupted_caller_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    # By the command itself, once it runs; neither SIGINT, which a shell may have us ignore, nor SIGALRM, with
    # which pytest ends tests.
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(f"echo $$ > {tmp_path}/pid; sleep 0.1; kill -USR1 {os.getpid()}; exec sleep 300")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ends(tmp_path / "pid")


def test_a_killed_caller_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import os; from dinv.system import commands; from dinv.system.deadline import Deadline\n"
        f"script = 'sleep 300 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/pid; wait'\n"
        "commands.run(['sh', '-c', script], given=b'', environment=os.environ, deadline=Deadline(99), most=9)"
    )
    with subprocess.Popen([sys.executable, "-c", program]) as process:
        try:
            eventually(lambda: (tmp_path / "pid").exists() and bool((tmp_path / "pid").read_text()))
            assert processes.command_line(int((tmp_path / "pid").read_text()))
        finally:
            process.kill()
    assert ends(tmp_path / "pid")
    assert ends(tmp_path / "child")


@pytest.mark.skipif(not os.path.isdir(FDS), reason="no /proc")
def test_one_whose_supervisor_is_killed_was_lost() -> None:
    # Its group goes on if its supervisor is killed, so it ends by itself.
    ended = run("kill -KILL $PPID; exit 0")
    assert (ended.status, ended.late, ended.too_much) == (None, False, False)


def test_a_program_is_looked_for_in_the_path_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "signs").write_text("#!/bin/sh\necho signed\n")
    (tmp_path / "signs").chmod(0o700)
    ended = commands.run(
        ["signs"], given=b"", environment={"PATH": str(tmp_path)}, deadline=Deadline(20), most=100
    )
    assert ended.output == b"signed\n"


@pytest.mark.parametrize(("number", "name"), [(15, "SIGTERM"), (99, "signal 99")])
def test_signals_have_names(number: int, name: str) -> None:
    assert commands.signal_name(number) == name


@pytest.mark.skipif(not os.path.isdir(FDS), reason="no /proc")
def test_no_descriptor_is_left() -> None:
    before = len(os.listdir(FDS))
    run("exit 0")
    with contextlib.suppress(OSError):
        commands.run(["/nowhere"], given=b"", environment={}, deadline=Deadline(1), most=1)
    assert len(os.listdir(FDS)) <= before  # threads of other tests may close theirs


def test_one_that_cannot_be_started_is_an_oserror() -> None:
    with pytest.raises(FileNotFoundError):
        commands.run(["/nowhere"], given=b"", environment={}, deadline=Deadline(1), most=1)

"""A command in the foreground: found, run, signalled, and ended with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from dinv.errors import CommandMissing, CommandNotExecutable
from dinv.system import foreground

if TYPE_CHECKING:
    from pathlib import Path


def test_a_program_is_found_in_the_path(tmp_path: Path) -> None:
    assert foreground.find("sh").endswith("/sh")
    (tmp_path / "sh").write_text("")  # not executable: passed over, as a shell does
    assert foreground.find("sh", {"PATH": f"{tmp_path}:{os.defpath}"}).endswith("/bin/sh")


def test_what_is_not_there_is_missing(tmp_path: Path) -> None:
    for program in ("nosuchprogram", str(tmp_path / "nosuch"), ""):
        with pytest.raises(CommandMissing) as caught:
            foreground.find(program)
        assert caught.value.exit_code == 127


def test_what_is_there_and_is_no_program_cannot_be_run(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x")
    for program, environ in ((str(tmp_path / "data"), {}), ("data", {"PATH": str(tmp_path)}), ("/tmp", {})):
        with pytest.raises(CommandNotExecutable) as caught:
            foreground.find(program, environ)
        assert caught.value.exit_code == 126


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill $$", 143)]
)
def test_the_exit_status_is_the_commands(script: str, status: int) -> None:
    assert foreground.run(["/bin/sh", "-c", script], {}, signals=False) == status


def test_it_has_the_name_and_the_environment_that_it_is_given(capfd: pytest.CaptureFixture[str]) -> None:
    foreground.run(["/bin/sh", "-c", 'echo "$0 $SAID"'], {"SAID": "hello"}, signals=False, name="my-shell")
    assert capfd.readouterr().out == "my-shell hello\n"


def test_a_script_whose_interpreter_is_gone_cannot_be_run(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/nosuch/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(CommandNotExecutable, match="interpreter"):
        foreground.run([str(script)], {}, signals=False)


PROGRAM = """
    import os, sys
    from dinv.system import foreground
    script, grace = sys.argv[1], float(sys.argv[2])
    status = foreground.run(["/bin/sh", "-c", script], dict(os.environ), signals=True, grace=grace)
    print("status", status, flush=True)
"""


def started(script: str, *, grace: float = 20.0) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), script, str(grace)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,  # no terminal of the tests' own
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "QUIT"])
def test_signals_are_the_commands(name: str) -> None:
    process = started(f"trap 'echo got {name}; exit 3' {name}; echo ready; while :; do sleep 0.02; done")
    process.send_signal(signal.Signals[f"SIG{name}"])
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == (f"got {name}\nstatus 3\n", 0)


def test_what_does_not_end_is_killed() -> None:
    process = started("trap '' TERM; echo ready; while :; do sleep 0.02; done", grace=0.3)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert said == "status 137\n"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent is gone")
def test_the_command_is_ended_when_the_program_is_killed() -> None:
    process = started("trap 'echo ended; exit' TERM; echo ready; while :; do sleep 0.02; done")
    process.kill()
    # Its output ends when nobody has it open any more.
    said, _ = process.communicate(timeout=60)
    assert said == "ended\n"


def test_patience_hears_one_signal_and_heeds_the_next() -> None:
    heard: list[str] = []
    with foreground.patient(lambda: heard.append("once more")):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0)
        assert heard == ["once more"]
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert heard == ["once more"]

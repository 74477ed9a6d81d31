"""The real command line in the bare and the odd environments of cron, containers and CI runners."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import needs
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIFE = (
    "create -q -d none --url tcp://127.0.0.1:9 dev",
    "ls",
    "env dev",
    "rm -y dev",
)

ENVIRONMENTS: dict[str, dict[str, str]] = {
    "nothing at all": {},
    "an empty HOME, PATH, SHELL, TERM": dict.fromkeys(("HOME", "PATH", "SHELL", "TERM", "LANG"), ""),
    "a home that is not there": {"HOME": "/nonexistent"},
    "no TMPDIR that is there": {"TMPDIR": "/nonexistent", "XDG_RUNTIME_DIR": "/nonexistent"},
    "the C locale": {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    "a locale that is not there": {"LC_ALL": "xx_YY.none"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "Python's warnings": {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
    "Python without docstrings": {"PYTHONOPTIMIZE": "2"},
    "a terminal that is none": {"TERM": "none", "COLUMNS": "0", "LINES": "x"},
    "a narrow terminal": {"COLUMNS": "1"},
}
SHELLS = {
    "no input": 'exec "$@" <&-',
    "no output": 'exec "$@" >&-',
    "no error output": 'exec "$@" 2>&-',
    "nothing open": 'exec "$@" <&- >&- 2>&-',
    "a directory that is gone": 'mkdir gone && cd gone && rmdir ../gone && exec "$@"',
    "an umask of 0": 'umask 0; exec "$@"',
    "an umask of 777": 'umask 777; exec "$@"',
    "few open files": 'ulimit -n 24; exec "$@"',
}


def run(
    words: str, store: bytes, *, environ: Mapping[str, str] | None = None, shell: str = 'exec "$@"', cwd: Path
) -> subprocess.CompletedProcess[bytes]:
    environment = {os.fsencode(name): os.fsencode(value) for name, value in (environ or {}).items()}
    done = subprocess.run(
        ["/bin/sh", "-c", shell, "sh", sys.executable, "-m", "dinv", *words.split()],
        env={**environment, b"MACHINE_STORAGE_PATH": store},
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = done.stdout + done.stderr
    for unwanted in (b"Traceback", b"bug in dinv", b"Exception ignored", b"Warning: "):
        assert unwanted not in said, f"{words}: {said!r}"
    return done


def live(store: bytes, cwd: Path, environ: Mapping[str, str] | None = None, shell: str = 'exec "$@"') -> None:
    for words in LIFE:
        done = run(words, store, environ=environ, shell=shell, cwd=cwd)
        # Nothing listens there: `env` has nothing to set, and says so.
        assert done.returncode == (1 if words.startswith("env") else 0), (words, done.stderr)
    assert os.listdir(os.path.join(store, b"machines")) == []


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_environment_will_do(tmp_path: Path, environment: str) -> None:
    live(os.fsencode(tmp_path / "store"), tmp_path, environ=ENVIRONMENTS[environment])


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(how, marks=needs.root("to use such a store")) if how == "an umask of 777" else how
        for how in SHELLS
    ],
)
def test_however_it_was_started(tmp_path: Path, how: str) -> None:
    live(os.fsencode(tmp_path / "store"), tmp_path, shell=SHELLS[how])


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_store_whose_name_is_no_text(tmp_path: Path, locale: str) -> None:
    live(os.fsencode(tmp_path) + b"/st\xff\xe4re", tmp_path, environ={"LC_ALL": locale})


@pytest.mark.parametrize("words", ["ls", "url dev", "create -d none --url tcp://h:1 dev", "rm -y dev"])
def test_a_relative_store_in_a_directory_that_is_gone(tmp_path: Path, words: str) -> None:
    done = run(words, b"store", shell=SHELLS["a directory that is gone"], cwd=tmp_path)
    assert done.returncode == 1
    assert b"not there any more" in done.stderr


def test_children_can_be_waited_for_whatever_the_caller_ignores(tmp_path: Path) -> None:
    """A supervisor's ignored SIGCHLD outlives exec, and takes the status of children away."""
    (tmp_path / "ssh").write_text("#!/bin/sh\nexit 3\n")
    (tmp_path / "ssh").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-m", "dinv", "create", "--endpoint", "ssh://box", "dev"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MACHINE_STORAGE_PATH": str(tmp_path / "store")},
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
        text=True,
    )
    assert "ssh ended with status 3" in done.stderr

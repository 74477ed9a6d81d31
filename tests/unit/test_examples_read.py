"""The examples that no test can run, since they take somebody else's server: they are read, and parsed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from documents import read
from harness import CHECKOUT

from dinv.cli.app import App
from dinv.cli.voice import Voice

if TYPE_CHECKING:
    from pathlib import Path

GITHUB, GITLAB = "examples/ci/github-actions.yml", "examples/ci/gitlab-ci.yml"


def _lines(path: str) -> list[str]:
    """The lines of shell in a CI server's file."""
    document: dict[str, Any] = yaml.safe_load(read(path))
    if path == GITHUB:
        return [step["run"] for job in document["jobs"].values() for step in job["steps"] if "run" in step]
    keys = ("before_script", "script", "after_script")
    return [line for job in document.values() for key in keys for line in job.get(key, ())]


@pytest.mark.parametrize("path", [GITHUB, GITLAB])
def test_their_lines_are_shell(path: str) -> None:
    lines = _lines(path)
    assert lines
    done = subprocess.run(
        ["sh", "-n"], input="\n".join(lines), capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", [GITHUB, GITLAB])
def test_files_that_they_call_are_there(path: str) -> None:
    called = [word for line in _lines(path) for word in shlex.split(line) if word.startswith("examples/")]
    assert called
    for name in called:
        assert os.access(os.path.join(CHECKOUT, name), os.X_OK), name


def test_the_commands_are_dinvs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import importlib

    from dinv.cli.verbs import VERBS, module_name

    monkeypatch.setattr(sys, "argv", ["/usr/bin/dinv"])
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path))
    text = "\n".join([*_lines(GITHUB), *_lines(GITLAB), read("examples/ci/job.sh")])
    found = re.findall(r"(?:^|\$\(|&& |-z \"\$\()\s*dinv ([^|&)>\n]+)", text, re.MULTILINE)
    assert len(found) >= 5
    for command in found:
        app = App(Voice("dinv"))
        verb, rest = app.take_global_options(shlex.split(command.replace('"', "")))
        assert verb in VERBS, command
        app.parse(verb, importlib.import_module(module_name(verb)), rest)


def test_no_job_runs_for_ever_or_with_more_rights_than_it_needs() -> None:
    github = yaml.safe_load(read(GITHUB))
    assert github["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in github["jobs"].values())


def test_the_project_asks_for_what_there_is() -> None:
    ours = tomllib.loads(read("pyproject.toml"))["project"]
    theirs = tomllib.loads(read("examples/pytest-project/pyproject.toml"))
    assert "dinv[testing]" in theirs["dependency-groups"]["dev"]
    assert "testing" in ours["optional-dependencies"]


def test_every_example_is_in_the_table() -> None:
    table = read("examples/README.md")
    for where, _, names in os.walk(os.path.join(CHECKOUT, "examples")):
        for name in names:
            path = os.path.relpath(os.path.join(where, name), os.path.join(CHECKOUT, "examples"))
            if "__pycache__" in path or path == "README.md" or path.startswith("."):
                continue
            folders = [path[:end] for end, letter in enumerate(path) if letter == os.sep]
            shown = (path, *folders, *(os.path.join(folder, "README.md") for folder in folders))
            assert any(f"({one})" in table for one in shown), path

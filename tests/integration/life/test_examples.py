"""The examples, as somebody would run them who has dinv and docker-py installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml
from harness import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

    from users import Result, User

EXAMPLES = os.path.join(CHECKOUT, "examples")


def _run(user: User, directory: Path, *command: str, status: int = 0, **variables: str) -> Result:
    path = f"{os.path.dirname(sys.executable)}:{user.environment['PATH']}"
    done = subprocess.run(
        command,
        env={**user.environment, "PATH": path, **variables},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == status, f"{done.stdout}\n{done.stderr}"
    return done


def test_a_job(user: User, tmp_path: Path) -> None:
    """A line of GitLab's, with a docker that says where it is, and fails."""
    with open(os.path.join(EXAMPLES, "ci", "gitlab-ci.yml"), encoding="utf-8") as file:
        (line,) = yaml.safe_load(file)["tests"]["script"]
    number, programs = user.name("7"), tmp_path / "programs"
    programs.mkdir()
    real = shutil.which("docker")
    (programs / "docker").write_text(f"#!/bin/sh\n{real} info --format '{{{{.Name}}}}'\nexit 7\n")
    (programs / "docker").chmod(0o755)
    path = f"{programs}:{os.path.dirname(sys.executable)}:{user.environment['PATH']}"
    line = line.replace("--memory 4g", "--memory 300m")
    done = _run(user, tmp_path, "sh", "-c", line, status=7, CI_JOB_ID=number, PATH=path)
    assert done.stdout.strip() == f"tests-{number}"
    assert user.traces(f"tests-{number}") == []


def test_a_machine_is_handed_out(user: User, tmp_path: Path) -> None:
    person = user.name("ada")
    script = os.path.join(EXAMPLES, "library", "hand_out.py")
    done = _run(user, tmp_path, sys.executable, script, "files", person, DINV_MEMORY="300m")
    path, url = done.stdout.split()
    assert os.stat(tmp_path / path).st_mode & 0o777 == 0o600

    hers = str(tmp_path / "hers")
    user.dinv("-s", hers, "import", "--no-context", str(tmp_path / path))
    assert user.dinv("-s", hers, "url", person).stdout.strip() == url
    user.dinv("-s", hers, "ssh", person, "docker", "info")
    user.dinv("rm", "-y", person)


def test_a_projects_tests(user: User, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(os.path.join(EXAMPLES, "pytest-project"), project)
    done = _run(user, project, sys.executable, "-m", "pytest", "-p", "no:cacheprovider")
    assert "2 passed" in done.stdout

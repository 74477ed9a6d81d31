"""The examples, as somebody would run them who has dinv and docker-py installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

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
    number = user.name("7")
    stores = tmp_path / "stores"
    stores.mkdir()
    done = _run(
        user,
        tmp_path,
        os.path.join(EXAMPLES, "ci", "job.sh"),
        *("sh", "-c", "docker info --format '{{.Name}}'; exit 7"),
        status=7,
        CI_JOB_ID=number,
        DINV_JOB_STORES=str(stores),
        DINV_MEMORY="300m",
    )
    assert done.stdout.strip() == f"job-{number}"
    assert list(stores.iterdir()) == []
    assert user.traces(f"job-{number}") == []


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

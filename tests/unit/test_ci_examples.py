"""The examples for CI servers: read as those servers read them, and their lines run, with stand-ins."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from documents import read

from dinv.cli.app import App
from dinv.cli.verbs import VERBS, module_name
from dinv.cli.voice import Voice

if TYPE_CHECKING:
    from pathlib import Path

GITHUB, GITLAB = "examples/ci/github-actions.yml", "examples/ci/gitlab-ci.yml"
JENKINS, RUNNER = "examples/ci/Jenkinsfile", "examples/ci/gitlab-runner.toml"
GITLAB_KEYS = {"stage", "tags", "timeout", "script", "before_script", "after_script", "variables"}
VARIABLES = {
    "CI_JOB_ID": "17",
    "CI_CONCURRENT_ID": "2",
    "CI_PROJECT_DIR": "/builds/app",
    "GITHUB_RUN_ID": "99",
    "GITHUB_RUN_ATTEMPT": "1",
    "RUNNER_NAME": "r1",
    "EXECUTOR_NUMBER": "3",
}
"""What the servers set (their pages of predefined variables)."""

DINV = """\
#!/bin/sh
# As `dinv` in what matters here: what stands after -- is run, with a Docker host.
echo "dinv $*" >> "$LOG"
case $1 in
    run)
        while [ "$1" != -- ]; do shift; done
        shift
        DOCKER_HOST=tcp://machine:2376 exec "$@" ;;
    env) echo 'export DOCKER_HOST="tcp://machine:2376"' ;;
esac
"""
DOCKER = '#!/bin/sh\necho "docker $* at $DOCKER_HOST" >> "$LOG"\n'


def jobs(path: str) -> dict[str, list[str]]:
    """The scripts of each job: lines that one shell gets."""
    if path == JENKINS:
        return {"Tests": re.findall(r"^\s*sh '([^']+)'$", read(path), re.MULTILINE)}
    document: dict[str, Any] = yaml.safe_load(read(path))
    if path == GITHUB:
        return {
            name: [step["run"] for step in job["steps"] if "run" in step]
            for name, job in document["jobs"].items()
        }
    keys = ("before_script", "script", "after_script")
    return {
        name: [line for key in keys for line in job.get(key, ())]
        for name, job in document.items()
        if isinstance(job, dict)
    }


def lines(path: str) -> list[str]:
    return [line for found in jobs(path).values() for line in found]


@pytest.mark.parametrize("path", [GITHUB, GITLAB, JENKINS])
def test_their_lines_run_docker_on_a_host_of_the_job(path: str, tmp_path: Path) -> None:
    for name, text in (("dinv", DINV), ("docker", DOCKER)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"
    for job, found in jobs(path).items():
        log.write_text("")
        subprocess.run(
            ["sh", "-e"],
            input="\n".join(found),
            env={**VARIABLES, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(log)},
            text=True,
            timeout=30,
            check=True,
        )
        said = log.read_text().splitlines()
        called = [line for line in said if line.startswith("docker ")]
        assert called, job
        assert all(line.endswith("at tcp://machine:2376") for line in called), job
        assert said[0].startswith(("dinv run ", "dinv create ")), job


@pytest.mark.parametrize("path", [GITHUB, GITLAB, JENKINS])
def test_the_commands_are_dinvs(path: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/dinv"])
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path))
    text = "\n".join(lines(path)).replace("\\\n", " ")
    found = re.findall(r"(?:^|\$\()\s*dinv ([^\n]+)", text, re.MULTILINE)
    assert len(found) >= len(jobs(path))
    for command in found:
        words = shlex.split(command.partition(')"')[0] if command.startswith("env") else command)
        app = App(Voice("dinv"))
        verb, rest = app.take_global_options(words)
        assert verb in VERBS, command
        app.parse(verb, importlib.import_module(module_name(verb)), rest)


def test_a_workflow_has_what_github_knows_and_no_more_rights_than_it_needs() -> None:
    github = yaml.safe_load(read(GITHUB))
    github["on"] = github.pop(True)  # YAML 1.1, as their reader has it too
    assert set(github) == {"name", "on", "permissions", "concurrency", "jobs"}
    assert github["permissions"] == {"contents": "read"}
    for job in github["jobs"].values():
        assert set(job) == {"runs-on", "timeout-minutes", "env", "steps"}
        assert job["timeout-minutes"]
        assert all(isinstance(value, str) for value in job["env"].values())
        assert all(("run" in step) != ("uses" in step) for step in job["steps"])


def test_a_pipeline_has_what_gitlab_knows() -> None:
    gitlab = yaml.safe_load(read(GITLAB))
    stages = gitlab.pop("stages")
    for job in gitlab.values():
        assert set(job) <= GITLAB_KEYS
        assert job["stage"] in stages
        assert job["timeout"]
        assert all(isinstance(line, str) for key in ("before_script", "script") for line in job.get(key, ()))


def test_a_jenkinsfile_is_a_declarative_pipeline() -> None:
    text = re.sub(r"^\s*//.*$|'[^']*'", "", read(JENKINS), flags=re.MULTILINE)
    assert text.strip().startswith("pipeline {")
    assert text.count("{") == text.count("}")
    sections = re.findall(r"^    (\w+) ?\{", text, re.MULTILINE)
    assert sections == ["agent", "options", "environment", "stages"]


def test_gitlabs_runner_calls_what_there_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command lines of gitlab-runner, helpers/docker/machine_command.go."""
    monkeypatch.setattr("sys.argv", ["/usr/local/bin/docker-machine"])
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path))
    (runner,) = tomllib.loads(read(RUNNER))["runners"]
    machine = runner["machine"]
    assert runner["executor"] == "docker+machine"
    name = machine["MachineName"] % "runner-1"
    calls = [
        [
            "create",
            "--driver",
            machine["MachineDriver"],
            *(f"--{each}" for each in machine["MachineOptions"]),
            name,
        ],
        ["inspect", name, "-f", "{{.HostOptions.AuthOptions.StorePath}}"],
        *([verb, name] for verb in ("provision", "config", "url", "ip", "status", "stop", "inspect")),
        ["rm", "-y", name],
    ]
    for call in calls:
        app = App(Voice("docker-machine"))
        verb, rest = app.take_global_options(call)
        options = app.parse(verb, importlib.import_module(module_name(verb)), rest)
        assert options.name in (name, [name]), call

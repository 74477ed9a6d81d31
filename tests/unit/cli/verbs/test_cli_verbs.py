"""Verbs parse, call the library and print: what they print, and that there is nothing more to them."""

from __future__ import annotations

import ast
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from fake_program import Program

from dinv import cli, machines
from dinv.access.disk_usage import DiskUsage
from dinv.cli.verbs import VERBS, module_name
from dinv.errors import EndpointUnreachable
from dinv.machine import Machine
from dinv.states import RUNNING, STOPPED
from dinv.store.record import CREATING
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fake_driver import World

URL = "tcp://127.0.0.1:1000"


@pytest.fixture
def dinv(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    """With the machine `dev`, which runs."""
    program = Program(capsys)
    assert program("create", "dev", "-q") == 0
    world.steps.clear()
    return program


# Thinness


def sources() -> Iterator[tuple[str, ast.Module]]:
    directory = os.path.join(cli.__path__[0], "verbs")
    for verb in VERBS:
        name = module_name(verb).rpartition(".")[2]
        with open(os.path.join(directory, f"{name}.py"), encoding="utf-8") as file:
            yield verb, ast.parse(file.read())


@pytest.mark.parametrize(
    ("verb", "tree"), list(sources()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_verb_has_no_logic(verb: str, tree: ast.Module) -> None:
    """No loop but over what is printed, no error handled, nothing of the layers below the machines."""
    nodes = list(ast.walk(tree))
    tries = [node for node in nodes if isinstance(node, ast.Try)]
    assert not tries
    assert not [node for node in nodes if isinstance(node, ast.While | ast.ClassDef | ast.Global)]
    imported = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    below = (
        "dinv.engine",
        "dinv.store.store",
        "dinv.store.record",
        "dinv.endpoints.contexts",
        "dinv.pki.certificates",
        "dinv.authorities",
        "dinv.image_building",
    )
    assert not [name for name in imported if name.startswith(below)]
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"arguments", "run"} <= functions
    assert max(node.end_lineno or 0 for node in tree.body) < 100


# Create


def test_create_says_what_it_does_and_how_to_go_on(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(capsys)
    assert program("create", "dev") == 0
    assert "eval $(dinv env dev)" in program.out
    assert "docker --context dev ps" in program.out
    assert program("create", "other", "--no-context") == 0
    assert "--context" not in program.out


def test_create_quietly_says_the_name(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(capsys)
    assert program("create", "-q", "--size=3", "-cache-mark", "a", "--cache-mark", "b", "dev") == 0
    assert program.out == "dev\n"
    program("inspect", "dev")
    driver = json.loads(program.out)["Driver"]
    assert (driver["Size"], driver["Marks"]) == ("3", ["a", "b"])


def test_create_has_the_flags_of_its_driver(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    program = Program(capsys)
    assert program("create", "--driver", "docker", "--size", "3", "dev") == 1
    assert "-size" in program.err
    assert program("create", "--driver=nosuch", "dev") == 1
    assert "nosuch" in program.err
    assert program("create", "--timeout", "nan", "dev") == 1
    assert '"nan" for flag --timeout' in program.err


# Looking


def test_ls(world: World, dinv: Program) -> None:
    assert dinv("ls") == 0
    head, row = dinv.out.splitlines()
    assert head.split() == ["NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS"]
    assert row.split() == ["dev", "-", "fake", "Running", URL, "v26.1.5"]
    assert dinv("ls", "--format", "json") == 0
    assert [row["Name"] for row in json.loads(dinv.out)] == ["dev"]
    world.steps.clear()
    assert dinv("ls", "-q") == 0
    assert (dinv.out, world.steps) == ("dev\n", [])


def test_hints_in_what_is_printed_name_the_program_as_it_was_called(
    dinv: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store()
    config = store.load("dev")
    config.ours["Phase"] = CREATING
    store.save(config)
    for program in ("dinv", "docker-machine"):
        monkeypatch.setattr(sys, "argv", [program])
        assert dinv("ls") == 0
        assert f"{program} rm dev" in dinv.out


def test_ip_tells_somebody_at_a_terminal_where_containers_ports_are_not(
    dinv: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dinv("ip", "dev") == 0
    assert (dinv.out, dinv.err) == ("127.0.0.1\n", "")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert dinv("ip", "dev") == 0
    assert dinv.out == "127.0.0.1\n"
    assert "dinv forward dev PORT" in dinv.err


def test_url_ip_status_config(world: World, dinv: Program) -> None:
    assert (dinv("url", "dev"), dinv.out) == (0, f"{URL}\n")
    assert (dinv("ip", "dev"), dinv.out) == (0, "127.0.0.1\n")
    assert world.steps == []
    assert (dinv("status", "dev"), dinv.out) == (0, "Running\n")


def test_config_asks_the_machine_first(dinv: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (dinv("config", "dev"), dinv.out) == (1, "")
    asked = []
    monkeypatch.setattr(
        "dinv.access.connect.check", lambda machine, *, swarm, **_: asked.append((machine.name, swarm))
    )
    assert dinv("config", "dev") == 0
    assert asked == [("dev", False)]
    assert dinv.out.splitlines()[0] == "--tlsverify"
    assert dinv.out.splitlines()[-1] == f"-H={URL}"


def test_without_a_name_default_is_meant(dinv: Program) -> None:
    assert dinv("url") == 1
    assert "default" in dinv.err
    dinv("create", "default", "-q")
    assert (dinv("url"), dinv.out) == (0, f"{URL}\n")
    assert (dinv("ip"), dinv.out) == (0, "127.0.0.1\n")


def test_active(world: World, dinv: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dinv("active") == 1
    assert "No active host" in dinv.err
    monkeypatch.setenv("DOCKER_HOST", URL)
    assert (dinv("active"), dinv.out) == (0, "dev\n")
    world.states["dev"] = STOPPED
    assert dinv("active") == 1


def test_env(dinv: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELL", raising=False)
    assert dinv("env", "dev", "--shell", "bash") == 0
    assert f'export DOCKER_HOST="{URL}"' in dinv.out.splitlines()
    assert dinv("env", "dev") == 0
    assert f'export DOCKER_HOST="{URL}"' in dinv.out.splitlines()
    monkeypatch.setenv("SHELL", "/bin/sh")
    assert dinv("env", "-u") == 0
    assert "unset DOCKER_HOST" in dinv.out.splitlines()
    monkeypatch.setattr(Machine, "look", lambda _machine: "it is silent")
    assert dinv("env", "dev") == 0
    assert dinv.err == "Warning: it is silent\n"


def test_logs_and_version(dinv: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dinv("logs", "dev") == 0
    monkeypatch.setattr(Machine, "daemon_version", lambda _machine: "26.1.5")
    assert (dinv("version", "dev"), dinv.out) == (0, "26.1.5\n")


def test_df(dinv: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = DiskUsage("dev", "dinv-dev-cache", size=2**30, available=2**29, usage={"LayersSize": 2048})
    monkeypatch.setattr(Machine, "disk_usage", lambda _machine: usage)
    assert dinv("df", "dev") == 0
    assert dinv.out.splitlines()[1].split()[:7] == ["dev", "dinv-dev-cache", "1", "GiB", "512", "MiB", "50%"]
    assert dinv("df", "dev", "--format", "json") == 0
    assert json.loads(dinv.out)[0]["Images"] == 2048


# Changing


def test_stop_start_restart_kill(world: World, dinv: Program) -> None:
    assert dinv("stop", "dev", "--timeout", "7") == 0
    assert "stop 7" in world.steps
    assert dinv("stop", "dev") == 1
    assert "already stopped" in dinv.err
    assert dinv("start", "dev") == 0
    assert "was started" in dinv.out
    assert dinv("restart", "-q", "dev") == 0
    assert dinv.out == ""
    assert dinv("kill", "dev") == 0
    assert "killed" in dinv.out
    assert world.open == set()


def test_of_several_all_are_tried(world: World, dinv: Program) -> None:
    dinv("create", "other", "-q")
    assert dinv("stop", "dev", "nosuch", "other") == 1
    assert "nosuch" in dinv.err
    assert world.states == {"dev": STOPPED, "other": STOPPED}


@pytest.mark.parametrize(
    ("answer", "gone"), [("y", True), ("Yes", True), ("n", False), ("", False), (None, False)]
)
def test_rm_asks(dinv: Program, monkeypatch: pytest.MonkeyPatch, answer: str | None, *, gone: bool) -> None:
    def reply(_prompt: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", reply)
    assert dinv("rm", "dev") == (1 if answer is None else 0)
    assert ("without being asked: -y" in dinv.err) == (answer is None)
    assert "WARNING" in dinv.out
    assert ("Successfully removed dev" in dinv.out) == gone
    assert machines.open_machines().names() == ([] if gone else ["dev"])


def test_rm_without_asking(world: World, dinv: Program) -> None:
    assert dinv("rm", "-y", "--keep-cache", "dev") == 0
    assert dinv.out.splitlines() == ["The volume stays", "Successfully removed dev"]
    assert dinv("rm", "-y", "dev") == 1
    assert "does not exist" in dinv.err


def test_rm_by_force(world: World, dinv: Program) -> None:
    def gone(step: str) -> None:
        if step == "remove":
            raise EndpointUnreachable("unix:///fake", "refused")

    world.at = gone
    assert dinv("rm", "-y", "dev") == 1
    assert "dinv rm -f dev" in dinv.err
    assert world.states["dev"] == RUNNING
    assert dinv("rm", "-f", "dev") == 0
    assert "docker rm -f dinv-dev" in dinv.out
    assert machines.open_machines().names() == []

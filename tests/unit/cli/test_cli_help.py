"""Help: verbs in groups, examples that parse, and `create --help` on one screen."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from dinv.cli import main
from dinv.cli.app import App
from dinv.cli.help_examples import EXAMPLES
from dinv.cli.parser import Parser
from dinv.cli.verbs import VERBS, module_name
from dinv.cli.verbs.help import GROUPS, REST, grouped
from dinv.cli.voice import Voice

if TYPE_CHECKING:
    from pathlib import Path

SCREEN = 40


@pytest.fixture(autouse=True)
def _called_dinv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dinv"])
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.delenv("MACHINE_DRIVER", raising=False)


def shown(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert not caught.value.code
    return capsys.readouterr().out


def test_every_verb_is_in_one_group() -> None:
    verbs = [verb for _, verbs in grouped() for verb in verbs]
    assert sorted(verbs) == sorted(VERBS)
    assert grouped()[0][1][0] == "create"
    assert [title for title, _ in grouped()] == [*(title for title, _ in GROUPS), REST]


def test_the_help_shows_groups_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    places = [lines.index(f"{title}:") for title, _ in grouped()]
    assert places == sorted(places)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_the_help_of_a_verb_has_examples_in_80_columns(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = shown(capsys, verb, "--help")
    assert said.startswith(f"Usage: dinv {verb} ")
    assert "\nExamples:\n" in said
    assert max(map(len, said.splitlines())) <= 80


def command_lines() -> list[str]:
    lines = [line for pairs in EXAMPLES.values() for line, _ in pairs]
    return [found for line in lines for found in re.findall(r"dinv [^|<>)]+", line)]


@pytest.mark.parametrize("line", command_lines())
def test_examples_are_command_lines(line: str) -> None:
    verb, *words = shlex.split(line)[1:]
    app = App(Voice("dinv"))
    module = importlib.import_module(module_name(verb))
    if "--help" in words or "--help-all" in words:
        with pytest.raises(SystemExit):
            app.parse(verb, module, words)
    else:
        app.parse(verb, module, words)


def test_there_are_examples_of_verbs_only() -> None:
    assert set(EXAMPLES) <= set(VERBS)


def test_examples_name_the_program_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["docker-machine"])
    assert "  eval $(docker-machine env dev)   " in shown(capsys, "env", "--help")


def test_the_help_of_create_fits_a_screen_and_all_of_it_can_be_had(
    capsys: pytest.CaptureFixture[str],
) -> None:
    short, everything = shown(capsys, "create", "--help"), shown(capsys, "create", "--help-all")
    assert len(short.splitlines()) <= SCREEN
    for flag in ("--memory", "--cpus", "--endpoint", "--image", "--help-all"):
        assert f" {flag} " in short
    assert "--tls-ca-key" not in short
    assert "$DINV_CPUS" not in short
    parser = Parser("dinv", "create", "", [])
    importlib.import_module("dinv.cli.verbs.create").arguments(parser)
    for flag in parser.long_flags():
        assert f"--{flag}" in everything
    assert "$DINV_CPUS" in everything


def test_a_verb_without_rare_flags_says_nothing_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert "help-all" not in shown(capsys, "url", "--help")
    assert shown(capsys, "url", "--help") == shown(capsys, "url", "--help-all")


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        (["rm"], "dinv rm [OPTIONS] NAME [NAME ...]"),
        (["image", "buld"], "dinv image [OPTIONS] init|build|check|push|export|ls [DIR|REF]"),
        (["stop", "--nosuch"], "dinv stop [OPTIONS] [NAME ...]"),
        (["create", "--nosuch", "x"], "dinv create [OPTIONS] NAME"),
    ],
)
def test_the_usage_is_the_same_in_errors(
    words: list[str], usage: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, words[0], "--help").splitlines()[0] == f"Usage: {usage}"
    monkeypatch.setattr(sys, "argv", ["docker-machine"])
    assert main(words) == 1
    assert f"Usage: {usage.replace('dinv', 'docker-machine')}\n" in capsys.readouterr().out

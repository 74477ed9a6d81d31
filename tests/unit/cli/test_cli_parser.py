"""Flags, as docker-machine's users write them."""

from __future__ import annotations

import importlib

import pytest

from dinv.cli import VERBS, module_name
from dinv.cli.app import App
from dinv.cli.parser import Parser
from dinv.errors import InputError


@pytest.fixture
def parser() -> Parser:
    parser = Parser("dinv", "verb", "Does it", [])
    parser.add_argument("name", nargs="*")
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("-d", "--driver")
    parser.add_argument("--engine-label", action="append")
    return parser


@pytest.mark.parametrize(
    "words", [["--driver", "x"], ["--driver=x"], ["-driver", "x"], ["-driver=x"], ["-d", "x"]]
)
def test_one_dash_or_two(parser: Parser, words: list[str]) -> None:
    assert parser.parse(words).driver == "x"


def test_flags_may_stand_anywhere(parser: Parser) -> None:
    found = parser.parse(["a", "-f", "b", "-engine-label", "x=1", "c", "--engine-label", "y=2"])
    assert (found.name, found.force, found.engine_label) == (["a", "b", "c"], True, ["x=1", "y=2"])


def test_a_value_after_an_equals_sign_may_begin_with_a_dash(parser: Parser) -> None:
    assert parser.parse(["-driver=-x"]).driver == "-x"


@pytest.mark.parametrize("words", [["--forc"], ["--nosuch"], ["--driver"], ["-x"], ["--force=1"]])
def test_what_is_wrong_is_an_input_error_with_a_hint(parser: Parser, words: list[str]) -> None:
    with pytest.raises(InputError, match="dinv verb --help"):
        parser.parse(words)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(module_name(verb))
    with pytest.raises(SystemExit) as caught:
        App("dinv").parse(verb, module, ["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert f"dinv {verb}" in said
    assert VERBS[verb] in " ".join(said.split())


@pytest.mark.parametrize("columns", ["40", "x", "0", "٣"])
def test_help_takes_any_width(columns: str, parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "Does it" in parser.format_help()

"""Flags, as docker-machine's users write them."""

from __future__ import annotations

import contextlib
import importlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.cli.app import App
from dinv.cli.parser import Parser
from dinv.cli.verbs import VERBS, module_name
from dinv.cli.voice import Voice
from dinv.errors import InputError, UsageError


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


@pytest.mark.parametrize(
    ("words", "force"),
    [
        (["--force=1"], True),
        (["-force=true"], True),
        (["-f=T"], True),
        (["--f"], True),
        (["-force"], True),
        (["--force=false"], False),
        (["-f=0"], False),
    ],
)
def test_a_switch_may_have_a_value(parser: Parser, words: list[str], *, force: bool) -> None:
    found = parser.parse(["a", *words])
    assert (found.force, found.name) == (force, ["a"])


def test_behind_two_dashes_nothing_is_a_flag(parser: Parser) -> None:
    assert parser.parse(["-f", "--", "-driver", "--force=x"]).name == ["-driver", "--force=x"]


def test_one_letter_takes_a_value_as_go_has_it(parser: Parser) -> None:
    assert parser.parse(["--d", "x"]).driver == "x"
    assert parser.parse(["-d=x"]).driver == "x"


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "-inf", "86401", "1e300", "soon", "", "1,5"])
def test_what_is_no_time_to_wait(parser: Parser, text: str) -> None:
    parser.add_argument("--timeout", type="seconds")
    with pytest.raises(InputError, match="for flag --timeout"):
        parser.parse([f"--timeout={text}"])


@pytest.mark.parametrize(("text", "value"), [("2", 2.0), ("0.5", 0.5), ("86400", 86400.0), ("1e2", 100.0)])
def test_a_time_to_wait(parser: Parser, text: str, value: float) -> None:
    parser.add_argument("--timeout", type="seconds")
    assert parser.parse(["--timeout", text]).timeout == value


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_timeout_is_a_time_to_wait(verb: str) -> None:
    module = importlib.import_module(module_name(verb))
    made = Parser("dinv", verb, "", [])
    module.arguments(made)
    for action in made.all_arguments():
        if action.dest == "timeout":
            assert action.type == "seconds"


@given(
    st.lists(st.text(max_size=6) | st.sampled_from(["-f", "--driver", "-d=x", "--", "-force=1"]), max_size=6)
)
def test_any_words_are_parsed_or_refused(words: list[str]) -> None:
    made = Parser("dinv", "verb", "Does it", [])
    made.add_argument("name", nargs="*")
    made.add_argument("-f", "--force", action="store_true")
    made.add_argument("-d", "--driver")
    with contextlib.suppress(InputError, SystemExit):  # -h
        made.parse(words)


@pytest.mark.parametrize("words", [["--forc"], ["--nosuch"], ["--driver"], ["-x"], ["--force=maybe"]])
def test_what_is_wrong_is_an_input_error_with_a_hint(parser: Parser, words: list[str]) -> None:
    with pytest.raises(InputError, match="dinv verb --help"):
        parser.parse(words)


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module(module_name(verb))
    with pytest.raises(SystemExit) as caught:
        App(Voice("dinv")).parse(verb, module, ["--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert f"dinv {verb}" in said
    assert VERBS[verb] in " ".join(said.split())


@pytest.mark.parametrize("columns", ["40", "x", "0", "٣"])
def test_help_takes_any_width(columns: str, parser: Parser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert "Does it" in parser.format_help()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--lines", "x"],
            (
                'invalid value "x" for flag --lines: parse error\n'
                "It has to be a whole number. See 'dinv verb --help'."
            ),
        ),
        (["--lines"], "flag needs an argument: --lines. See 'dinv verb --help'."),
        (["--time"], "flag needs an argument: --time. See 'dinv verb --help'."),
    ],
)
def test_what_is_wrong_with_a_value_is_said_as_gos_flags_say_it(words: list[str], said: str) -> None:
    parser = Parser("dinv", "verb", "", words)
    parser.add_argument("-n", "--lines", type="int")
    parser.add_argument("-t", "--time", type="seconds")
    with pytest.raises(UsageError) as caught:
        parser.parse(words)
    assert str(caught.value) == said
    assert caught.value.help.startswith("Incorrect Usage.\n\nUsage: dinv verb ")


# What stands where


def made(*arguments: tuple[str, dict[str, Any]]) -> Parser:
    parser = Parser("dinv", "verb", "Does it", [])
    parser.add_argument("-y", action="store_true", dest="yes")
    parser.add_argument("-f", "--force", action="store_true")
    parser.add_argument("-n", "--number", type="int")
    parser.add_argument("--no-context", dest="context", action="store_false", default=None)
    parser.add_argument("-l", "--label", action="append")
    for name, facts in arguments:
        parser.add_argument(name, **facts)
    return parser


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-fy"], {"force": True, "yes": True}),
        (["-yn3"], {"yes": True, "number": 3}),
        (["-n=3"], {"number": 3}),
        (["-yn=3"], {"yes": True, "number": 3}),
        (["-fn", "3"], {"force": True, "number": 3}),
        (["-n", "-3"], {"number": -3}),
        (["-la=b", "-lc"], {"label": ["a=b", "c"]}),
        (["-f=0", "-y"], {"force": False, "yes": True}),
        (["--no-context"], {"context": False}),
        (["--no-context=false"], {"context": None}),
    ],
)
def test_letters_stand_together_and_take_values(words: list[str], found: dict[str, object]) -> None:
    options = vars(made().parse(words))
    assert options == {
        "yes": False,
        "force": False,
        "number": None,
        "context": None,
        "label": None,
        **found,
    }


@pytest.mark.parametrize(
    ("nargs", "words", "found"),
    [
        (("", ""), ["a", "b"], ("a", "b")),
        (("", "?"), ["a"], ("a", None)),
        (("", "?"), ["a", "b"], ("a", "b")),
        (("", "*"), ["a"], ("a", [])),
        (("", "*"), ["a", "b", "c"], ("a", ["b", "c"])),
        (("+", ""), ["a", "b", "c"], (["a", "b"], "c")),
        (("?", ""), ["a"], (None, "a")),
        (("?", ""), ["a", "b"], ("a", "b")),
        (("", "*"), ["-", "--", "-f", "--"], ("-", ["-f", "--"])),
        (("", "*"), ["-1", "-.5"], ("-1", ["-.5"])),
    ],
)
def test_words_go_to_the_arguments_that_need_them(
    nargs: tuple[str, str], words: list[str], found: tuple[object, object]
) -> None:
    options = made(("one", {"nargs": nargs[0]}), ("two", {"nargs": nargs[1]})).parse(words)
    assert (options.one, options.two) == found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: one, TWO"),
        (["a"], "the following arguments are required: TWO"),
        (["a", "b", "c"], "Too many arguments"),
        (["a", "--label"], "flag needs an argument: --label"),
        (["a", "--label", "-f"], "flag needs an argument: --label"),
        (["a", "--label", "--", "x"], "flag needs an argument: --label"),
        (["-fx"], "flag provided but not defined: --fx"),
        (["-="], "flag provided but not defined: -"),
        (["---force"], "flag provided but not defined"),
        (["--Force"], "flag provided but not defined: --Force"),
        (["--force=maybe"], 'invalid boolean value "maybe" for --force'),
    ],
)
def test_what_is_wrong_with_a_command_line(words: list[str], said: str) -> None:
    parser = made(("one", {"metavar": "one"}), ("two", {}))
    with pytest.raises(UsageError, match=re.escape(said)):
        parser.parse(words)


def test_what_a_verb_says_of_missing_and_of_further_words() -> None:
    parser = made(("name", {}))
    parser.missing = "Error: No machine name specified"
    parser.extra = "Found extra arguments [{extra}]"
    with pytest.raises(UsageError, match="No machine name specified") as caught:
        parser.parse([])
    assert "Usage: dinv verb [OPTIONS] NAME" in caught.value.help
    with pytest.raises(UsageError, match=re.escape("Found extra arguments [b c]")):
        parser.parse(["a", "b", "c"])


@pytest.mark.parametrize("words", [["--nosuch", "-h"], ["-h", "--nosuch"], ["-xh", "--help"], ["-fh"]])
def test_help_is_shown_beside_flags_that_are_not_known(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        made().parse(words)
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith("Usage: dinv verb [OPTIONS]\n")


FLAGS = st.permutations([["-f"], ["--number", "7"], ["-l", "a"], ["--label=b"], ["one"], ["two"], ["three"]])


@given(FLAGS)
def test_flags_mean_the_same_wherever_they_stand(parts: list[list[str]]) -> None:
    words = [word for part in parts for word in part]
    options = made(("name", {"nargs": "*"})).parse(words)
    assert (options.force, options.number, options.yes) == (True, 7, False)
    assert options.name == [part[0] for part in parts if part[0] in ("one", "two", "three")]
    assert options.label == [
        part[-1].removeprefix("--label=")
        for part in parts
        if part[0][:2] in ("-l", "--") and part[0] != "--number"
    ]

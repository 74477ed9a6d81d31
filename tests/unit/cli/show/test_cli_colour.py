"""Who sees colours and lines that move."""

from __future__ import annotations

import io

import pytest

from dinv.cli.show.colour import is_looked_at, painted, wanted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environ", "moves", "colours"),
    [
        ({}, True, True),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"CLICOLOR": "0"}, True, False),
        ({"CLICOLOR": "1"}, True, True),
        ({"TERM": "dumb"}, False, False),
        ({"CI": "true"}, False, False),
        ({"CI": "false"}, True, True),
        ({"CI": ""}, True, True),
    ],
)
def test_what_the_environment_asks_for(environ: dict[str, str], *, moves: bool, colours: bool) -> None:
    given = {"TERM": "xterm", **environ}
    assert is_looked_at(Terminal(), given) is moves
    assert wanted(Terminal(), given) is colours
    assert not wanted(io.StringIO(), given)  # a pipe, or a file


def test_no_terminal_is_known_without_term() -> None:
    assert not wanted(Terminal(), {})


def test_a_closed_stream_is_no_terminal() -> None:
    stream = io.StringIO()
    stream.close()
    assert not is_looked_at(stream, {"TERM": "xterm"})


def test_paint() -> None:
    assert painted("x", "red") == "\x1b[31mx\x1b[0m"
    assert painted("x", "") == "x"

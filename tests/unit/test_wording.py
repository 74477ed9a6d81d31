"""Texts that name commands and options as data."""

from __future__ import annotations

import copy
import pickle

import pytest

from dinv.errors import MachineError
from dinv.wording import Wording, command, either, joined, option


def test_a_caller_of_the_library_and_somebody_at_a_command_line_are_told_in_their_own_words() -> None:
    said = (
        "Make it anew: "
        + command("create", "--publish", ":1", "dev")
        + ", or free "
        + option("publish", ":1")
    )
    assert said == 'Make it anew: dinv create --publish :1 dev, or free publish=":1"'
    assert isinstance(said, Wording)
    assert said.worded("docker-machine") == (
        "Make it anew: docker-machine create --publish :1 dev, or free --publish :1"
    )
    assert said.commands == [["create", "--publish", ":1", "dev"]]


def test_an_option_without_a_value_is_named() -> None:
    said = option("cache-size") + " is too small"
    assert (said, said.worded("dinv")) == ("cache_size is too small", "--cache-size is too small")


def test_what_has_no_option_of_its_own_is_told_both_ways() -> None:
    said = "Choose another store: " + either("dinv.open(PATH)", "--storage-path PATH") + "."
    assert said == "Choose another store: dinv.open(PATH)."
    assert said.worded("dm") == "Choose another store: --storage-path PATH."


@pytest.mark.parametrize(
    ("word", "shown"),
    [("dev", "dev"), ("--keep-cache", "--keep-cache"), ("...", "..."), ("a b", "'a b'"), ("", "''")],
)
def test_words_are_quoted_as_a_shell_has_them(word: str, shown: str) -> None:
    assert command("rm", word).worded("dinv") == f"dinv rm {shown}"


def test_texts_are_joined_without_those_that_are_empty() -> None:
    said = joined("; ", ("", "one", "", "see " + command("ls")))
    assert said == "one; see dinv ls"
    assert isinstance(said, Wording)
    assert said.worded("x") == "one; see x ls"
    assert joined("; ", ()) == ""


def test_it_outlives_copies() -> None:
    said = "So: " + command("ls")
    for copied in (copy.deepcopy(said), pickle.loads(pickle.dumps(said))):  # noqa: S301  (our own)
        assert copied == said
        assert copied.worded("x") == "So: x ls"


def test_an_error_has_the_commands_that_it_names() -> None:
    error = MachineError("dev", "It is gone. Clean up: " + command("rm", "-f", "dev"))
    assert str(error) == "It is gone. Clean up: dinv rm -f dev"
    assert error.hints == [["rm", "-f", "dev"]]
    assert MachineError("dev", "no more").hints == []

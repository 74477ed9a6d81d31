"""Texts that name commands and options as data."""

from __future__ import annotations

import ast
import copy
import os
import pickle
import re
from typing import TYPE_CHECKING

import pytest

import dinv
from dinv.cli.verbs import VERBS
from dinv.errors import MachineError
from dinv.wording import Wording, command, either, joined, option

if TYPE_CHECKING:
    from collections.abc import Iterator


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


# In the library

_COMMAND = re.compile(rf"\bdinv (?:-s \S+ )?(?:{'|'.join(map(re.escape, VERBS))})\b")
_ELSEWHERE = {"endpoints/local/systemd.py", "image_building/layer.py", "image_building/sources.py"}
"""Files for others to read: a unit of systemd's in /etc, an image's history, the README of an image."""


def texts() -> Iterator[tuple[str, ast.AST]]:
    """The library's files, parsed; the command line's are not among them."""
    root = os.path.dirname(dinv.__file__)
    for directory, _, files in os.walk(root):
        place = os.path.relpath(directory, root)
        for file in files:
            if file.endswith(".py") and place.partition(os.sep)[0] not in ("cli", "testing"):
                with open(os.path.join(directory, file), encoding="utf-8") as source:
                    yield os.path.normpath(os.path.join(place, file)), ast.parse(source.read())


def test_the_library_names_commands_as_data_and_never_as_text() -> None:
    """`command("rm", name)`, by `+`: in a string, or put in an f-string, it would name a program for good."""
    found = []
    for file, tree in texts():
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Constant)
                and id(node) not in docstrings
                and isinstance(node.value, str)
                and _COMMAND.search(node.value)
                and file not in _ELSEWHERE
            ):
                found.append(f"{file}:{node.lineno}: {node.value}")
            if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Call):
                name = getattr(node.value.func, "id", "")
                if name in ("command", "either", "option"):
                    found.append(f"{file}:{node.lineno}: {name}() in an f-string")
    assert found == []

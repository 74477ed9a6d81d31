"""Did you mean: what is found for what was typed, and what is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.suggestions import closest, did_you_mean

FLAGS = [
    "memory",
    "cpus",
    "isolation",
    "image",
    "image-contract",
    "storage-path",
    "cache-size",
    "cache-volume",
]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("memmory", "memory"),
        ("mem", "memory"),
        ("MEMORY", "memory"),
        ("isolaton", "isolation"),
        ("storge", "storage-path"),
        ("imgae", "image"),
        ("cache", "cache-size"),
        ("me", ""),
        ("bogus", ""),
        ("", ""),
    ],
)
def test_what_is_nearly_right(word: str, found: str) -> None:
    assert closest(word, FLAGS) == found


@pytest.mark.parametrize(
    ("word", "found"), [("dve", "dev"), ("sl", "ls"), ("lss", "ls"), ("web", ""), ("d", ""), ("db1", "")]
)
def test_short_words(word: str, found: str) -> None:
    assert closest(word, ["dev", "ls", "database"]) == found


def test_a_question_or_nothing() -> None:
    assert did_you_mean("crate", ["create", "rm"]) == 'Did you mean "create"?'
    assert did_you_mean("memmory", FLAGS, "--") == 'Did you mean "--memory"?'
    assert did_you_mean("zzz", FLAGS) == ""
    assert did_you_mean("cpus", FLAGS) == ""  # it is that already


@given(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=5))
def test_what_is_meant_is_known(word: str, known: list[str]) -> None:
    assert closest(word, known) in ["", *known]


@given(st.text(min_size=1, max_size=8), st.lists(st.text(max_size=8), max_size=5))
def test_the_word_itself_comes_first(word: str, known: list[str]) -> None:
    assert closest(word, [*known, word]).casefold() == word.casefold()

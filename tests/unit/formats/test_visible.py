"""Text of others: what a terminal would obey is shown, and not obeyed."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.visible import one_line, visible

TEXT = st.text(st.characters(exclude_categories=[]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\u202etxt.exe", "a\\u202etxt.exe"),
        ("\u2066x\u2069", "\\u2066x\\u2069"),
        ("a\u2028b", "a\\u2028b"),
        ("a\rb\x7f", "a\\rb\\x7f"),
        ("caf\udce9 \ud83d", "caf\\udce9 \\ud83d"),
        ("\U000e0041", "\\U000e0041"),
        ("größer 日本語\u3000\u00a0é 🐳", "größer 日本語\u3000\u00a0é 🐳"),
        ("two\n\tlines", "two\n\tlines"),
    ],
)
def test_what_cannot_be_seen_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_a_name_has_no_line_breaks() -> None:
    assert one_line("a\nb\tc") == "a\\nb\\tc"


@given(text=TEXT)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    shown = visible(text)
    assert not [
        letter
        for letter in shown
        if unicodedata.category(letter) in {"Cc", "Cf", "Cs"} - {"\n"} and letter not in "\n\t"
    ]
    shown.encode()
    assert visible(shown) == shown


@given(text=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_what_can_be_seen_stays(text: str) -> None:
    assert one_line(text) == text

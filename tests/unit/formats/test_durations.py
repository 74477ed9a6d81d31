"""Durations as users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.durations import UNITS, about, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30d", 30 * 86400),
        ("12h", 12 * 3600),
        ("90m", 5400),
        ("45s", 45),
        ("2w", 14 * 86400),
        ("1d12h", 36 * 3600),
        (" 1D12H ", 36 * 3600),
        ("0s", 0),
    ],
)
def test_what_is_one(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "1.5h", "-1d", "1y", "1h1d", "1h1h", "1 d", "1d 12h", "٣d", "1" * 40 + "d", "1e3s"],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="such as 90m, 12h, 30d"):
        parse_duration(text)


@given(st.integers(0, 10**12))
def test_there_and_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@given(st.text(st.sampled_from("0123456789wdhms -."), max_size=40))
def test_whatever_is_written(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds >= 0
    assert parse_duration(format_duration(seconds)) == seconds
    assert any(unit in text for unit in UNITS)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 seconds"), (1, "1 second"), (61, "1 minute"), (7300, "2 hours"), (86400 * 29.5, "29 days")],
)
def test_for_people(seconds: float, text: str) -> None:
    assert about(seconds) == text

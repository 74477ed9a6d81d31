"""Sizes, as docker's flags take them and as people read them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.units import format_size, parse_size

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
SHOWN = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512m", 512 * 2**20),
        ("2g", 2 * 2**30),
        ("1.5GiB", 3 * 2**29),
        ("20 GB", 20 * 2**30),
        (" 64kb ", 65536),
        ("10B", 10),
        ("1T", 2**40),
    ],
)
def test_sizes_are_multiples_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text", ["", "g", "-1g", "1.g", ".5g", "1,5g", "1gg", "1 2g", "0x10", "nan", "inf", "1e9"]
)
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size|is more than any computer has"):
        parse_size(text)


@given(st.integers(0, 2**40), st.sampled_from(sorted(UNITS)), st.sampled_from(["", "b", "iB", "B"]))
def test_a_whole_number_of_a_unit_is_exact(number: int, unit: str, suffix: str) -> None:
    assert parse_size(f"{number}{unit}{suffix}") == number * UNITS[unit]


@given(
    st.one_of(st.text(max_size=20), st.from_regex(r"\d{1,500}(\.\d{1,30})?[kKmMgGtTpP]?i?b?", fullmatch=True))
)
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert size >= 0


@given(st.integers(0, 2**53))
def test_a_shown_size_is_short_and_near_the_truth(size: int) -> None:
    shown = format_size(size)
    match = re.fullmatch(r"(\d{1,4}(?:\.\d{1,3})?) (\w+)", shown)
    assert match is not None, shown
    number, unit = match.groups()
    assert float(number) * SHOWN[unit] == pytest.approx(size, rel=0.006)


@given(st.integers(2**10, 2**43))
def test_a_shown_size_can_be_typed_in_again(size: int) -> None:
    assert parse_size(format_size(size)) == pytest.approx(size, rel=0.006)


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1024, "1 KiB"),
        (1_023_700, "1000 KiB"),
        (2 * 2**30, "2 GiB"),
        (2**52, "4096 TiB"),
    ],
)
def test_sizes_are_shown_with_three_digits_and_a_unit(size: int, shown: str) -> None:
    assert format_size(size) == shown

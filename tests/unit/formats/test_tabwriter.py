"""Columns as Go's text/tabwriter makes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.table import table
from dinv.formats.tabwriter import line_up

CELL = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12)


def test_columns_are_runs_of_lines() -> None:
    """As Go's tabwriter has said it, with the same widths."""
    text = "a\tb\tc\nlonger\tx\nalone\n\tq\nz\tlong-long\te\n"
    assert line_up(text) == "a        b    c\nlonger   x\nalone\n     q\nz    long-long   e\n"


def test_what_has_no_tabs_stays() -> None:
    assert line_up("") == ""
    assert line_up("a b\nc\n") == "a b\nc\n"


def test_more_columns_than_python_has_frames() -> None:
    assert len(line_up("\t" * 5000)) == 5 * 5000


@given(
    st.integers(1, 5).flatmap(
        lambda columns: st.lists(st.lists(CELL, min_size=columns, max_size=columns), min_size=1, max_size=5)
    )
)
def test_a_whole_table_is_laid_out_as_the_plain_one(rows: list[list[str]]) -> None:
    assert line_up("\n".join(map("\t".join, rows))) == table(rows[0], rows[1:])

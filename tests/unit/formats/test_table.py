"""Tables as docker-machine lays them out: scripts cut them into columns."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dinv.formats.table import LEAST_WIDTH, PADDING, line_up, table, widths

CELL = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12)
TABLES = st.integers(1, 5).flatmap(
    lambda columns: st.tuples(
        st.lists(CELL, min_size=columns, max_size=columns),
        st.lists(st.lists(CELL, min_size=columns, max_size=columns), max_size=5),
    )
)


def test_docker_machines_own_layout() -> None:
    rows = [("dev", "-", "docker", "Running"), ("a-longer-name", "*", "docker", "Stopped")]
    assert table(("NAME", "ACTIVE", "DRIVER", "STATE"), rows).splitlines() == [
        "NAME            ACTIVE   DRIVER   STATE",
        "dev             -        docker   Running",
        "a-longer-name   *        docker   Stopped",
    ]


@given(TABLES)
def test_every_cell_stands_under_its_head(given_table: tuple[list[str], list[list[str]]]) -> None:
    head, rows = given_table
    lines = table(head, rows).split("\n")
    assert len(lines) == len(rows) + 1
    expected = [
        max(LEAST_WIDTH, max(len(row[column]) for row in [head, *rows]) + PADDING)
        for column in range(len(head) - 1)
    ]
    assert widths([head, *rows]) == expected
    for line, row in zip(lines, [head, *rows], strict=True):
        start = 0
        for cell, width in zip(row, expected, strict=False):
            assert line[start : start + width] == cell.ljust(width)
            start += width
        assert line[start:] == row[-1]


def test_cells_with_tabs_and_line_breaks_stay_in_their_columns() -> None:
    assert table(("A", "B"), [("x\ty", "z\nq")]).splitlines() == ["A      B", "x\\ty   z\\nq"]


# Text with tabs, as --format 'table ...' makes it


def test_columns_are_runs_of_lines() -> None:
    """As Go's tabwriter has said it, with the same widths."""
    text = "a\tb\tc\nlonger\tx\nalone\n\tq\nz\tlong-long\te\n"
    assert line_up(text) == "a        b    c\nlonger   x\nalone\n     q\nz    long-long   e\n"


def test_what_has_no_tabs_stays() -> None:
    assert line_up("") == ""
    assert line_up("a b\nc\n") == "a b\nc\n"


def test_more_columns_than_python_has_frames() -> None:
    assert len(line_up("\t" * 5000)) == 5 * 5000

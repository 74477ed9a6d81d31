"""Tables as docker-machine lays them out, by Go's text/tabwriter, since scripts cut them into columns."""

from __future__ import annotations

from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LEAST_WIDTH = 5
PADDING = 3
"""docker-machine's tabwriter settings: minimal width 5, padding 3, spaces (commands/ls.go)."""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows: each column is as wide as its widest cell plus 3; the last column is not padded."""
    lines = [head, *([one_line(cell) for cell in row] for row in rows)]
    return line_up("\n".join(map("\t".join, lines)))


def widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """Return the width that `table` gives each column but the last, with its padding."""
    return [_width(line[column] for line in lines) for column in range(len(lines[0]) - 1)]


def line_up(text: str) -> str:
    """Replace tabs, each of which ends a cell, with spaces.

    A column is a run of consecutive lines that have a cell there that ends in a tab; it is as wide as its
    widest cell plus the padding. Text after a line's last tab is not padded. Widths are in characters.
    """
    lines = [line.split("\t") for line in text.split("\n")]
    # Consecutive lines with the same columns before this one.
    blocks = [(0, len(lines), 0)]
    while blocks:
        begin, end, column = blocks.pop()
        for start, stop in _runs(lines, begin, end, column):
            width = _width(cells[column] for cells in lines[start:stop])
            for cells in lines[start:stop]:
                cells[column] = cells[column].ljust(width)
            blocks.append((start, stop, column + 1))
    return "\n".join("".join(cells) for cells in lines)


def _width(cells: Iterable[str]) -> int:
    return max(LEAST_WIDTH, max(map(len, cells)) + PADDING)


def _runs(lines: list[list[str]], begin: int, end: int, column: int) -> Iterator[tuple[int, int]]:
    """Yield the runs of lines that have a cell in `column` that ends in a tab."""
    start = begin
    while start < end:
        stop = start
        while stop < end and column < len(lines[stop]) - 1:
            stop += 1
        if stop > start:
            yield start, stop
        start = stop + 1

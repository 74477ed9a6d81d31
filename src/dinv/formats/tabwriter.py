"""Text whose cells end in tabs, lined up as Go's text/tabwriter does for docker-machine's `ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_WIDTH = 5
PADDING = 3
"""docker/machine: commands/ls.go: minimal width 5, padding 3, spaces."""


def line_up(text: str) -> str:
    """Replace tabs by spaces.

    A column is a run of lines that all have a cell there which ends in a tab; it is as wide as its widest
    cell and the padding. What follows a line's last tab is not padded. Widths are in characters.
    """
    lines = [line.split("\t") for line in text.split("\n")]
    # Lines that have the same columns before this one.
    blocks = [(0, len(lines), 0)]
    while blocks:
        begin, end, column = blocks.pop()
        for start, stop in _runs(lines, begin, end, column):
            width = max(LEAST_WIDTH, *(len(cells[column]) + PADDING for cells in lines[start:stop]))
            for cells in lines[start:stop]:
                cells[column] = cells[column].ljust(width)
            blocks.append((start, stop, column + 1))
    return "\n".join("".join(cells) for cells in lines)


def _runs(lines: list[list[str]], begin: int, end: int, column: int) -> Iterator[tuple[int, int]]:
    """Runs of lines that have a cell in `column` which ends in a tab."""
    start = begin
    while start < end:
        stop = start
        while stop < end and column < len(lines[stop]) - 1:
            stop += 1
        if stop > start:
            yield start, stop
        start = stop + 1

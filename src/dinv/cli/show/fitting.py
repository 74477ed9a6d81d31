"""Tables on a terminal: coloured if it wants that, and never wider than it is.

Only there: in a pipe or a file a table is laid out as docker-machine does, whatever its width.
"""

from __future__ import annotations

import os
import sys

from dinv.formats.table import table, widths
from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO

DEFAULT_COLUMNS = 80
LEAST_CELL = 8
"""The shortest that cells are cut to; on a terminal below some 25 columns a line may wrap after all."""


def show(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    spare: Sequence[str] = (),
    below: str = "",
    colours: Mapping[str, Mapping[str, str]] | None = None,
) -> None:
    """Print a table on standard output.

    If it is wider than the terminal, the texts of column `below` are moved under the table, then the columns
    `spare` are left out, in this order, as far as necessary; after that the widest cells are cut. `colours`
    has those of cells, by column and text.
    """
    if not sys.stdout.isatty():
        print(table(head, rows))
        return
    from dinv.cli.show.colour import wanted

    room = columns_of(sys.stdout)
    cells = [[one_line(cell) for cell in row] for row in rows]
    lines, moved = fitted(head, cells, room, spare=spare, below=below)
    laid_out = _laid_out(lines, colours if colours and wanted(sys.stdout) else {})
    print("\n".join([*laid_out, *moved]))


def columns_of(stream: TextIO) -> int:
    """Return how many columns a terminal has."""
    try:
        return os.get_terminal_size(stream.fileno()).columns or DEFAULT_COLUMNS
    except (OSError, ValueError):
        return DEFAULT_COLUMNS


def fitted(
    head: Sequence[str], rows: Sequence[Sequence[str]], room: int, *, spare: Sequence[str], below: str
) -> tuple[list[list[str]], list[str]]:
    """Return the lines of a table, cell by cell, at most `room` wide; and the lines to print below it."""
    lines = [list(head), *(list(row) for row in rows)]
    moved: list[str] = []
    if below in head and _width(lines) > room:
        moved = _below(lines, head.index(below), room)
        _drop(lines, below)
    for column in spare:
        if _width(lines) <= room:
            break
        _drop(lines, column)
    _cut(lines, room)
    return lines, moved


def _width(lines: Sequence[Sequence[str]]) -> int:
    return sum(widths(lines)) + max(len(line[-1]) for line in lines)


def _drop(lines: list[list[str]], column: str) -> None:
    if column in lines[0] and len(lines[0]) > 1:
        place = lines[0].index(column)
        for line in lines:
            del line[place]


def _below(lines: list[list[str]], place: int, room: int) -> list[str]:
    """Return a column's texts as paragraphs, each with the row's name before it."""
    import textwrap

    said = [(line[0], line[place]) for line in lines[1:] if line[place]]
    paragraphs = [
        textwrap.wrap(
            f"{name}: {text}", max(room, LEAST_CELL), subsequent_indent="  ", break_on_hyphens=False
        )
        for name, text in said
    ]
    return [line for paragraph in paragraphs for line in paragraph]


def _cut(lines: list[list[str]], room: int) -> None:
    """Shorten the cells of the widest column until the table fits, then those of the next."""
    while (over := _width(lines) - room) > 0:
        longest = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        place = longest.index(max(longest))
        if longest[place] <= LEAST_CELL:
            return
        # Only down to the next widest: then all of them shrink together.
        others = [length for other, length in enumerate(longest) if other != place]
        target = max(LEAST_CELL, longest[place] - over, min(longest[place] - 1, max(others, default=0)))
        for line in lines:
            if len(line[place]) > target:
                line[place] = f"{line[place][: target - 1]}\u2026"


def _laid_out(lines: Sequence[Sequence[str]], colours: Mapping[str, Mapping[str, str]]) -> list[str]:
    from dinv.cli.show.colour import painted

    across = [*widths(lines), 0]
    by_place = [colours.get(head, {}) for head in lines[0]]
    return [
        "".join(
            painted(cell, by_text.get(cell, "")) + " " * (width - len(cell))
            for cell, width, by_text in zip(line, across, by_place, strict=True)
        ).rstrip()
        for line in lines
    ]

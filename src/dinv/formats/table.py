"""Tables as docker-machine lays them out, since scripts cut them into columns."""

from __future__ import annotations

from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PADDING = 3
"""Go's text/tabwriter as docker-machine sets it up: minimal width 5, padding 3 (commands/ls.go)."""
LEAST_WIDTH = 5


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell and 3; the last one is not padded."""
    lines = [head, *([one_line(cell) for cell in row] for row in rows)]
    across = widths(lines)
    return "\n".join(
        "".join(f"{cell:<{width}}" for cell, width in zip(line[:-1], across, strict=True)) + line[-1]
        for line in lines
    )


def widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column but the last is, with its padding."""
    return [
        max(LEAST_WIDTH, max(len(line[column]) for line in lines) + PADDING)
        for column in range(len(lines[0]) - 1)
    ]

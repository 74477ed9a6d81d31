"""docs/lifecycle.md: its tables of the steps of each transaction."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"


class Row(NamedTuple):
    """What the page says of a step."""

    step: str
    does: str
    undone: str
    leaves: str
    settled: list[str]
    """The verbs that settle what a kill at this step leaves."""


def rows(transaction: str) -> list[Row]:
    """The table of this transaction, whose heading begins with its name."""
    (section,) = re.findall(rf"^## `{transaction}`.*?(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    found = []
    for line in re.findall(r"^\| `.*\|$", section, re.MULTILINE):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        step, does, undone, leaves, settled = cells
        found.append(Row(step.strip("`"), does, undone, leaves, re.findall(r"`([a-z-]+)`", settled)))
    return found

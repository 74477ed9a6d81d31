"""What several of these pages need."""

from __future__ import annotations

PAGE = 100
"""Rows on a page."""


def written(number: float | None) -> str:
    """A number, as it is read back from a field."""
    return "" if number is None else f"{number:.3f}".rstrip("0").rstrip(".")


def written_size(size: int | None) -> str:
    """A size, as it is read back from a field: in the largest unit that has it whole."""
    if size is None:
        return ""
    for power, letter in ((4, "t"), (3, "g"), (2, "m"), (1, "k")):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{letter}"
    return str(size)


class Written(dict[str, str]):
    """What was written into a form, to be shown again; "" for what was not."""

    def __missing__(self, key: str) -> str:
        return ""

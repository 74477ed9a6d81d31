"""What several of these pages need."""

from __future__ import annotations

PAGE = 100
"""Rows on a page."""


class Written(dict[str, str]):
    """What was written into a form, to be shown again; "" for what was not."""

    def __missing__(self, key: str) -> str:
        return ""

"""The entry points that a test says are installed, in place of those that are."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from importlib.metadata import EntryPoint

    import pytest

    from dinv.plugins import Seam


def provide(monkeypatch: pytest.MonkeyPatch, seam: Seam, points: Iterable[EntryPoint]) -> list[str]:
    """Install `points` for one seam for the length of a test; whatever it has found before is forgotten.

    The list that is returned gets the group of each scan.
    """
    scans: list[str] = []
    installed = list(points)

    def entry_points(*, group: str) -> list[EntryPoint]:
        scans.append(group)
        return [point for point in installed if point.group == group]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    monkeypatch.setattr(seam, "_scanned", None)
    return scans

"""A deadline for commands that hang: their time is up once they do, however long a busy computer takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from pathlib import Path


class UntilThere(Deadline):
    """Ends once a file is there (after half a minute without), and what was said before it is read."""

    def __init__(self, path: Path) -> None:
        super().__init__(30)
        self._path = path
        self._seen = False

    def remaining(self) -> float:
        return 0.01

    @property
    def expired(self) -> bool:
        before, self._seen = self._seen, self._path.exists()
        return before or super().expired

"""A Progress that keeps what it is told."""

from __future__ import annotations

from dinv.progress import Progress


class Heard(Progress):
    """Notes and warnings, each in its order."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

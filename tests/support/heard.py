"""A Progress that keeps what it is told."""

from __future__ import annotations

from dinv.progress import Progress


class Heard(Progress):
    """Facts, notes and warnings, each in its order."""

    def __init__(self) -> None:
        self.facts: list[str] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def line(self, label: str, text: str, state: str = "") -> None:
        self.facts.append(f"{label} {text} {state}".rstrip())

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

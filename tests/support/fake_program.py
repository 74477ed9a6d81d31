"""The command line in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinv.cli import main

if TYPE_CHECKING:
    import pytest


class Program:
    """Runs command lines; what they say is `out` and `err`."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        status = main(words)
        self.out, self.err = self.capsys.readouterr()
        return status

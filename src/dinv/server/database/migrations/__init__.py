"""How the schema has come about: a numbered file a step. `scripts/migration.py` writes the next one."""

from __future__ import annotations

import os


def directory() -> str:
    """Where this package is."""
    return os.path.dirname(__file__)


def revisions() -> list[str]:
    """Return the numbers of all steps, the oldest first, such as "0001". The files are not loaded."""
    files = os.listdir(os.path.join(directory(), "versions"))
    return sorted(file[1:5] for file in files if file.startswith("v") and file.endswith(".py"))

"""What is said of the examples: that all are in the table, and what a project of pytest's asks for."""

from __future__ import annotations

import os
import tomllib

from documents import read
from harness import CHECKOUT


def test_the_project_asks_for_what_there_is() -> None:
    ours = tomllib.loads(read("pyproject.toml"))["project"]
    theirs = tomllib.loads(read("examples/pytest-project/pyproject.toml"))
    assert "dinv[testing]" in theirs["dependency-groups"]["dev"]
    assert "testing" in ours["optional-dependencies"]


def test_every_example_is_in_the_table() -> None:
    table = read("examples/README.md")
    for where, _, names in os.walk(os.path.join(CHECKOUT, "examples")):
        for name in names:
            path = os.path.relpath(os.path.join(where, name), os.path.join(CHECKOUT, "examples"))
            if "__pycache__" in path or path == "README.md" or path.startswith("."):
                continue
            folders = [path[:end] for end, letter in enumerate(path) if letter == os.sep]
            shown = (path, *folders, *(os.path.join(folder, "README.md") for folder in folders))
            assert any(f"({one})" in table for one in shown), path

"""The version is written once, in src/dinv/__init__.py: what states it elsewhere takes it from there.

That `dinv --version` does is in tests/unit/cli/test_cli_main.py.
"""

from __future__ import annotations

import email
import importlib.metadata
import os
import subprocess
import sys
import tomllib
import zipfile
from typing import TYPE_CHECKING

import dinv

if TYPE_CHECKING:
    from pathlib import Path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_the_installed_package_has_it() -> None:
    """Of an editable install: install it again after a change of version, as scripts/test does."""
    assert importlib.metadata.version("dinv") == dinv.__version__


def test_a_wheel_has_it(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    wheel = tmp_path / f"dinv-{dinv.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        metadata = email.message_from_bytes(archive.read(f"dinv-{dinv.__version__}.dist-info/METADATA"))
    assert metadata["Version"] == dinv.__version__


def test_it_is_written_nowhere_else() -> None:
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        project = tomllib.load(file)["project"]
    assert "version" not in project
    assert project["dynamic"] == ["version"]

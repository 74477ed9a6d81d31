"""What a test needs of the computer: it is skipped, with the reason, on one that does not have it."""

from __future__ import annotations

import os
import shutil
import sys

import pytest


def program(name: str) -> str:
    """Where it is. Skips the test that asks when it is not installed."""
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def programs(*names: str) -> pytest.MarkDecorator:
    """The mark of a test that needs all of these."""
    missing = [name for name in names if not shutil.which(name)]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed")


def root(why: str) -> pytest.MarkDecorator:
    """The mark of a test that root alone can run."""
    return pytest.mark.skipif(os.geteuid() != 0, reason=f"needs root: {why}")


def linux(why: str) -> pytest.MarkDecorator:
    """The mark of a test that other systems cannot run."""
    return pytest.mark.skipif(sys.platform != "linux", reason=f"needs Linux: {why}")

"""The command line with the fake driver: no endpoint, and no keys that take time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from fake_driver import install, without_keys

from dinv.machine import Machine

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """What `dinv create` works in; nothing listens where its machines are said to be."""
    without_keys(monkeypatch)
    monkeypatch.setattr(Machine, "look", lambda _machine: "")
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dinv"])
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("MACHINE_DRIVER", "fake")
    return install(monkeypatch, str(tmp_path / "endpoint"))

"""A store whose machines are files (`fake_driver`), for files that declare some."""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest
from fake_driver import install, without_keys

from dinv.lifecycle.change import plan
from dinv.machines import Machines

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("MACHINE_DRIVER", "fake")
    monkeypatch.setattr(plan, "_stops", lambda _machine, means, _options: "recreation" in means)
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    world.settings = defaultdict(dict)
    without_keys(monkeypatch)
    return world


@pytest.fixture
def machines(world: World) -> Machines:
    return Machines()

"""A store with a pool, and its endpoint: a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_driver import install
from pool_world import look
from shared_machine import FrontProvisioner

from dinv import open as open_store
from dinv import provisioners
from dinv.lifecycle.claim import Claim
from dinv.lifecycle.renew import renewal

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.machines import Machines
    from dinv.store.store import Store


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", "shared_machine:FrontProvisioner")
    monkeypatch.setattr(FrontProvisioner, "daemon", None)
    monkeypatch.setattr(FrontProvisioner, "front", True)
    monkeypatch.setattr(Claim, "_look", look)
    # There is no daemon that could show its certificate.
    monkeypatch.setattr(renewal, "wait_until_served", lambda *_, **__: None)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return world


@pytest.fixture
def machines(world: World, store: Store) -> Machines:
    return open_store(store.path)

"""A machine that can be shared, its store, and its endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_driver import install
from shared_machine import FrontProvisioner, shared_machine

from dinv import open as open_store
from dinv import provisioners

if TYPE_CHECKING:
    from pathlib import Path

    from fake_driver import World

    from dinv.lifecycle.host import Host
    from dinv.machine import Machine
    from dinv.store.store import Store


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = install(monkeypatch, str(tmp_path / "endpoint"))
    monkeypatch.setitem(provisioners._BUILT_IN, "docker", "shared_machine:FrontProvisioner")
    monkeypatch.setattr(FrontProvisioner, "daemon", None)
    monkeypatch.setattr(FrontProvisioner, "front", True)
    monkeypatch.setenv("LOGNAME", "bob")
    return world


@pytest.fixture
def host(world: World, store: Store) -> Host:
    return shared_machine(world, store)


@pytest.fixture
def machine(host: Host, store: Store) -> Machine:
    """The same, as users of the library have it."""
    return open_store(store.path).get("dev")

"""Fixtures of the tests of swarms: machines of a store whose daemons are in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fake_swarm import FakeClient
from machines_of_swarm import SwarmOfMachines

from dinv.provisioners import peers
from dinv.provisioners.swarm import joining, leaving, live_restore, managers, recovery, working
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def use_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[SwarmOfMachines], SwarmOfMachines]:
    def use(swarm: SwarmOfMachines) -> SwarmOfMachines:
        for module in (joining, leaving, live_restore, managers, recovery, working):
            monkeypatch.setattr(module, "time", swarm.world.clock())
        monkeypatch.setattr(peers, "open_daemon", lambda config, **_: FakeClient(swarm.world, config.name))
        return swarm

    return use


@pytest.fixture
def swarm(tmp_path: Path, use_clock: Callable[[SwarmOfMachines], SwarmOfMachines]) -> SwarmOfMachines:
    return use_clock(SwarmOfMachines(Store(str(tmp_path / "store"))))

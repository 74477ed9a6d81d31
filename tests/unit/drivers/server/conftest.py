"""A server with a fleet in memory, and somebody's store that is logged in to it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from web_site import Working

import dinv
from dinv.drivers.server import machines, signing_in
from dinv.server.database.database import Database
from dinv.server.people import device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dinv.machines import Machines


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(signing_in, "SHORTEST_INTERVAL", 0.05)
    monkeypatch.setattr(device, "INTERVAL", 0)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Working]:
    database = Database(f"sqlite:///{tmp_path}/dinv.db")
    database.upgrade()
    with contextlib.closing(database), Working(database) as made:
        made.world.template(ttl=3600, longest_ttl=86400, is_default=True)
        made.world.template("large", title="Large")
        made.world.endpoint(max_machines=3)
        made.world.person("jane")
        made.world.person("olga", role="operator")
        yield made


@pytest.fixture
def store(tmp_path: Path, site: Working) -> Machines:
    """Jane's, who is logged in."""
    found = dinv.open(str(tmp_path / "store"))
    found.server.log_in(site.url, token=site.world.token("jane"))
    return found

"""Fixtures of the tests of datacenters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import machines_of_swarm
import pytest
from machines_of_datacenter import Client, Datacenter
from machines_of_swarm import Place

from dinv.provisioners import peers
from dinv.provisioners.datacenter import DatacenterProvisioner, dtr, installer, ucp
from dinv.provisioners.swarm import joining, leaving, live_restore, managers, recovery, working
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def datacenter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Datacenter:
    made = Datacenter(Store(str(tmp_path / "store")))
    for module in (joining, leaving, live_restore, managers, recovery, working, ucp, dtr):
        monkeypatch.setattr(module, "time", made.world.clock())
    monkeypatch.setattr(peers, "open_daemon", lambda config, **_: Client(made, config.name))
    monkeypatch.setattr(machines_of_swarm, "SwarmProvisioner", DatacenterProvisioner)
    monkeypatch.setattr(Place, "memory_limit", 0, raising=False)
    monkeypatch.setattr(Place, "addresses", lambda place: [place.own_ip, "127.0.0.1"], raising=False)
    monkeypatch.setattr(Place, "reached_at", lambda place, _config, port: (place.own_ip, port), raising=False)
    monkeypatch.setattr(installer, "run", made.run)
    monkeypatch.setattr(ucp, "at", lambda *_: made.ucp)
    monkeypatch.setattr(dtr, "_ping", lambda *_: made.ucp.ping())
    return made


@pytest.fixture
def archive(tmp_path: Path) -> str:
    path = tmp_path / "ucp_images.tar"
    path.write_bytes(b"tar of images")
    return str(path)

"""The other machines of a store that belong with one."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from dinv.provisioners import peers
from dinv.provisioners.kubernetes import servers
from dinv.store.record import MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


def put(store: Store, name: str, **membership: str) -> MachineConfig:
    config = MachineConfig.new(
        name=name,
        store_path=store.path,
        driver_name="docker",
        identity=f"id-{name}",
        created="2026-11-30T00:00:00Z",
    )
    os.makedirs(config.directory, exist_ok=True)
    config.membership = dict(membership)
    store.save(config)
    return config


def test_others_are_asked_one_by_one_and_the_unreadable_are_passed_over(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    own = put(store, "a", Role="server")
    for name in ("b", "c", "d"):
        put(store, name, Role="agent")
    with open(os.path.join(str(tmp_path), "machines", "c", "config.json"), "w", encoding="utf-8") as file:
        file.write("{")
    asked = []

    def belongs(other: MachineConfig) -> bool:
        asked.append(other.name)
        return other.name == "d"

    found = peers.others(store, own, belongs)
    assert asked == ["b", "d"]
    assert [each.name for each in found] == ["d"]


def test_machines_that_are_in_no_cluster_have_no_others(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    alone = put(store, "a")
    put(store, "b")
    assert servers.members(store, alone) == []
    first = put(store, "c", ClusterID="x", Role="agent")
    put(store, "d", ClusterID="x", Role="agent")
    put(store, "e", ClusterID="x", Role="server")
    assert [each.name for each in servers.members(store, first)] == ["e", "d"]

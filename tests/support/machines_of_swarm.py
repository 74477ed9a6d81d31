"""Machines that are nodes of swarms in memory (`fake_swarm`), with real records in a real store."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_swarm import FakeClient, World
from heard import Heard

from dinv.errors import ConfigError, MachineExists, MachineNotFound
from dinv.images.dinv import DinvContract
from dinv.labels import LABEL_ID
from dinv.provisioners import peers
from dinv.provisioners.swarm import (
    SwarmProvisioner,
    joining,
    leaving,
    live_restore,
    locking,
    managers,
    recovery,
    working,
)
from dinv.store.record import CREATING, READY, MachineConfig
from dinv.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dinv.channel import Channel
    from dinv.drivers import Driver
    from dinv.provisioners.swarm.membership import SwarmMembership


class Place:
    """A driver, as far as a swarm asks one."""

    def __init__(self, swarm: SwarmOfMachines, config: MachineConfig) -> None:
        self.store = swarm.store
        self.config = config
        self.own_ip = str(config.driver.get("OwnAddress") or "")
        self.tried: tuple[int, bytes] | None = (0, b"vxlan=yes\nip_vs=yes\nxt_ipvs=yes\nesp4=yes\n")
        self._swarm = swarm

    def apart(self, other: MachineConfig) -> str:
        return self._swarm.apart.get(other.name, "")

    def surroundings(self) -> list[str]:
        return self._swarm.surroundings

    def try_out(self, command: list[str], *, timeout: float) -> tuple[int, bytes] | None:
        assert command[:2] == ["sh", "-c"]
        assert timeout
        return self._swarm.tried

    def channel(self) -> Channel:
        return self._swarm.channel


class SwarmOfMachines:
    """Does with machines what the lifecycle does, as far as swarms are concerned."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.world = World()
        save = store.save

        def saved(config: MachineConfig) -> None:
            self.world.change(lambda: save(config))

        store.save = saved  # type: ignore[method-assign]
        self.told = Heard()
        self.apart: dict[str, str] = {}
        self.surroundings: list[str] = ["10.213.236.0/22"]
        self.tried: tuple[int, bytes] | None = (0, b"")
        self.channel = cast("Channel", None)
        self._number = 0

    def recorded(self, name: str) -> MachineConfig | None:
        """The record of a machine; None if a create was killed before there was one."""
        try:
            return self.store.load(name)
        except (ConfigError, MachineNotFound):
            return None

    def membership(self, name: str) -> SwarmMembership:
        return self._of(self.store.load(name))

    def _of(self, config: MachineConfig) -> SwarmMembership:
        provisioner = SwarmProvisioner(config, cast("Driver", Place(self, config)), DinvContract())
        return provisioner.membership()

    def create(self, name: str, **options: Any) -> None:
        """As `dinv.lifecycle.create`: what an earlier one left is swept; the machine is made, and joins."""
        if name in self.store.names():
            left = self.recorded(name)
            if left is not None and not left.unfinished:
                raise MachineExists(name)
            if left is not None:
                self._of(left).leave(self.told, force=False)
                self.world.remove(name)
            self.store.remove(name)
        self._number += 1
        identity = f"{name}-{self._number}"
        config = MachineConfig.new(
            name=name,
            store_path=self.store.path,
            driver_name="docker",
            identity=identity,
            created=f"2026-01-01T00:{self._number:02}:00Z",
        )
        address = f"10.213.236.{self._number}"
        config.driver.update(OwnAddress=address, URL=f"tcp://{address}:2376", IPAddress=address)
        SwarmProvisioner.record(config, options)
        membership = self._of(config)
        membership.check(self.told)
        assert config.phase == CREATING
        with self.store.claim(name, "creating it"):
            self.store.save(config)
            membership.examine(self.told)
            self.world.change(lambda: self.world.daemon(name, address, {LABEL_ID: identity}))
            membership.join(self.told, timeout=60)
            config.phase = READY
            self.store.save(config)

    def remove(self, name: str, *, force: bool = False) -> list[str]:
        """As `dinv.lifecycle.remove`."""
        config = self.recorded(name)
        if config is None:
            if name in self.store.names():
                self.store.remove(name)
            return []
        membership = self._of(config)
        if not force:
            membership.check_leave()
        left = membership.leave(self.told, force=force)
        self.world.change(lambda: self.world.remove(name))
        self.world.change(lambda: self.store.remove(name))
        return left

    def provision(self, name: str, *, force_new_cluster: bool = False) -> None:
        membership = self.membership(name)
        if not self.world.daemons[name].up:
            self.world.daemons[name].start()
            if not membership.config.unfinished:
                membership.resume(self.told, timeout=60)
        if force_new_cluster:
            membership.recover(self.told, timeout=60)
        membership.join(self.told, timeout=60)
        membership.config.phase = READY
        self.store.save(membership.config)

    def stop(self, name: str) -> None:
        self.membership(name).rest(self.told)
        self.world.daemons[name].stop()

    def start(self, name: str) -> None:
        self.world.daemons[name].start()
        self.membership(name).resume(self.told, timeout=60)

    def node(self, name: str) -> dict[str, Any]:
        """The node of this host name, as a manager has it."""
        for cluster in reversed(self.world.clusters):
            for node in cluster.nodes.values():
                if node["Description"]["Hostname"] == name:
                    return node
        raise AssertionError(f"no node is called {name}")

    def of_three(self, *, managers: int = 1, **first: Any) -> None:
        """Machines m1, m2 and m3, the first so many of them managers."""
        self.create("m1", **first)
        for name, number in (("m2", 2), ("m3", 3)):
            self.create(name, join="m1", role="manager" if number <= managers else "worker")


@contextlib.contextmanager
def in_memory(path: str) -> Iterator[SwarmOfMachines]:
    """Machines of a store at `path`, whose daemons, and whose time, are in memory."""
    swarm = SwarmOfMachines(Store(path))
    with pytest.MonkeyPatch.context() as patched:
        for module in (joining, leaving, live_restore, locking, managers, recovery, working):
            patched.setattr(module, "time", swarm.world.clock())
        patched.setattr(peers, "open_daemon", lambda config, **_: FakeClient(swarm.world, config.name))
        yield swarm

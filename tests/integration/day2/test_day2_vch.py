"""Upgrade and new certificates on a VCH, as the simulator has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dinv.endpoint import Endpoint
from dinv.testing.vch import VchSimulator, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harness import Dinv

    from dinv.machines import Machines


@pytest.fixture
def vch(endpoint_address: str) -> Iterator[VchSimulator]:
    vch = VchSimulator(engine=Endpoint(endpoint_address).url, tls="none")
    yield vch
    vch.close()
    assert not remove_leftovers(endpoint_address, identity=vch.identity)


def test_volumes_go_from_the_old_one_to_the_new(vch: VchSimulator, machines: Machines, dinv: Dinv) -> None:
    """A volume is attached to one running container at a time, and stays attached to a stopped one."""
    dinv("create", "dev", "--endpoint", vch.address, check=True)
    with machines.get("dev") as machine:
        cache = machine.config.driver["CacheVolume"]
    assert "was upgraded" in dinv("upgrade", "--force", "dev", check=True).stdout
    dinv("regenerate-certs", "-f", "--client-certs", "dev", check=True)
    with machines.get("dev") as machine, machine.engine() as engine:
        assert engine.containers.list(all=True) == []
        assert machine.config.driver["CacheVolume"] == cache
    dinv("rm", "-y", "dev", check=True)

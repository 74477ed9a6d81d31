"""Upgrade and new certificates on a VCH, as the simulator has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aged
import pytest
from flavours import check_calls

from dinv.endpoints.resolve import Endpoint
from dinv.lifecycle.host import Host
from dinv.store.store import Store
from dinv.testing.vch import VchSimulator, remove_leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness import Dinv

    from dinv.machines import Machines


@pytest.fixture
def vch(endpoint_address: str) -> Iterator[VchSimulator]:
    vch = VchSimulator(engine=Endpoint(endpoint_address).url, tls="none")
    yield vch
    vch.close()
    assert not remove_leftovers(endpoint_address, identity=vch.identity)


def test_a_life_on_a_vch(vch: VchSimulator, machines: Machines, dinv: Dinv, tmp_path: Path) -> None:
    """Nothing is asked of it that a VCH refuses, or passes over in silence.

    A volume is attached to one running container at a time, and stays attached to a stopped one.
    """
    (tmp_path / "file").write_bytes(b"content")
    dinv("create", "dev", "--endpoint", vch.address, check=True)
    assert not vch.calls.refused
    with machines.get("dev") as machine:
        cache = machine.config.driver["CacheVolume"]
    for verb in (
        "ls",
        "status dev",
        "df dev",
        "logs dev",
        "inspect dev",
        "env dev",
        "ip dev",
        "ssh dev true",
    ):
        dinv(*verb.split(), check=True)
    aged.age(Host(machine.config, Store(machines.path)), "server", days=(-600, 100))
    for then in ("stop", "start"):
        # Of one that runs and of one that does not: files go another way then.
        dinv("scp", str(tmp_path / "file"), "dev:/root/file", check=True)
        dinv("scp", "dev:/root/file", str(tmp_path / "back"), check=True)
        assert (tmp_path / "back").read_bytes() == b"content"
        dinv(then, "dev", check=True)
    with machines.get("dev") as machine:
        aged.check_served(Host(machine.config, Store(machines.path)))
    dinv("restart", "dev", check=True)
    assert "was upgraded" in dinv("upgrade", "--force", "dev", check=True).stdout
    dinv("regenerate-certs", "-f", "--client-certs", "dev", check=True)
    with machines.get("dev") as machine, machine.engine() as engine:
        assert engine.containers.list(all=True) == []
        assert machine.config.driver["CacheVolume"] == cache
    dinv("rm", "-y", "dev", check=True)
    check_calls(vch)
    # A volume that exists is an error there; which of the machine's exist, an upgrade finds out so.
    assert [call.path for call in vch.calls.refused] == ["/volumes/create"]

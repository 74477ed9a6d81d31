"""dinv killed anywhere while a machine becomes one of a datacenter: what comes next leads to a clean one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_swarm import Killed

from dinv.errors import DinvError
from dinv.provisioners.datacenter import dtr, ucp

if TYPE_CHECKING:
    from machines_of_datacenter import Datacenter

CHANGES = 10
"""More than a create makes, so that some are not killed at all."""
OPTIONS = {"ucp_image": "mirantis/ucp:3.8.10", "dtr_image": "mirantis/dtr:2.9.29"}


def killed(datacenter: Datacenter, at: int, name: str, *, after: bool, **options: Any) -> bool:
    """Create a machine, and be killed at a change; return whether it was."""
    world = datacenter.world
    world.changes, world.kill_at, world.kill_after = 0, at, after
    try:
        datacenter.create(name, **options)
    except Killed:
        return True
    finally:
        world.kill_at = None
    return False


def finish(datacenter: Datacenter, how: str, name: str, **options: Any) -> None:
    """What a user does after the kill."""
    there = name in datacenter.store.names()
    try:
        unfinished = there and datacenter.store.load(name).unfinished
    except DinvError:  # killed before there was a record
        there, unfinished = True, True
        how = "again"
    if how == "provision" and name in datacenter.world.daemons and there:
        datacenter.provision(name)
    elif how != "rm" and (unfinished or not there):
        datacenter.create(name, **options)
    elif how == "rm":
        datacenter.remove(name)


def check(datacenter: Datacenter) -> None:
    """Every machine is a node with UCP and the replica that its record has, and nothing else is anywhere."""
    names = datacenter.store.names()
    daemons = datacenter.world.daemons
    assert names == sorted(daemons)
    clusters = {id(each.cluster): each.cluster for each in daemons.values() if each.cluster is not None}
    nodes = [node for cluster in clusters.values() for node in cluster.nodes.values()]
    assert sorted(str(node["Description"]["Hostname"]) for node in nodes) == names
    for name in names:
        replica = datacenter.store.load(name).membership[dtr.REPLICA]
        assert sorted(datacenter.containers[name]) == [f"dtr-nginx-{replica}", ucp.PROXY]


@pytest.mark.parametrize("how", ["again", "provision", "rm"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(CHANGES))
def test_the_first_machine(datacenter: Datacenter, at: int, after: bool, how: str) -> None:  # noqa: FBT001
    if killed(datacenter, at, "u1", after=after, **OPTIONS):
        finish(datacenter, how, "u1", **OPTIONS)
    check(datacenter)


@pytest.mark.parametrize("how", ["again", "provision", "rm"])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(CHANGES))
def test_one_that_joins(datacenter: Datacenter, at: int, after: bool, how: str) -> None:  # noqa: FBT001
    datacenter.create("u1", **OPTIONS)
    joining = {"join": "u1", "role": "manager" if at % 2 else "worker", "dtr_image": OPTIONS["dtr_image"]}
    if killed(datacenter, at, "u2", after=after, **joining):
        finish(datacenter, how, "u2", **joining)
    check(datacenter)

"""dinv killed anywhere while machines join a swarm and leave it: what comes next leads to a clean one."""

from __future__ import annotations

import tempfile
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fake_swarm import Killed
from hypothesis import example, given, settings
from hypothesis import strategies as st
from machines_of_swarm import in_memory

from dinv.errors import DinvError, MachineExists

if TYPE_CHECKING:
    from machines_of_swarm import SwarmOfMachines

CHANGES = 9
"""More than a create or a removal makes, so that some are not killed at all."""

Step = tuple[str, str, int, bool, str]
steps = st.lists(
    st.tuples(
        st.sampled_from(["create", "remove"]),
        st.sampled_from(["worker", "manager"]),
        st.integers(0, CHANGES),
        st.booleans(),
        st.sampled_from(["rm", "again", "provision", "gone"]),
    ),
    min_size=1,
    max_size=4,
)


def killed(swarm: SwarmOfMachines, action: str, role: str, at: int, *, after: bool, name: str = "m4") -> bool:
    """Create or remove a machine, and be killed at a change; return whether it was."""
    swarm.world.changes, swarm.world.kill_at, swarm.world.kill_after = 0, at, after
    try:
        do(swarm, action, role, name)
    except Killed:
        return True
    finally:
        swarm.world.kill_at = None
    return False


def do(swarm: SwarmOfMachines, action: str, role: str, name: str = "m4") -> None:
    if action == "remove":
        swarm.remove(name)
        return
    try:
        swarm.create(name, join="m1", role=role)
    except MachineExists:
        assert not swarm.store.load(name).unfinished


def finish(swarm: SwarmOfMachines, action: str, role: str, how: str) -> None:
    """What a user does after the kill."""
    if how == "again":
        do(swarm, action, role)
        return
    if how == "provision" and swarm.recorded("m4") and "m4" in swarm.world.daemons:
        swarm.provision("m4")
        return
    if how == "gone":
        swarm.world.remove("m4")
    swarm.remove("m4")


def check(swarm: SwarmOfMachines) -> None:
    """Every node is a machine that is there, and every machine a node, once."""
    ready = [name for name in swarm.store.names() if not swarm.store.load(name).unfinished]
    nodes = Counter(swarm.world.hostnames())
    assert nodes == Counter(ready)
    (cluster,) = swarm.world.clusters
    for name in ready:
        assert swarm.store.load(name).membership["Node"] == swarm.world.daemons[name].node
        assert swarm.node(name)["Spec"]["Availability"] == "active"
        assert "Drained" not in swarm.store.load(name).membership
    swarm.world.sleep(1)
    managers = {node["ID"] for node in cluster.nodes.values() if node["Spec"]["Role"] == "manager"}
    assert cluster.raft == managers


@settings(max_examples=120, deadline=None)
@given(steps, st.integers(1, 3))
@example([("create", "manager", 9, False, "rm"), ("remove", "worker", 1, True, "provision")], 1)
@example(
    [
        ("create", "worker", 0, False, "rm"),
        ("create", "manager", 0, False, "again"),
        ("remove", "worker", 2, False, "provision"),
    ],
    1,
)
def test_no_dead_node_stays(plan: list[Step], managers: int) -> None:
    with tempfile.TemporaryDirectory() as directory, in_memory(directory) as swarm:
        swarm.of_three(managers=managers)
        # Of two managers none may be lost: what is left then is not a dead node, but a dead swarm.
        workers = managers == 1 and any(how == "gone" for *_, how in plan)
        for action, wanted, at, after, how in plan:
            role = "worker" if workers else wanted
            if killed(swarm, action, role, at, after=after):
                finish(swarm, action, role, how)
            check(swarm)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(CHANGES))
@pytest.mark.parametrize("how", ["again", "provision", "rm"])
def test_the_first_machine_killed_anywhere(swarm: SwarmOfMachines, at: int, how: str, *, after: bool) -> None:
    world = swarm.world
    world.changes, world.kill_at, world.kill_after = 0, at, after
    try:
        swarm.create("m1", autolock=True)
    except Killed:
        world.kill_at = None
        left = swarm.recorded("m1")
        if how == "provision" and "m1" in swarm.world.daemons and left is not None:
            swarm.provision("m1")
        elif how != "rm" and (left is None or left.unfinished):
            swarm.create("m1", autolock=True)
        else:
            swarm.remove("m1")
            assert swarm.world.daemons == {}
            return
    world.kill_at = None
    assert swarm.world.daemons["m1"].node == swarm.store.load("m1").membership["Node"]
    assert swarm.membership("m1").unlocking_key(swarm.told, rotate=False)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, CHANGES), st.booleans(), st.sampled_from(["m2", "m3"]))
def test_a_stop_that_is_killed(at: int, after: bool, name: str) -> None:  # noqa: FBT001
    with tempfile.TemporaryDirectory() as directory, in_memory(directory) as swarm:
        swarm.of_three(managers=2)
        swarm.world.changes, swarm.world.kill_at, swarm.world.kill_after = 0, at, after
        try:
            swarm.stop(name)
        except Killed:
            swarm.world.daemons[name].stop()
        swarm.world.kill_at = None
        swarm.start(name)
        assert swarm.node(name)["Spec"]["Availability"] == "active"
        assert "Drained" not in swarm.store.load(name).membership


@pytest.mark.parametrize("before", ["active", "pause"])
@pytest.mark.parametrize("how", ["provision", "start"])
def test_a_removal_that_is_killed_once_it_has_drained(swarm: SwarmOfMachines, before: str, how: str) -> None:
    swarm.of_three(managers=2)
    swarm.node("m3")["Spec"]["Availability"] = before
    for at in range(CHANGES):
        if not killed(swarm, "remove", "worker", at, after=True, name="m3"):
            break
        if swarm.node("m3")["Spec"]["Availability"] == "drain":
            break
    assert swarm.node("m3")["Spec"]["Availability"] == "drain"
    if how == "start":
        swarm.world.daemons["m3"].stop()
        swarm.start("m3")
    else:
        swarm.provision("m3")
    assert swarm.node("m3")["Spec"]["Availability"] == before
    assert "Drained" not in swarm.store.load("m3").membership


def test_a_sweep_that_finds_no_manager_keeps_the_record(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    # After the record, the machine and the membership's entry: at the join itself, once it is done
    swarm.world.changes, swarm.world.kill_at, swarm.world.kill_after = 0, 3, True
    with pytest.raises(Killed):
        swarm.create("m2", join="m1")
    swarm.world.kill_at = None
    assert swarm.world.hostnames() == ["m1", "m2"]
    swarm.world.daemons["m1"].stop()
    with pytest.raises(DinvError):
        swarm.create("m2", join="m1")
    assert "m2" in swarm.store.names()
    swarm.start("m1")
    swarm.remove("m2")
    assert swarm.world.hostnames() == ["m1"]

"""Machines that begin a swarm, join one, rest, come back and leave: what managers know afterwards."""

from __future__ import annotations

import os
import stat
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from fake_swarm import FakeClient

from dinv.errors import (
    CannotJoin,
    ClusterError,
    ClusterUnreachable,
    DeadlineExceeded,
    MachineNotFound,
    QuorumAtRisk,
    RequirementMissing,
    SwarmLocked,
)
from dinv.provisioners.swarm import keys, standings

if TYPE_CHECKING:
    from machines_of_swarm import SwarmOfMachines


def body(swarm: SwarmOfMachines, path: str) -> dict[str, Any]:
    found: dict[str, Any] = next(body for called, body in reversed(swarm.world.bodies) if called == path)
    return found


# Beginning and joining


def test_the_first_machine_is_a_manager(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    assert body(swarm, "/swarm/init") == {
        "ListenAddr": "0.0.0.0:2377",
        "AdvertiseAddr": "10.213.236.1:2377",
        "DataPathPort": 0,
        "Availability": "active",
        "AutoLockManagers": False,
        "Spec": {"Name": "default", "EncryptionConfig": {"AutoLockManagers": False}},
        "DefaultAddrPool": ["10.0.0.0/12"],
        "SubnetSize": 24,
    }
    kept = swarm.store.load("m1").membership
    assert kept == {
        "Cluster": "m1",
        "Role": "manager",
        "Address": "10.213.236.1:2377",
        "ID": "swarm1",
        "Node": swarm.node("m1")["ID"],
    }


def test_options_of_the_swarm(swarm: SwarmOfMachines) -> None:
    swarm.create(
        "m1",
        data_path_port=7789,
        default_addr_pool=("10.20.0.0/16", "10.30.0.0/16"),
        default_addr_pool_mask_length=26,
        availability="drain",
        advertise_addr="192.0.2.7",
    )
    said = body(swarm, "/swarm/init")
    assert (said["DataPathPort"], said["DefaultAddrPool"], said["SubnetSize"]) == (
        7789,
        ["10.20.0.0/16", "10.30.0.0/16"],
        26,
    )
    assert (said["Availability"], said["AdvertiseAddr"]) == ("drain", "192.0.2.7:2377")


def test_overlay_networks_keep_clear_of_what_is_around(swarm: SwarmOfMachines) -> None:
    swarm.surroundings = ["10.0.0.0/16", "10.17.3.0/24", "172.17.0.0/20"]
    swarm.create("m1")
    assert body(swarm, "/swarm/init")["DefaultAddrPool"] == ["10.32.0.0/12"]


def test_a_daemon_that_is_too_old_for_an_option(swarm: SwarmOfMachines) -> None:
    real = swarm.world.daemon

    def old(*arguments: Any) -> Any:
        made = real(*arguments)
        made.api = (1, 38)
        return made

    swarm.world.daemon = old  # type: ignore[assignment]
    with pytest.raises(ClusterError, match=r"data_path_port.* takes 1.40"):
        swarm.create("m1", data_path_port=7789)
    assert swarm.world.clusters == []


@pytest.mark.parametrize("role", ["worker", "manager"])
def test_joining(swarm: SwarmOfMachines, role: str) -> None:
    swarm.create("m1")
    swarm.create("m2", join="m1", role=role)
    node = swarm.node("m2")
    assert node["Spec"]["Role"] == role
    kept = swarm.store.load("m2").membership
    assert kept == {
        "Cluster": "m1",
        "Role": role,
        "ID": "swarm1",
        "Peer": "m1",
        "Address": "10.213.236.2:2377",
        "Node": node["ID"],
    }
    assert not any("SWMTKN" in call for call in swarm.world.calls)
    assert "SWMTKN" not in str(swarm.store.load("m2").document())


def test_a_worker_is_what_joins_unless_it_is_said(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    swarm.create("m2", join="m1")
    assert swarm.node("m2")["Spec"]["Role"] == "worker"


def test_two_managers_are_no_gain(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    assert [note for note in swarm.told.notes if "neither may be lost" in note] == swarm.told.notes


def test_provision_changes_nothing_of_a_node_that_works(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    before = {name: swarm.node(name)["ID"] for name in ("m1", "m2", "m3")}
    swarm.world.calls.clear()
    for name in before:
        swarm.provision(name)
    assert {name: swarm.node(name)["ID"] for name in before} == before
    assert [call for call in swarm.world.calls if " GET " not in call] == []


def test_a_node_that_the_swarm_has_removed_joins_anew(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    old = swarm.node("m2")["ID"]
    del swarm.world.clusters[0].nodes[old]
    swarm.provision("m2")
    assert swarm.node("m2")["ID"] == swarm.store.load("m2").membership["Node"] != old


def test_a_first_machine_whose_daemon_forgot_joins_the_others(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    daemon = swarm.world.daemons["m1"]
    daemon.node, daemon.cluster, daemon.state = "", None, "inactive"
    swarm.provision("m1")
    assert swarm.world.hostnames() == ["m1", "m2", "m3"]
    assert len(swarm.world.clusters) == 1
    assert swarm.node("m1")["Spec"]["Role"] == "manager"


# What cannot be joined


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("down", "does not answer at"),
        ("in none", "it is in no swarm"),
        ("locked", "it is locked"),
        ("worker", "it is a worker.* Name a manager: m1"),
        ("without quorum", "no quorum of managers"),
    ],
)
def test_what_is_no_manager_is_not_joined(swarm: SwarmOfMachines, state: str, why: str) -> None:
    swarm.of_three(managers=2)
    peer = "m3" if state == "worker" else "m1"
    daemon = swarm.world.daemons[peer]
    if state == "down":
        daemon.stop()
    elif state == "in none":
        daemon.node, daemon.cluster, daemon.state = "", None, "inactive"
    elif state == "locked":
        daemon.state = "locked"
    elif state == "without quorum":
        swarm.world.daemons["m2"].stop()
    with pytest.raises(CannotJoin, match=why):
        swarm.create("m4", join=peer)
    assert "m4" not in swarm.store.names()
    assert "m4" not in swarm.world.daemons


def test_a_leader_that_has_just_lost_the_others(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    swarm.world.daemons["m2"].stop()
    swarm.world.lagging = True
    with pytest.raises(CannotJoin, match=r"no quorum of managers.*dinv provision --force-new-cluster m1"):
        swarm.create("m4", join="m1")
    assert "m4" not in swarm.world.daemons


def test_a_leader_that_still_counts_those_that_were_killed(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    swarm.world.daemons["m2"].stop()
    swarm.world.stale_until = swarm.world.now + 18
    with pytest.raises(CannotJoin, match=r"no quorum of managers.*dinv provision --force-new-cluster m1"):
        swarm.create("m4", join="m1")
    assert "m4" not in swarm.world.daemons
    swarm.world.stale_until = swarm.world.now + 18
    with pytest.raises(QuorumAtRisk, match="m1: its swarm has no quorum of managers"):
        swarm.remove("m3")


def test_managers_that_answer_each_other_and_not_dinv_are_a_quorum(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    before = swarm.world.now
    swarm.create("m4", join="m1")
    assert swarm.world.now - before < 5
    swarm.world.unanswering = {"m2", "m3"}
    swarm.create("m5", join="m1")
    assert swarm.node("m5")


def test_a_quorum_that_is_lost_while_a_machine_is_made(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    real = swarm.world.daemon

    def daemon(*arguments: Any) -> Any:
        swarm.world.daemons["m2"].stop()
        return real(*arguments)

    swarm.world.daemon = daemon  # type: ignore[assignment]
    with pytest.raises(ClusterUnreachable, match="no quorum of managers"):
        swarm.create("m4", join="m1")


def test_a_worker_whose_swarm_is_gone(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    swarm.remove("m1", force=True)
    swarm.create("m1")
    with pytest.raises(ClusterError, match="a swarm that m1 began, and this store has no manager of that"):
        swarm.provision("m2")
    (line,) = swarm.remove("m2")
    assert "docker node rm node2" in line


def test_joining_what_does_not_exist(swarm: SwarmOfMachines) -> None:
    with pytest.raises(MachineNotFound):
        swarm.create("m2", join="m1")


def test_joining_itself(swarm: SwarmOfMachines) -> None:
    with pytest.raises(CannotJoin, match="same machine"):
        swarm.create("m1", join="m1")


def test_joining_a_create_that_was_killed(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    config = swarm.store.load("m1")
    config.phase = "creating"
    swarm.store.save(config)
    with pytest.raises(CannotJoin, match="dinv provision m1"):
        swarm.create("m2", join="m1")


def test_joining_a_cluster_of_another_kind(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    config = swarm.store.load("m1")
    config.provisioner = "docker"
    swarm.store.save(config)
    with pytest.raises(CannotJoin, match="another kind"):
        swarm.create("m2", join="m1")


def test_a_name_that_the_swarm_has(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    swarm.create("m2", join="m1")
    swarm.world.remove("m2")
    swarm.store.remove("m2")
    with pytest.raises(CannotJoin, match=r"a node called m2 already.*Give the machine another name"):
        swarm.create("m2", join="m1")
    swarm.world.sleep(20)
    with pytest.raises(CannotJoin, match=r"which is down.*docker --context m1 node rm node2"):
        swarm.create("m2", join="m1")


def test_machines_that_cannot_reach_each_other(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    swarm.apart["m1"] = "they are on two endpoints, and m1 is reached there at a published port only"
    with pytest.raises(CannotJoin, match=r"published port only. .* \(NAT\)"):
        swarm.create("m2", join="m1")


def test_two_nodes_do_not_advertise_one_address(swarm: SwarmOfMachines) -> None:
    swarm.create("m1", advertise_addr="192.0.2.7")
    with pytest.raises(CannotJoin, match=r"its node m1 has the address 192.0.2.7"):
        swarm.create("m2", join="m1", advertise_addr="192.0.2.7")


def test_a_worker_that_does_not_reach_its_manager(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    swarm.world.cut_off.add("m2")
    with pytest.raises(
        CannotJoin, match=r"does not reach its manager at 10.213.236.1:2377 in time.*4789/udp"
    ):
        swarm.create("m2", join="m1")
    swarm.remove("m2")
    assert swarm.world.hostnames() == ["m1"]


def test_a_cache_volume_of_an_earlier_node(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    config = swarm.store.load("m1")
    config.membership = {}
    swarm.store.save(config)
    with pytest.raises(ClusterError, match=r"in a swarm already.*--force-new-cluster"):
        swarm.provision("m1")


def test_pools_of_a_swarm_that_collide_are_said(swarm: SwarmOfMachines) -> None:
    swarm.create("m1", default_addr_pool=("10.213.0.0/16",))
    swarm.create("m2", join="m1")
    assert [warning for warning in swarm.told.warnings if "10.213.236.0/22" in warning] == swarm.told.warnings
    assert len(swarm.told.warnings) == 1


# The kernel


def test_a_kernel_without_vxlan(swarm: SwarmOfMachines) -> None:
    swarm.tried = (0, b"vxlan=no\n")
    with pytest.raises(RequirementMissing, match="VXLAN"):
        swarm.create("m1")
    assert swarm.world.daemons == {}


def test_a_kernel_without_ipvs(swarm: SwarmOfMachines) -> None:
    swarm.tried = (0, b"vxlan=yes\nip_vs=no\nxt_ipvs=no\nesp4=no\n")
    swarm.create("m1")
    first, second = swarm.told.warnings
    assert "ip_vs and xt_ipvs" in first
    assert "dnsrr" in first
    assert "mode=host" in first
    assert "encrypted" in second


def test_a_driver_that_cannot_try(swarm: SwarmOfMachines) -> None:
    swarm.tried = None
    swarm.create("m1")
    assert swarm.told.warnings == []


# Work


def test_a_machine_that_stops_is_drained_and_comes_back(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    swarm.world.clusters[0].services = 2
    swarm.stop("m2")
    assert swarm.node("m2")["Spec"]["Availability"] == "drain"
    swarm.start("m2")
    assert swarm.node("m2")["Spec"]["Availability"] == "active"
    assert "Drained" not in swarm.store.load("m2").membership


@pytest.mark.parametrize("availability", ["drain", "pause"])
def test_what_the_user_set_stays(swarm: SwarmOfMachines, availability: str) -> None:
    swarm.of_three()
    swarm.node("m2")["Spec"]["Availability"] = availability
    swarm.stop("m2")
    swarm.start("m2")
    assert swarm.node("m2")["Spec"]["Availability"] == availability


def test_a_swarm_of_one_is_not_drained(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    swarm.stop("m1")
    assert swarm.node("m1")["Spec"]["Availability"] == "active"


def test_a_stop_that_costs_the_quorum_is_warned_of(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    swarm.stop("m2")
    assert "no majority of managers" in swarm.told.warnings[0]


def test_a_promoted_worker_is_known_as_a_manager(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    node = swarm.node("m2")
    node["Spec"]["Role"] = "manager"
    swarm.world.clusters[0].raft.add(node["ID"])
    swarm.stop("m2")
    swarm.start("m2")
    assert swarm.store.load("m2").membership["Role"] == "manager"


# Leaving


def test_all_leave(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    for name in ("m3", "m2", "m1"):
        assert swarm.remove(name) == []
    # The last one's own state ended with it.
    assert swarm.world.hostnames() == ["m1"]
    assert swarm.store.names() == []


def test_the_last_manager_stays_while_there_are_workers(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    with pytest.raises(QuorumAtRisk, match="last manager of its swarm, and 2 nodes"):
        swarm.remove("m1")
    (line,) = swarm.remove("m1", force=True)
    assert "last manager of its swarm: m2, m3 can only leave" in line


def test_one_that_is_being_demoted_is_no_manager_that_stays(swarm: SwarmOfMachines) -> None:
    """`docker node demote` returns as soon as it is wanted: Raft counts the node for some time yet."""
    swarm.of_three(managers=2)
    swarm.node("m2")["Spec"]["Role"] = "worker"
    with pytest.raises(QuorumAtRisk, match="last manager of its swarm, and 2 nodes"):
        swarm.remove("m1")
    assert swarm.remove("m2") == []
    assert swarm.world.hostnames() == ["m1", "m3"]


def test_a_manager_is_not_removed_where_the_rest_would_be_no_majority(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    swarm.world.daemons["m3"].stop()
    with pytest.raises(QuorumAtRisk, match="of the 3 managers of its swarm 2 can be reached"):
        swarm.remove("m2")
    assert swarm.world.hostnames() == ["m1", "m2", "m3"]
    # The one that is down is no loss.
    assert swarm.remove("m3") == []
    assert swarm.world.hostnames() == ["m1", "m2"]


@pytest.mark.parametrize("managers", [1, 3])
def test_a_machine_that_is_gone(swarm: SwarmOfMachines, managers: int) -> None:
    swarm.of_three(managers=managers)
    swarm.world.remove("m2")
    assert swarm.remove("m2") == []
    assert swarm.world.hostnames() == ["m1", "m3"]
    swarm.create("m2", join="m1")
    assert swarm.world.hostnames() == ["m1", "m2", "m3"]


def test_no_manager_answers(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    swarm.world.daemons["m1"].stop()
    with pytest.raises(QuorumAtRisk, match="m1: it does not answer"):
        swarm.remove("m2")
    with pytest.raises(ClusterUnreachable, match="dinv start m1"):
        swarm.membership("m2").leave(swarm.told, force=False)
    (line,) = swarm.remove("m2", force=True)
    assert "docker --context m1 node rm --force node2" in line


def test_the_only_manager_goes_although_a_create_was_left_half_done(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    swarm.create("m2", join="m1")
    # It never became a node, and its daemon is gone; its record is still there.
    del swarm.world.clusters[0].nodes[swarm.node("m2")["ID"]]
    swarm.world.remove("m2")
    swarm.remove("m1")
    assert swarm.store.names() == ["m2"]


def test_an_update_that_comes_too_late_is_made_again(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    swarm.world.conflicts = 3
    swarm.remove("m2")
    assert swarm.world.hostnames() == ["m1", "m3"]


# Autolock


def test_a_locked_manager_is_unlocked_by_itself(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3, autolock=True)
    path = os.path.join(swarm.store.load("m2").directory, keys.FILE)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert keys.read(swarm.store.load("m2").directory) == ["SWMKEY-1-first"]
    assert "SWMKEY" not in str(swarm.store.load("m2").document())
    swarm.world.daemons["m2"].stop()
    swarm.start("m2")
    assert swarm.world.daemons["m2"].state == "active"


def test_a_key_that_was_replaced_meanwhile(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3, autolock=True)
    swarm.world.daemons["m2"].stop()
    swarm.world.clusters[0].keys = ["SWMKEY-1-second"]
    swarm.start("m2")
    assert keys.read(swarm.store.load("m2").directory) == ["SWMKEY-1-second", "SWMKEY-1-first"]


def test_a_key_that_is_not_here(swarm: SwarmOfMachines) -> None:
    swarm.create("m1", autolock=True)
    keys.drop(swarm.store.load("m1").directory)
    swarm.world.daemons["m1"].stop()
    with pytest.raises(SwarmLocked, match="docker --context m1 swarm unlock"):
        swarm.start("m1")


# A quorum that is lost


def test_a_swarm_is_begun_anew_by_one_of_its_managers(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    for name in ("m2", "m3"):
        swarm.world.daemons[name].stop()
    swarm.provision("m1", force_new_cluster=True)
    assert body(swarm, "/swarm/init")["ForceNewCluster"] is True
    assert [note for note in swarm.told.notes if "dinv provision m2" in note]
    swarm.provision("m2")
    swarm.provision("m3")
    new = swarm.world.clusters[-1]
    names = [node["Description"]["Hostname"] for node in new.nodes.values()]
    assert sorted(names) == ["m1", "m2", "m3"]
    assert len(new.raft) == 3


def test_a_swarm_that_has_its_quorum_is_not_begun_anew(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    with pytest.raises(ClusterError, match="has not lost its quorum: m2"):
        swarm.provision("m1", force_new_cluster=True)


def test_a_worker_begins_no_swarm_anew(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    with pytest.raises(ClusterError, match="it is a worker"):
        swarm.provision("m2", force_new_cluster=True)


# Lists


def test_standings(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=1)
    swarm.stop("m3")
    swarm.node("m2")["Spec"]["Availability"] = "drain"
    configs = [swarm.store.load(name) for name in ("m1", "m2", "m3")]

    def said() -> dict[str, str]:
        return {name: str(each) for name, each in standings.ask(configs, timeout=5).items()}

    assert said()["m1"] == "m1 (manager, ready)"
    assert said()["m2"] == "m1 (worker, drained)"
    swarm.world.sleep(20)
    assert said()["m3"] == "m1 (worker, down)"
    swarm.world.daemons["m1"].state = "locked"
    assert said()["m1"] == "m1 (manager, locked)"


def test_standings_without_a_quorum(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    swarm.world.daemons["m2"].stop()
    configs = [swarm.store.load(name) for name in ("m1", "m2", "m3")]
    found = {name: str(each) for name, each in standings.ask(configs, timeout=5).items()}
    assert found["m1"] == "m1 (manager, no quorum)"
    assert found["m3"] == "m1 (worker, no quorum)"


def test_standings_where_nobody_answers(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2)
    swarm.world.unanswering = {"m1", "m2"}
    configs = [swarm.store.load(name) for name in ("m1", "m2", "m3")]
    found = {name: str(each) for name, each in standings.ask(configs, timeout=5).items()}
    assert found["m1"] == "m1 (manager, unknown)"
    assert found["m3"] == "m1 (worker, unknown)"


def test_one_that_hangs_leaves_time_to_ask_the_others(
    swarm: SwarmOfMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    swarm.of_three(managers=3)
    ping, seconds = FakeClient.ping, [0.0]
    monkeypatch.setattr(standings, "time", SimpleNamespace(monotonic=lambda: seconds[0]))

    def hangs(client: FakeClient, timeout: float) -> None:
        if client.name == "m1":
            seconds[0] += timeout
            raise DeadlineExceeded("GET /_ping", timeout)
        ping(client, timeout)

    monkeypatch.setattr(FakeClient, "ping", hangs)
    configs = [swarm.store.load(name) for name in ("m1", "m2", "m3")]
    found = standings.ask(configs, timeout=60)
    assert seconds[0] > 10, "it was not waited for"
    assert {name: each.state for name, each in found.items()} == dict.fromkeys(("m1", "m2", "m3"), "ready")


def test_the_key(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=2, autolock=True)
    assert swarm.membership("m3").unlocking_key(swarm.told, rotate=False) == "SWMKEY-1-first"
    new = swarm.membership("m1").unlocking_key(swarm.told, rotate=True)
    assert new not in {"", "SWMKEY-1-first"}
    for name in ("m1", "m2"):
        assert keys.read(swarm.store.load(name).directory) == [new, "SWMKEY-1-first"]
    # One that was stopped meanwhile starts with the old key, and one that was not with the new one.
    swarm.world.daemons["m2"].stop()
    swarm.start("m2")
    assert swarm.world.daemons["m2"].state == "active"


def test_the_key_while_all_are_locked(swarm: SwarmOfMachines) -> None:
    swarm.create("m1", autolock=True)
    daemon = swarm.world.daemons["m1"]
    daemon.stop()
    daemon.start()
    assert swarm.membership("m1").unlocking_key(swarm.told, rotate=False) == "SWMKEY-1-first"
    with pytest.raises(ClusterUnreachable, match="it is locked"):
        swarm.membership("m1").unlocking_key(swarm.told, rotate=True)
    swarm.membership("m1").unlock(swarm.told)
    assert daemon.state == "active"
    with pytest.raises(ClusterError, match="is not locked"):
        swarm.membership("m1").unlock(swarm.told)


def test_a_swarm_that_locks_nobody_has_no_key(swarm: SwarmOfMachines) -> None:
    swarm.create("m1")
    with pytest.raises(ClusterError, match="does not lock its managers"):
        swarm.membership("m1").unlocking_key(swarm.told, rotate=False)


# Who decides


def test_a_manager_that_answers(swarm: SwarmOfMachines) -> None:
    swarm.of_three(managers=3)
    assert swarm.membership("m2").controller() == "m2"
    swarm.world.daemons["m1"].stop()
    assert swarm.membership("m1").controller() == "m2"
    swarm.world.daemons["m2"].stop()
    with pytest.raises(ClusterUnreachable):
        swarm.membership("m3").controller()


def test_a_worker_names_its_manager(swarm: SwarmOfMachines) -> None:
    swarm.of_three()
    assert swarm.membership("m3").controller() == "m1"

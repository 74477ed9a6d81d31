"""The VCH flavour: only what a VCH honours is asked for, and what it gave is looked at."""

from __future__ import annotations

from typing import Any

import pytest

from dinv.drivers.docker.flavours.specification import MachineSpec
from dinv.drivers.docker.flavours.vch import MIB, VchFlavour
from dinv.errors import Conflict, EngineError, PreCreateCheckFailed, ServerError

INFO: dict[str, Any] = {
    "ID": "vSphere Integrated Containers",
    "ServerVersion": "v1.5.0-9852-e974a51",
    "NCPU": 2942,
    "SystemStatus": [["VolumeStores", "default fast"], [" VCH CPU limit", "2942 MHz"]],
}

HONOURED = {"Binds", "CpusetCpus", "Memory", "PortBindings", "NetworkMode", "Dns"}
"""Of HostConfig, as vic.md section 2.3 lists it and dinv has a use for it."""


def kept(**changes: Any) -> dict[str, Any]:
    given = {
        "CPUs": 0.0,
        "Memory": 0,
        "CacheSize": 0,
        "Isolation": "auto",
        "VolumeStore": "",
    }
    return {**given, **changes}


def spec(**changes: Any) -> MachineSpec:
    given: dict[str, Any] = {
        "hostname": "dev",
        "image": "dinv:latest",
        "labels": {"io.dinv.id": "x"},
        "environment": {"A": "b"},
        "command": (),
        "mounts": [("dinv-dev-cache", "/var/lib/docker"), ("dinv-dev-certs", "/certs")],
        "cpus": 2.0,
        "memory": 2048 * MIB,
        "network": "",
        "ip": "",
        "publish_address": "",
        "port": 24000,
        "isolation": "vm",
    }
    return MachineSpec(**{**given, **changes})


def inspected(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "HostConfig": {
            "Memory": 2048,
            "CpusetCpus": "2",
            "PortBindings": {"2376/tcp": [{"HostPort": "24000"}]},
        },
        "Mounts": [{"Destination": "/var/lib/docker"}, {"Destination": "/certs"}],
        "NetworkSettings": {"Networks": {"bridge": {}}},
    }
    return {**given, **changes}


def test_the_body_has_nothing_that_a_vch_ignores() -> None:
    body = VchFlavour(INFO).create_body(spec())
    assert set(body["HostConfig"]) <= HONOURED
    assert body["Volumes"] == {}
    assert body["HostConfig"]["CpusetCpus"] == "2"
    assert body["HostConfig"]["Binds"] == ["dinv-dev-cache:/var/lib/docker", "dinv-dev-certs:/certs"]
    assert body["HostConfig"]["PortBindings"] == {"2376/tcp": [{"HostIp": "", "HostPort": "24000"}]}
    assert "StopTimeout" not in body


def test_a_container_network_needs_the_port_published_too() -> None:
    body = VchFlavour(INFO).create_body(spec(network="public", ip="10.1.2.3", port=0, dns=("10.1.2.1",)))
    assert body["HostConfig"]["PortBindings"] == {"2376/tcp": [{"HostIp": "", "HostPort": "2376"}]}
    assert body["NetworkingConfig"] == {
        "EndpointsConfig": {"public": {"IPAMConfig": {"IPv4Address": "10.1.2.3"}}}
    }
    assert body["HostConfig"]["Dns"] == ["10.1.2.1"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [(1, 512), (512 * MIB, 512), (512 * MIB + 1, 640), (1000 * MIB, 1024), (2048 * MIB, 2048)],
)
def test_memory_is_rounded_as_vic_does_and_said_so(asked: int, given: int) -> None:
    config = kept(Memory=asked)
    notes = VchFlavour(INFO).settle(config)
    assert config["Memory"] == given * MIB
    assert bool(notes) == (asked != given * MIB)


def test_no_limits_stay_no_limits() -> None:
    config = kept()
    assert VchFlavour(INFO).settle(config) == []
    assert config["Memory"] == 0
    assert config["Isolation"] == "vm"


@pytest.mark.parametrize(
    ("changes", "info", "words"),
    [
        ({"CPUs": 1.5}, INFO, "whole CPUs"),
        ({"Isolation": "privileged"}, INFO, "VM"),
        ({"VolumeStore": "slow"}, INFO, "default, fast"),
        ({}, {**INFO, "SystemStatus": [["VolumeStores", "fast"]]}, "volume_store"),
        ({}, {**INFO, "SystemStatus": [["VolumeStores", ""]]}, "none"),
        ({}, {**INFO, "ServerVersion": "v1.1.1-10711-56a309f"}, "docker cp"),
    ],
)
def test_what_a_vch_cannot_give_is_refused(changes: dict[str, Any], info: dict[str, Any], words: str) -> None:
    with pytest.raises(PreCreateCheckFailed, match=words):
        VchFlavour(info).settle(kept(**changes))


@pytest.mark.parametrize("status", [None, [], [[" VCH CPU limit", "2942 MHz"]]])
def test_stores_that_it_does_not_tell_of_are_not_held_against_it(status: Any) -> None:
    """The port layer could not say (vic-observed): the volume's create call will."""
    flavour = VchFlavour({**INFO, "SystemStatus": status})
    assert flavour.volume_stores is None
    flavour.settle(kept(VolumeStore="fast"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Mounts": [{"Destination": "/certs"}]}, "/var/lib/docker"),
        ({"Mounts": None}, "/certs"),
        ({"HostConfig": {"Memory": 512, "CpusetCpus": "2", "PortBindings": {"2376/tcp": [{}]}}}, "memory"),
        ({"HostConfig": {"Memory": 2048, "CpusetCpus": "1", "PortBindings": {"2376/tcp": [{}]}}}, "CPUs"),
        ({"HostConfig": {"Memory": 2048, "CpusetCpus": "2", "PortBindings": {}}}, "port"),
    ],
)
def test_what_it_silently_left_away_is_found(change: dict[str, Any], words: str) -> None:
    flavour = VchFlavour(INFO)
    assert flavour.ignored(spec(), inspected()) == []
    assert any(words in missing for missing in flavour.ignored(spec(), inspected(**change)))


def test_a_volume_has_its_size_in_mb_and_its_store() -> None:
    flavour = VchFlavour(INFO)
    assert flavour.volume_options(20 * 1024 * MIB, "fast") == {"Capacity": "20480", "VolumeStore": "fast"}
    assert flavour.volume_options(1, "") == {"Capacity": "1"}
    assert flavour.volume_options(0, "") == {}


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (ServerError("Resource in use", status=500), True),
        (ServerError("Failed to lock the file", status=500), True),
        (ServerError("collision of concurrent operations", status=500), True),
        (
            ServerError("unexpected copy failure may result in truncated copy, please try again", status=500),
            True,
        ),
        (ServerError("The ESX host is temporarily disconnected. Please try again later.", status=500), True),
        (
            ServerError(
                "Server error from portlayer: Cannot complete operation due to concurrent modification by "
                "another operation.",
                status=500,
            ),
            True,
        ),
        (EngineError("Resource locked: x", status=423), True),
        (Conflict("start request is already in progress for container 'x'", status=409), True),
        (Conflict("Conflict. The name dinv-dev is already in use by container 1", status=409), False),
        (ServerError("A volume named x already exists. Choose a different volume name.", status=500), False),
        (ServerError("Container count exceeds limit 3", status=500), False),
        (ServerError("vSphere Integrated Containers does not yet implement x", status=500), False),
    ],
)
def test_what_passes_by_itself_is_tried_again_and_nothing_else(error: EngineError, transient: bool) -> None:  # noqa: FBT001
    assert VchFlavour.transient(error) is transient


def test_a_port_conflict_shows_at_the_start() -> None:
    flavour = VchFlavour(INFO)
    assert flavour.address_taken("error mapping ports: port 24000 is not available")
    assert not flavour.address_taken("image is not available")


def test_a_start_without_dns_on_a_network_with_dhcp_is_explained() -> None:
    flavour = VchFlavour(INFO)
    error = ServerError("unable to wait for process launch status: context deadline exceeded", status=500)
    assert "dns" in flavour.start_refused(error, {"Network": "public", "DNS": []})
    assert flavour.start_refused(error, {"Network": "public", "DNS": ["10.0.0.1"]}) == ""
    assert flavour.start_refused(error, {"Network": ""}) == ""
    assert flavour.start_refused(ServerError("disk full"), {"Network": "public"}) == ""

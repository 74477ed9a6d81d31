"""A plain Docker Engine: how a machine is asked of it, and whether it was honoured."""

from __future__ import annotations

from typing import Any

import pytest

from dinv.drivers.docker.flavours import detect
from dinv.drivers.docker.flavours.engine import EngineFlavour
from dinv.drivers.docker.flavours.specification import MachineSpec
from dinv.errors import PreCreateCheckFailed, ServerError


def spec(**changes: Any) -> MachineSpec:
    given: dict[str, Any] = {
        "hostname": "dev",
        "image": "dinv:latest",
        "labels": {"a": "b"},
        "environment": {"X": "1"},
        "command": (),
        "mounts": [("cache", "/var/lib/docker")],
        "cpus": 1.5,
        "memory": 2**30,
        "network": "",
        "ip": "",
        "publish_address": "127.0.0.1",
        "port": 4000,
        "isolation": "capabilities",
    }
    return MachineSpec(**{**given, **changes})


def kept(**changes: Any) -> dict[str, Any]:
    """What the flags have left in a machine's config."""
    return {"CPUs": 0.0, "Memory": 0, "Isolation": "auto", "VolumeStore": "", **changes}


def body(**changes: Any) -> dict[str, Any]:
    return EngineFlavour({}).create_body(spec(**changes))


def test_info_tells_what_it_is() -> None:
    flavour = detect({"ServerVersion": "26.1.5", "NCPU": 4, "MemTotal": 5, "OSType": "linux"})
    assert (flavour.version, flavour.cpus, flavour.memory) == ("26.1.5", 4, 5)
    assert flavour.settle(kept()) == []
    assert detect({}).settle(kept()) == []
    with pytest.raises(PreCreateCheckFailed, match="windows"):
        detect({"OSType": "windows"}).settle(kept())


def test_a_flavour_is_told_by_info() -> None:
    assert detect({"ID": "ABCD:EFGH"}).name == "engine"
    assert detect({"BuildahVersion": "1.28.2"}).name == "podman"
    assert detect({"ID": "vSphere Integrated Containers"}).name == "vch"


ROOTLESS = {"SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}
PODMAN = {"BuildahVersion": "1.28.2", "Rootless": True, "SecurityOptions": ["name=seccomp,profile=default"]}


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({**ROOTLESS, "CgroupVersion": "1", "CgroupDriver": "none"}, "Docker Engine is rootless.*cgroup v1"),
        ({**ROOTLESS, "CgroupVersion": "2", "CgroupDriver": "none"}, "no cgroups are delegated"),
        # As Podman 4.3.1 says it.
        ({**PODMAN, "CgroupVersion": "1", "CgroupDriver": "cgroupfs"}, "Podman is rootless.*cgroup v1"),
    ],
)
def test_a_rootless_one_without_cgroups_is_refused(info: dict[str, Any], words: str) -> None:
    with pytest.raises(PreCreateCheckFailed, match=words):
        detect(info).settle(kept())


@pytest.mark.parametrize(
    "info",
    [
        {**ROOTLESS, "CgroupVersion": "2", "CgroupDriver": "systemd"},
        {**PODMAN, "CgroupVersion": "2", "CgroupDriver": "systemd"},
        {**PODMAN, "Rootless": False, "CgroupVersion": "1", "CgroupDriver": "cgroupfs"},
        {"SecurityOptions": None, "CgroupVersion": "1", "CgroupDriver": "none"},
    ],
)
def test_others_are_not(info: dict[str, Any]) -> None:
    assert detect(info).settle(kept()) == []


def test_volume_stores_are_a_vchs() -> None:
    with pytest.raises(PreCreateCheckFailed, match="volume_store"):
        EngineFlavour({}).settle(kept(VolumeStore="fast"))


def test_limits_and_the_port_are_asked_for() -> None:
    host = body()["HostConfig"]
    assert (host["Memory"], host["NanoCpus"]) == (2**30, 1_500_000_000)
    assert host["PortBindings"] == {"2376/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4000"}]}
    assert host["Binds"] == ["cache:/var/lib/docker"]


def test_it_is_not_privileged_unless_somebody_asks() -> None:
    host = body()["HostConfig"]
    assert not host.get("Privileged")
    assert "Devices" not in host
    assert sorted(host["CapAdd"]) == ["NET_ADMIN", "SYS_ADMIN"]
    assert "Runtime" not in host
    privileged = body(isolation="privileged")["HostConfig"]
    assert privileged["Privileged"]
    assert "CapAdd" not in privileged


def test_a_runtime_for_systems_needs_no_capabilities() -> None:
    sysbox, kata = body(isolation="sysbox-runc")["HostConfig"], body(isolation="kata")["HostConfig"]
    assert (sysbox["Runtime"], kata["Runtime"]) == ("sysbox-runc", "kata")
    assert "CapAdd" not in sysbox
    assert "SecurityOpt" not in sysbox
    assert "CapAdd" in kata


def test_its_own_address_is_asked_for_on_its_network() -> None:
    asked = body(network="lab", ip="10.0.0.7", port=0)
    assert asked["HostConfig"]["NetworkMode"] == "lab"
    assert "PortBindings" not in asked["HostConfig"]
    assert asked["NetworkingConfig"] == {
        "EndpointsConfig": {"lab": {"IPAMConfig": {"IPv4Address": "10.0.0.7"}}}
    }
    assert "NetworkingConfig" not in body()


def test_init_gets_a_command_only_when_there_is_one() -> None:
    assert "Cmd" not in body()
    assert body(command=["a", "b"])["Cmd"] == ["a", "b"]
    assert body()["Env"] == ["X=1"]


@pytest.mark.parametrize(
    ("runtimes", "asked", "found"),
    [
        ({}, "auto", "capabilities"),
        ({"runc": {}}, "auto", "capabilities"),
        ({"runc": {}, "sysbox-runc": {}}, "auto", "sysbox-runc"),
        ({"sysbox-runc": {}}, "capabilities", "capabilities"),
        ({}, "privileged", "privileged"),
        ({"kata": {}}, "kata", "kata"),
    ],
)
def test_isolation(runtimes: dict[str, Any], asked: str, found: str) -> None:
    assert EngineFlavour({"Runtimes": runtimes}).isolation(asked) == found


@pytest.mark.parametrize("runtimes", [None, {"runc": {}}])
def test_a_runtime_there_is_not_is_refused(runtimes: Any) -> None:
    with pytest.raises(PreCreateCheckFailed, match="kata"):
        EngineFlavour({"Runtimes": runtimes}).isolation("kata")


def created(**changes: Any) -> dict[str, Any]:
    host = {"Memory": 2**30, "NanoCpus": 1_500_000_000, "PortBindings": {"2376/tcp": [{}]}, **changes}
    return {"HostConfig": host, "Mounts": [{"Destination": "/var/lib/docker"}]}


def test_what_was_honoured_is_not_missing() -> None:
    assert EngineFlavour({}).ignored(spec(), created()) == []
    bare = spec(memory=0, cpus=0, port=0, mounts=[])
    assert EngineFlavour({}).ignored(bare, {"HostConfig": {}}) == []


@pytest.mark.parametrize(
    ("inspected", "words"),
    [
        (created(Memory=0), "memory"),
        (created(NanoCpus=0), "CPU"),
        (created(PortBindings=None), "port"),
        ({**created(), "Mounts": []}, "/var/lib/docker"),
    ],
)
def test_what_was_ignored_is_told(inspected: dict[str, Any], words: str) -> None:
    (missing,) = EngineFlavour({}).ignored(spec(), inspected)
    assert words in missing


@pytest.mark.parametrize(
    ("message", "taken"),
    [
        ("Bind for 0.0.0.0:80 failed: port is already allocated", True),
        ("listen tcp4 127.0.0.1:80: bind: address already in use", True),
        ("Ports are not available: exposing port", True),
        ("no such image", False),
    ],
)
def test_a_taken_port_is_known_by_the_engines_words(message: str, taken: bool) -> None:  # noqa: FBT001
    assert EngineFlavour({}).address_taken(message) == taken


def test_a_size_needs_quotas() -> None:
    flavour = EngineFlavour({})
    assert flavour.volume_options(0, "") == {}
    assert flavour.volume_options(5, "") == {"size": "5"}
    refused = ServerError("quota size requested but no quota support", status=500)
    assert "xfs" in flavour.volume_refused(refused, 5)
    assert flavour.volume_refused(refused, 0) == ""
    assert flavour.volume_refused(ServerError("ill", status=500), 5) == ""


@pytest.mark.parametrize(("version", "given"), [("1", ["/dev/console"]), ("2", [])])
def test_podman_is_asked_for_the_console_where_cgroups_take_it(version: str, given: list[str]) -> None:
    host = detect({"BuildahVersion": "1.28", "CgroupVersion": version}).create_body(spec())["HostConfig"]
    assert [device["PathOnHost"] for device in host.get("Devices", ())] == given

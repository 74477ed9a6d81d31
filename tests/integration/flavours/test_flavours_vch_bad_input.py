"""What a VCH cannot give, and what goes wrong on one: one clear error each, and nothing left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from users import LS, eventually, finish

from dinv.testing.vch import VicError

if TYPE_CHECKING:
    from flavours import At, Simulate

    from dinv.testing.vch import VchSimulator


def refused(vch: VchSimulator, at: At, *flags: str, status: int = 3, endpoint: str = "") -> str:
    """Run a create that fails, see that nothing is left of it, and return what it said."""
    user = at(endpoint or vch.env_file)
    name = user.name("bad")
    said = user.fails("create", name, *flags, status=status)
    assert said.count("\n") <= 3, said
    assert (vch.containers, vch.volumes) == ([], {})
    assert not os.path.exists(os.path.join(user.store, "machines", name))
    assert user.dinv("ls", "-q").stdout == ""
    return said


@pytest.mark.parametrize(
    ("settings", "flags", "words"),
    [
        ({"volume_stores": ["default", "fast"]}, ["--volume-store", "slow"], "It has: default, fast."),
        ({"volume_stores": ["fast"]}, [], "--volume-store"),
        ({"volume_stores": []}, [], "vic-machine configure --volume-store"),
        ({"version": "1.1"}, [], "VIC 1.1, which has no docker cp"),
        ({}, ["--cpus", "1.5"], "whole CPUs"),
        ({}, ["--isolation", "privileged"], "a VM of its own"),
        ({}, ["--publish", "none"], "container network"),
        ({}, ["--publish", "10.9.9.9"], "only supported for 0.0.0.0 and the public interface IP"),
        ({}, ["--network", "public"], "has no network public. It has: bridge"),
    ],
)
def test_what_it_cannot_give(
    simulate: Simulate, at: At, settings: dict[str, object], flags: list[str], words: str
) -> None:
    assert words in refused(simulate(**settings), at, *flags)


def test_a_name_that_is_too_long(simulate: Simulate, at: At) -> None:
    vch = simulate()
    user = at(vch.env_file)
    assert "68" in user.fails("create", user.name("l" * 62))
    assert (vch.containers, vch.volumes) == ([], {})


@pytest.mark.parametrize("missing", ["ca.pem", "cert.pem", "key.pem"])
def test_a_folder_that_is_not_whole(simulate: Simulate, at: At, missing: str) -> None:
    vch = simulate()
    os.unlink(os.path.join(vch.folder, missing))
    assert "ca.pem, cert.pem and key.pem are not all in" in refused(vch, at, status=1)
    os.unlink(vch.env_file)
    assert "has no .env file" in refused(vch, at, status=1, endpoint=vch.folder)


def test_plain_http_under_an_address_that_is_not_its_own(simulate: Simulate, at: At) -> None:
    vch = simulate(tls="none", public_address="127.0.0.2")
    said = refused(vch, at, status=1, endpoint=f"tcp://127.0.0.1:{vch.port}")
    assert "does not answer to this name or address" in said
    assert "127.0.0.2" in said


def test_a_registry_that_it_may_not_pull_from(simulate: Simulate, at: At) -> None:
    vch = simulate(registry_whitelist=["registry.test"])
    said = refused(vch, at, "--image", "other.test/dinv")
    assert "while VCH is in whitelist mode" in said


def test_the_ports_of_the_vch_itself(simulate: Simulate, at: At) -> None:
    """A VCH would take them, and be out of reach from then on."""
    vch = simulate()
    for port in ("22", "2376", str(vch.port)):
        assert f"Port {port} is one of tcp://" in refused(vch, at, "--publish", f":{port}")


def test_no_storage(simulate: Simulate, at: At) -> None:
    vch = simulate()
    vch.faults.storage_quota = True
    assert "Storage quota exceeds" in refused(vch, at)


def test_no_room_for_another_container(simulate: Simulate, at: At) -> None:
    vch = simulate(max_containers=1)
    user = at(vch.env_file)
    name, other = user.name("first"), user.name("second")
    user.dinv("create", name)
    assert "Container count exceeds limit 1" in user.fails("create", other, status=3)
    assert vch.containers == [f"dinv-{name}"]
    assert list(vch.volumes) == [f"dinv-{name}-cache"]
    assert user.dinv("ls", "-q").stdout == f"{name}\n"
    # An upgrade keeps the old one until the new one answers: no room for that stops nothing.
    vch.calls.clear()
    said = user.fails("upgrade", "--force", name, status=3)
    assert "Container count exceeds limit 1" in said
    assert "as it was before" in said
    assert "ContainerStop" not in [call.operation for call in vch.calls]
    assert user.dinv("status", name).stdout == "Running\n"
    assert "upgrade" not in user.dinv(*LS).stdout
    user.dinv("rm", "-y", name)


def test_a_vm_that_does_not_boot(simulate: Simulate, at: At) -> None:
    vch = simulate()
    words = "Server error from portlayer: unable to wait for process launch status: context deadline exceeded"
    vch.faults.fail("ContainerStart", VicError(500, words))
    assert words in refused(vch, at, status=1)


def test_a_volume_that_another_container_has(simulate: Simulate, at: At, machine_image: str) -> None:
    vch = simulate()
    user = at(vch.env_file)
    name = user.name("mine")
    user.dinv("create", name)
    volume = f"dinv-{name}-cache"
    rival = user.name("rival")
    assert f"in use by dinv-{name}" in user.fails("create", rival, "--cache-volume", volume, status=3)
    user.dinv("stop", name)
    body = {
        "Image": machine_image,
        "Entrypoint": ["sleep", "60"],
        "Volumes": {},
        "HostConfig": {"Binds": [f"{volume}:/elsewhere"], "NetworkMode": "bridge"},
    }
    with user.engine() as engine:
        engine.containers.create("somebody", body)
        engine.containers.start("somebody")
        said = user.fails("start", name)
        assert f"Volume {volume}" in said
        assert "container somebody" in said
        assert user.dinv("status", name).stdout == "Stopped\n"
        engine.containers.remove("somebody", force=True)
    user.dinv("start", name)
    user.dinv("rm", "-y", name)
    assert (vch.containers, vch.volumes) == ([], {})


def test_a_machine_that_vsphere_has_removed(simulate: Simulate, at: At) -> None:
    vch = simulate()
    user = at(vch.env_file)
    name = user.name("gone")
    user.dinv("create", name)
    vch.vanish(f"dinv-{name}")
    assert f"container dinv-{name} is gone" in user.dinv(*LS).stdout
    for verb in ("start", "restart", "stop", "ssh", "df", "logs"):
        said = user.fails(verb, name)
        assert f"dinv rm {name}" in said, said
    assert list(vch.volumes) == [f"dinv-{name}-cache"]
    user.dinv("rm", "-y", name)
    assert vch.volumes == {}
    assert user.traces(name) == []


def test_a_vch_that_is_gone(simulate: Simulate, at: At) -> None:
    vch = simulate(tls="none")
    user = at(vch.address)
    name = user.name("left")
    user.dinv("create", name)
    vch.close()
    assert "connection refused" in user.dinv(*LS, status=None).stdout.lower()
    assert "dinv rm -f" in user.fails("rm", "-y", name)
    user.dinv("rm", "-f", name)
    assert user.dinv("ls", "-q").stdout == ""


def test_a_machine_that_vsphere_removes_while_it_boots(simulate: Simulate, at: At) -> None:
    vch = simulate(start_delay=60)
    user = at(vch.env_file)
    name = user.name("boot")
    create = user.begin("create", name)
    try:
        eventually(lambda: any(call.operation == "ContainerExtractToDir" for call in vch.calls), 60)
        vch.vanish(f"dinv-{name}")
    finally:
        vch.start_delay = 0
        said = finish(create, 1).stderr
    assert f"dinv-{name}" in said
    assert said.count("\n") == 1, said
    assert (vch.containers, vch.volumes) == ([], {})
    assert user.dinv("ls", "-q").stdout == ""

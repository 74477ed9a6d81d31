"""The life of a machine, the same on each flavour of endpoint."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from users import LS, check_memory_limits

if TYPE_CHECKING:
    from pathlib import Path

    from flavours import Place, Resident


@pytest.fixture(scope="module")
def machine(resident: Resident) -> str:
    """A machine with limits, and with the image `hello` in it."""
    name = resident.name("dev")
    said = resident.dinv("create", name, "--cpus", "1", "--memory", "600m", "--timeout", "90").stdout
    assert " ready at tcp://" in said
    resident.import_hello(name)
    return name


def test_it_is_known_for_what_it_is(resident: Resident, place: Place, machine: str) -> None:
    rows = json.loads(resident.dinv(*LS, "--format", "json").stdout)
    assert [(row["Name"], row["State"], row["Error"]) for row in rows] == [(machine, "Running", "")]
    kept = resident.kept(machine)
    assert (kept["Flavour"], kept["Isolation"]) == (place.flavour, place.isolation)
    assert resident.dinv("status", machine).stdout == "Running\n"


def test_its_limits_are_real(resident: Resident, place: Place, machine: str) -> None:
    limit = resident.inside(
        machine, "sh", "-c", "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max || :"
    )
    # A VCH gives memory in steps of 128 MiB.
    assert str((640 if place.flavour == "vch" else 600) * 2**20) in limit


def test_the_docker_cli_by_variables_and_by_context(resident: Resident, machine: str) -> None:
    run = ("run", "--rm", "hello", "echo", "it works")
    assert resident.docker(machine, *run) == "it works\n"
    assert resident.run("docker", "--context", machine, *run) == "it works\n"


def test_limits_of_containers_in_it(resident: Resident, machine: str) -> None:
    check_memory_limits(resident, machine)


def test_commands_and_copies(resident: Resident, machine: str, tmp_path: Path) -> None:
    said = resident.dinv("ssh", machine, "sh", "-c", "'echo out; echo err >&2; exit 7'", status=7)
    assert (said.stdout, said.stderr) == ("out\n", "err\n")
    (tmp_path / "there").write_bytes(os.urandom(300_000))
    resident.dinv("scp", str(tmp_path / "there"), f"{machine}:/root/there")
    resident.dinv("scp", f"{machine}:/root/there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == (tmp_path / "there").read_bytes()


def test_copies_are_the_same_the_second_time(resident: Resident, machine: str, tmp_path: Path) -> None:
    """Links that are there, secrets where others could read, names that begin alike."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "key").write_text("secret")
    (tree / "link").symlink_to("key")
    for mode in (0o640, 0o600):
        (tree / "key").chmod(mode)
        resident.dinv("scp", "-r", str(tree), f"{machine}:/root/")
    script = "cd /root; stat -c '%a %N' tree/key tree/link; touch tree2 tree/y treey; mkdir tree.d"
    assert resident.inside(machine, "sh", "-c", script).split("\n")[:2] == [
        "600 'tree/key'",
        "777 'tree/link' -> 'key'",
    ]
    resident.dinv("scp", "-r", f"{machine}:/root/tree", str(tmp_path / "back"))
    assert sorted(path.name for path in (tmp_path / "back").iterdir()) == ["key", "link", "y"]
    resident.dinv("scp", f"{machine}:/root/tree/key", str(tmp_path / "key"))
    assert (tmp_path / "key").read_text() == "secret"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_what_it_says_and_how_full_it_is(resident: Resident, machine: str) -> None:
    assert "API listen on /var/run/docker.sock" in resident.dinv("logs", machine).stdout
    assert "hello" not in resident.dinv("logs", "--tail", "1", machine).stdout
    assert "%" in resident.dinv("df", machine).stdout


def test_a_restart_keeps_where_it_is_and_what_it_has(resident: Resident, machine: str) -> None:
    url = resident.dinv("url", machine).stdout
    resident.dinv("restart", machine)
    assert resident.dinv("url", machine).stdout == url
    assert "hello" in resident.docker(machine, "images")


def test_so_do_a_stop_and_a_start(resident: Resident, machine: str) -> None:
    url = resident.dinv("url", machine).stdout
    resident.dinv("stop", machine)
    assert resident.dinv("status", machine).stdout == "Stopped\n"
    assert "not running" in resident.fails("ssh", machine, "true")
    resident.dinv("start", machine)
    assert resident.dinv("url", machine).stdout == url
    assert resident.docker(machine, "run", "--rm", "hello", "echo", "again") == "again\n"


def test_a_cache_outlives_its_machine_and_so_does_a_copy(newcomer: Resident) -> None:
    name, kept = newcomer.name("keep"), f"dinv-{newcomer.name('keep')}-cache"
    newcomer.dinv("create", name)
    newcomer.import_hello(name)
    newcomer.dinv("rm", "-y", "--keep-cache", name)
    assert newcomer.traces(name) == [f"volume {kept}"]
    volume = f"copy-{newcomer.suffix}"
    newcomer.dinv("volume", "clone", kept, volume)
    newcomer.dinv("volume", "rm", kept)
    assert newcomer.traces(name) == []
    newcomer.dinv("create", "--cache-volume", volume, name)
    assert newcomer.docker(name, "run", "--rm", "hello", "echo", "kept") == "kept\n"
    rival = newcomer.name("rival")
    assert f"in use by dinv-{name}" in newcomer.fails("create", rival, "--cache-volume", volume, status=3)
    newcomer.dinv("rm", "-y", name)
    assert newcomer.traces(name) == newcomer.traces(rival) == []
    assert volume in newcomer.dinv("volume", "ls", "-q").stdout.split(), "it was there before the machine"
    newcomer.dinv("volume", "rm", volume)


def test_nothing_is_left_of_it(resident: Resident, place: Place, machine: str) -> None:
    resident.dinv("rm", "-y", machine)
    assert resident.traces(machine) == []
    with resident.engine() as engine:
        assert engine.volumes.list() == [] or place.flavour == "engine"
    if place.vch is None:
        return
    assert place.vch.containers == []
    # The VCH has failed now and then, and what it was asked was what it has.
    injected = [call for call in place.vch.calls if call.injected]
    assert len(injected) > 3
    assert {"VolumeCreate", "ContainerCreate", "ContainerExtractToDir", "ContainerStart", "ContainerRm"} <= {
        call.operation for call in place.vch.calls
    }

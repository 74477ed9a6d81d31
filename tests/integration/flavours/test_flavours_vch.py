"""What only a VCH has: ways to it, sizes, stores, container networks, ports and labels of its kind."""

from __future__ import annotations

import json
import os
import socket
import zlib
from typing import TYPE_CHECKING

import pytest
from users import LS, finish

from dinv.drivers.docker.network.ports import FIRST_PORT, PORTS
from dinv.system.files import write
from dinv.testing.vch import ContainerNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flavours import At, Resident, Simulate

    from dinv.engine import Engine

OUTER = "10.219.83"
NO_SUCH_STORE = ("--volume-store", "none-of-this-name")


def reached(user: Resident) -> None:
    """See that dinv gets to ask the VCH for what it has."""
    said = user.fails("create", user.name("reached"), *NO_SUCH_STORE, status=3)
    assert "It has: default" in said


def runs(user: Resident, name: str) -> None:
    """See that a machine answers where dinv says it does."""
    assert user.docker(name, "version", "--format", "{{.Server.Os}}") == "linux\n"


@pytest.fixture
def outer_network(session_engine: Engine) -> Iterator[str]:
    """A network of the engine's, to stand for one of vSphere's."""
    name = f"dinv-outer-{os.urandom(3).hex()}"
    session_engine.networks.create(name, ipam={"Config": [{"Subnet": f"{OUTER}.0/24"}]})
    yield name
    session_engine.networks.remove(name)


# Ways to it


@pytest.mark.parametrize("settings", [{"tls": "verify"}, {"tls": "server"}, {"tls": "none"}])
def test_by_file_by_folder_and_by_address(simulate: Simulate, at: At, settings: dict[str, str]) -> None:
    vch = simulate(**settings)
    reached(at(vch.env_file))
    reached(at(vch.folder))
    if settings["tls"] == "none":
        reached(at(vch.address))


def test_with_the_wrong_path_that_vic_machine_writes(simulate: Simulate, at: At) -> None:
    vch = simulate(wrong_cert_path=True)
    with open(vch.env_file, encoding="utf-8") as file:
        assert f"DOCKER_CERT_PATH={vch.folder} " not in file.read()
    reached(at(vch.env_file))


def test_over_several_lines_with_quotes(simulate: Simulate, at: At, tmp_path: Path) -> None:
    vch = simulate()
    lines = ("export DOCKER_TLS_VERIFY=0", f'DOCKER_CERT_PATH="{vch.folder}"', f"DOCKER_HOST='{vch.address}'")
    (tmp_path / "vch.env").write_text("\n".join(lines))
    reached(at(str(tmp_path)))


def test_by_a_name_that_its_address_does_not_lead_to(simulate: Simulate, at: At) -> None:
    vch = simulate(tls="none")
    # 127.1 is 127.0.0.1 to resolvers, and another word in a Host header.
    other = f"tcp://127.1:{vch.port}"
    reached(at(other))
    user = at(vch.address)
    name = user.name("named")
    user.dinv("create", name)
    path = os.path.join(user.store, "machines", name, "config.json")
    with open(path, encoding="utf-8") as file:
        kept = file.read()
    assert vch.address in kept
    write(path, kept.replace(vch.address, other).encode(), mode=0o600)
    vch.calls.clear()
    assert user.dinv("ssh", name, "echo", "it works").stdout == "it works\n"
    user.dinv("rm", "-y", name)
    assert next(call.path for call in vch.calls if call.status == 500) == "/_ping"


def test_machines_are_where_it_publishes_them(simulate: Simulate, at: At, tmp_path: Path) -> None:
    vch = simulate(tls="server", public_address="127.0.0.2")
    (tmp_path / "vch.env").write_text(f"DOCKER_HOST=127.0.0.1:{vch.port} COMPOSE_TLS_VERSION=TLSv1_2\n")
    user = at(str(tmp_path))
    name = user.name("nat")
    user.dinv("create", name)
    assert user.dinv("ip", name).stdout == "127.0.0.2\n"
    runs(user, name)
    user.dinv("restart", name)
    runs(user, name)
    user.dinv("rm", "-y", name)


# Sizes, stores, versions


def test_sizes_are_a_vms(simulate: Simulate, at: At) -> None:
    vch = simulate(volume_stores=["default", "fast"])
    user = at(vch.env_file)
    name = user.name("size")
    said = user.dinv("create", name, "--cpus", "1", "--memory", "700m", "--volume-store", "fast")
    assert "Memory is 768 MiB: a VCH gives 512 MiB, and more in steps of 128" in said.stdout + said.stderr
    with user.engine() as engine:
        host = engine.containers.inspect(f"dinv-{name}")["HostConfig"]
    assert (host["Memory"], host["CpusetCpus"]) == (768, "1")
    cache = vch.volumes[f"dinv-{name}-cache"]
    assert (cache.store, cache.size) == ("fast", 20480)
    user.dinv("rm", "-y", name)


def test_the_oldest_that_can_have_machines(simulate: Simulate, at: At) -> None:
    vch = simulate(version="1.2", fail_every=6)
    user = at(vch.env_file)
    name = user.name("old")
    authority = os.path.join(vch.folder, "ca.pem")
    user.dinv("create", name, "--registry-ca", f"registry.test:5000={authority}")
    runs(user, name)
    with open(authority, encoding="ascii") as file:
        trusted = "/etc/docker/certs.d/registry.test:5000/ca.crt"
        assert user.dinv("ssh", name, "cat", trusted).stdout == file.read()
    user.dinv("stop", name)
    user.dinv("start", name)
    user.dinv("rm", "-y", name)
    assert (vch.containers, vch.volumes) == ([], {})


def test_a_machine_of_a_pool(simulate: Simulate, at: At) -> None:
    """Claimed while its VM runs: a new name, certificates of its own, the pool's refused by a running VM."""
    vch = simulate()
    user = at(vch.env_file)
    pool, name = user.name("pool"), user.name("claimed")
    user.dinv("pool", "create", pool, "--size", "1")
    user.dinv("pool", "reconcile", pool)
    try:
        (made,) = vch.containers
        # Of what the pool was made with, only the file's path from anywhere is kept.
        (kept,) = json.loads(user.dinv("pool", "inspect", pool).stdout)
        assert kept["Options"]["endpoint"] == os.path.abspath(vch.env_file)
        user.dinv("create", "--pool", pool, name, "--ttl", "1h")
        assert (made, vch.containers) == (f"dinv-{kept['Machines'][0]['Name']}", [f"dinv-{name}"])
        assert user.docker(name, "info", "--format", "{{.Name}}") == f"{name}\n"
        given = [line.split() for line in user.dinv("access", "ls", name).stdout.splitlines()]
        assert [line[2] for line in given if line[0] == "(owner)"] == ["revoked", "valid"]
        # It is found again by its new name, and the pool's refused as before.
        user.dinv("stop", name)
        user.dinv("start", name)
        runs(user, name)
    finally:
        user.dinv("rm", "-f", name, status=None)
        user.dinv("pool", "rm", "-y", pool, status=None)
    assert (vch.containers, vch.volumes) == ([], {})


def test_the_longest_name(simulate: Simulate, at: At) -> None:
    vch = simulate()
    user = at(vch.env_file)
    name = user.name("long" + "g" * 57)
    assert len(name) == 68
    user.dinv("create", name)
    assert max(map(len, [*vch.containers, *vch.volumes])) <= 80
    user.dinv("rm", "-y", name)


# Container networks


def test_an_address_that_comes_with_the_boot(
    simulate: Simulate, at: At, session_engine: Engine, outer_network: str, machine_image: str
) -> None:
    networks = [ContainerNetwork("public", outer_network, dhcp=True)]
    vch = simulate(container_networks=networks, start_delay=1, fail_every=5)
    user = at(vch.env_file)
    name = user.name("public")
    said = user.fails("create", user.name("nodns"), "--network", "public", "--image", machine_image)
    assert "--dns" in said
    assert (vch.containers, vch.volumes) == ([], {})
    user.dinv("create", name, "--network", "public", "--dns", "127.0.0.1")
    address = user.dinv("ip", name).stdout.strip()
    assert user.dinv("url", name).stdout == f"tcp://{address}:2376\n"
    runs(user, name)
    # Somebody has the address when it comes back: it has another, and certificates for that.
    user.dinv("stop", name)
    squatter = session_engine.containers.create(
        "",
        {
            "Image": machine_image,
            "Entrypoint": ["sleep", "60"],
            "HostConfig": {"NetworkMode": outer_network},
            "NetworkingConfig": {"EndpointsConfig": {outer_network: {}}},
        },
    )[0]
    session_engine.containers.start(squatter)
    try:
        started = user.dinv("start", name)
        assert "The address has changed" in started.stdout + started.stderr
        assert user.dinv("ip", name).stdout.strip() not in ("", address)
        runs(user, name)
        assert user.run("docker", "--context", name, "version", "--format", "{{.Server.Os}}") == "linux\n"
    finally:
        session_engine.containers.remove(squatter, force=True)
    user.dinv("rm", "-y", name)
    assert (vch.containers, vch.volumes) == ([], {})


def test_an_address_that_is_chosen(simulate: Simulate, at: At, outer_network: str) -> None:
    chosen = f"{OUTER}.77"
    vch = simulate(container_networks={"public": outer_network})
    user = at(vch.env_file)
    name = user.name("chosen")
    user.dinv("create", name, "--network", "public", "--ip", chosen)
    assert user.dinv("url", name).stdout == f"tcp://{chosen}:2376\n"
    runs(user, name)
    user.dinv("restart", name)
    runs(user, name)
    user.dinv("rm", "-y", name)


# Ports, labels, waiting


@pytest.fixture
def gateway(session_engine: Engine) -> str:
    """An address of this computer that is no loopback address: a VCH there is a remote one to dinv."""
    found: str = session_engine.networks.inspect("bridge")["IPAM"]["Config"][0]["Gateway"]
    return found


def test_a_port_that_turns_out_to_be_taken(simulate: Simulate, at: At, gateway: str) -> None:
    vch = simulate(listen=gateway)
    user = at(vch.env_file)
    name = user.name("port")
    port = FIRST_PORT + zlib.crc32(name.encode()) % PORTS
    with socket.create_server((gateway, port)):
        user.dinv("create", name)
        # Most often the next one, unless somebody has that as well.
        chosen = user.kept(name)["Port"]
        assert chosen != port
        assert FIRST_PORT <= chosen < FIRST_PORT + PORTS
        assert user.dinv("url", name).stdout == f"tcp://{gateway}:{chosen}\n"
        runs(user, name)
        other = user.name("chosen")
        said = user.fails("create", other, "--publish", f":{port}", status=3)
        assert f"Port {port} of machine" in said
        assert "--publish" in said
    assert vch.containers == [f"dinv-{name}"]
    assert list(vch.volumes) == [f"dinv-{name}-cache"]
    user.dinv("rm", "-y", name)


def test_labels_that_are_anothers(simulate: Simulate, at: At) -> None:
    vch = simulate()
    user = at(vch.env_file)
    one, two = user.name("one"), user.name("two")
    user.dinv("create", one)
    user.dinv("create", two)
    vch.faults.leak_labels = True
    rows = json.loads(user.dinv(*LS, "--format", "json").stdout)
    assert {row["Name"]: (row["State"], row["Error"]) for row in rows} == {
        one: ("Running", ""),
        two: ("Running", ""),
    }
    user.dinv("rm", "-y", one)
    assert vch.containers == [f"dinv-{two}"]
    assert list(vch.volumes) == [f"dinv-{two}-cache"]
    runs(user, two)
    user.dinv("rm", "-y", two)
    assert (vch.containers, vch.volumes) == ([], {})


def test_while_a_vm_boots(simulate: Simulate, at: At) -> None:
    vch = simulate()
    user = at(vch.env_file)
    name = user.name("boot")
    # Boots last until they have been seen.
    vch.start_delay = 100
    create = user.begin("create", name)
    try:
        shown = ""
        while create.poll() is None and "at work on it" not in shown:
            shown = user.dinv(*LS, "--format", "json").stdout
    finally:
        vch.start_delay = 0
        finish(create)
    # Whose record is not finished is no machine to clean up, as long as somebody is at it.
    assert "another dinv is at work on it (creating it, process" in shown
    assert "dinv rm" not in shown
    user.dinv("stop", name)
    vch.start_delay = 100
    start = user.begin("start", name)
    try:
        shown = said = ""
        while start.poll() is None and "Starting" not in shown:
            shown = user.dinv(*LS).stdout
        if start.poll() is None:
            said = user.dinv("ssh", name, "true", status=None).stderr
    finally:
        vch.start_delay = 0
        finish(start)
    assert "Starting" in shown
    assert "is Starting" in said
    assert "dinv rm" not in said
    user.dinv("rm", "-y", name)


def what_a_stopped_one_cannot_take(user: Resident, name: str, tmp_path: Path) -> None:
    """See that what VIC's archive calls do otherwise is told, and is no silent difference."""
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "link").symlink_to("key")
    said = user.fails("scp", "-r", str(tree), f"{name}:/root/")
    assert "cannot replace a symbolic link" in said
    assert f"dinv start {name}" in said
    (tmp_path / "key").write_text("secret")
    (tmp_path / "key").chmod(0o600)
    said = user.fails("scp", str(tmp_path / "key"), f"{name}:/root/tree/key")
    assert "0640 and not 0600" in said
    assert f"dinv start {name}" in said
    # Beside a file there are others whose names begin alike, and beside a directory.
    user.dinv("scp", f"{name}:/root/tree/key", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "secret"
    assert "came along with /root/tree" in user.fails(
        "scp", "-r", f"{name}:/root/tree", str(tmp_path / "all")
    )


def test_a_copy_that_the_vch_turns_down_once(simulate: Simulate, at: At, tmp_path: Path) -> None:
    vch = simulate()
    user = at(vch.env_file)
    name = user.name("copy")
    user.dinv("create", name)
    (tmp_path / "file").write_bytes(b"x" * 100_000)
    # While it runs, files go by exec.
    tree = "mkdir tree tree.d; echo secret >tree/key; chmod 640 tree/key; ln -s key tree/link"
    beside = "echo no >tree/keyring; echo no >treex; echo no >tree.d/file"
    user.inside(name, "sh", "-c", f"cd /root; {tree}; {beside}")
    user.dinv("stop", name)
    vch.faults.fail("ContainerExtractToDir")
    user.dinv("scp", str(tmp_path / "file"), f"{name}:/root/file")
    assert [call.injected for call in vch.calls if call.operation == "ContainerExtractToDir"][-2:] == [
        True,
        False,
    ]
    what_a_stopped_one_cannot_take(user, name, tmp_path)
    user.dinv("start", name)
    assert user.dinv("ssh", name, "wc", "-c", "/root/file").stdout.split()[0] == "100000"
    user.import_hello(name)
    user.dinv("rm", "-y", name)

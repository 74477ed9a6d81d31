"""Each flag of `create`, and that what it asks for really holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from free_port import free_port
from users import LS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from users import User

    from dinv.engine import Engine

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def everything(shared_user: User) -> str:
    """A machine made with all flags that go together."""
    name = shared_user.name("all")
    shared_user.dinv(
        *("create", name, "--cpus", "0.5", "--memory", "300m", "--label", "team=red", "--label", "tier=a=b"),
        *("--tls-san", "dev.example.test", "--tls-san", "192.0.2.7"),
        *("--engine-opt", "max-concurrent-downloads=2", "--engine-opt=--debug"),
        *("--engine-label", "rack=7", "--engine-env", "HTTPS_PROXY=http://proxy.example.test:3128"),
        *("--engine-registry-mirror", "https://mirror.example.test/"),
        *("--engine-insecure-registry", "registry.example.test:5000", "--engine-storage-driver", "vfs"),
        *("--isolation", "capabilities", "--publish", "127.0.0.1", "--timeout", "50", "--no-context"),
    )
    return name


@pytest.fixture(scope="module")
def inner_info(shared_user: User, everything: str) -> dict[str, Any]:
    """What the machine's own daemon says of itself."""
    info: dict[str, Any] = json.loads(shared_user.docker(everything, "info", "--format", "{{json .}}"))
    return info


def test_limits_hold_inside_the_machine(shared_user: User, everything: str) -> None:
    # cgroup v1 and v2 name them apart.
    script = (
        "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; echo;"
        "cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us cpu.max 2>/dev/null; true"
    )
    memory, cpu = shared_user.inside(everything, "sh", "-c", script).split("\n\n")
    assert memory.strip() == str(300 * MIB)
    quota, period = (int(word) for word in cpu.split())
    assert quota / period == 0.5


def test_a_container_over_its_limit_is_killed(shared_user: User, everything: str) -> None:
    shared_user.import_hello(everything)
    said = shared_user.docker(
        everything,
        *("run", "--name", "hungry", "-m", "16m", "hello", "tail", "-c", "100m", "/dev/zero"),
        status=137,
    )
    assert "Traceback" not in said
    # Killed it is, by the exit status; that it was for memory, dockerd learns from containerd, if at all.
    limit = shared_user.docker(everything, "inspect", "--format", "{{.HostConfig.Memory}}", "hungry")
    assert limit.strip() == str(16 * 1024 * 1024)


def test_container_labels(shared_user: User, everything: str) -> None:
    with shared_user.engine() as engine:
        labels = engine.containers.inspect(f"dinv-{everything}")["Config"]["Labels"]
    assert labels["team"] == "red"
    assert labels["tier"] == "a=b"
    assert labels["io.dinv.machine"] == everything
    assert labels["io.dinv.role"] == "machine"


def test_engine_options_reach_the_daemon(inner_info: dict[str, Any]) -> None:
    assert inner_info["Driver"] == "vfs"
    assert inner_info["Debug"] is True
    assert {"rack=7", "provider=docker"} <= set(inner_info["Labels"])
    assert inner_info["RegistryConfig"]["Mirrors"] == ["https://mirror.example.test/"]
    assert "registry.example.test:5000" in inner_info["RegistryConfig"]["IndexConfigs"]
    assert inner_info["HttpsProxy"] == "http://proxy.example.test:3128"


def test_engine_options_are_on_the_daemon_itself(shared_user: User, everything: str) -> None:
    """What it reloads is in its daemon.json, and is not an argument as well: it would not start then."""
    # The oldest: what it forks bears its name for a moment.
    script = 'p=$(pgrep -ox dockerd) && cat /proc/$p/cmdline /proc/$p/environ | tr "\\0" "\\n"'
    said = shared_user.inside(everything, "sh", "-c", script).splitlines()
    assert not [line for line in said if line.startswith("--max-concurrent-downloads")]
    kept = json.loads(shared_user.inside(everything, "cat", "/etc/docker/daemon.json"))
    assert kept["max-concurrent-downloads"] == 2
    assert "HTTPS_PROXY=http://proxy.example.test:3128" in said


def test_further_names_are_in_the_certificate(shared_user: User, everything: str) -> None:
    names = _certificate_names(shared_user, everything)
    assert {"dev.example.test", "192.0.2.7", "127.0.0.1", "localhost", everything} <= names


def test_isolation_by_capabilities_is_not_privileged(shared_user: User, everything: str) -> None:
    with shared_user.engine() as engine:
        host = engine.containers.inspect(f"dinv-{everything}")["HostConfig"]
    assert host["Privileged"] is False
    assert sorted(capability.removeprefix("CAP_") for capability in host["CapAdd"]) == [
        "NET_ADMIN",
        "SYS_ADMIN",
    ]
    assert not host["Devices"]
    assert shared_user.kept(everything)["Isolation"] == "capabilities"


def test_no_context_writes_none(shared_user: User, everything: str) -> None:
    assert not os.path.exists(os.path.join(shared_user.docker_config, "contexts"))


def test_the_session_that_the_readme_shows(user: User) -> None:
    name = user.name("dev")
    lines = user.dinv("create", name).stdout.splitlines()
    # Where the computer has much to do, there are lines of how long something takes, too.
    facts = [line for line in lines if not re.search(r", \d+ s(,|$)", line)]
    assert list(dict.fromkeys(line.split()[0] for line in facts)) == [
        "Endpoint",
        "Image",
        "Certificates",
        "Machine",
        "Docker",
        "To",
    ]
    assert user.endpoint in lines[0]
    assert lines[-1].startswith(f"To use it:   eval $(dinv env {name})     or     docker --context {name} ps")
    head, row = user.dinv(*LS).stdout.splitlines()
    assert head.split() == ["NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER", "ERRORS"]
    assert row.split()[:4] == [name, "-", "docker", "Running"]
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_flags_by_their_variables_and_quiet(user: User) -> None:
    name = user.name("env")
    volume = f"vol-{user.suffix}"
    environment = {
        "DINV_CPUS": "1.5",
        "DINV_MEMORY": "1g",
        "DINV_LABELS": "a=1,b=2",
        "DINV_CACHE_VOLUME": volume,
        "DINV_PUBLISH": "127.0.0.1",
        "DINV_ISOLATION": "capabilities",
        "DINV_IMAGE": "dinv:latest",
        "MACHINE_DRIVER": "docker",
    }
    made = user.dinv("create", "--quiet", name, "--memory", "512m", env=environment)
    assert made.stdout == f"{name}\n"
    assert made.stderr == ""
    with user.engine() as engine:
        found = engine.containers.inspect(f"dinv-{name}")
    assert found["HostConfig"]["NanoCpus"] == 1_500_000_000
    assert found["HostConfig"]["Memory"] == 512 * MIB, "the flag wins over its variable"
    assert (found["Config"]["Labels"]["a"], found["Config"]["Labels"]["b"]) == ("1", "2")
    assert user.kept(name)["CacheVolume"] == volume
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []
    with user.engine() as engine:
        assert volume not in [each["Name"] for each in engine.volumes.list()], "dinv made it, dinv removes it"


def test_publish_address_and_port(user: User) -> None:
    name, port = user.name("port"), free_port()
    user.dinv("create", name, "--publish", f"127.0.0.1:{port}")
    assert user.dinv("url", name).stdout == f"tcp://127.0.0.1:{port}\n"
    assert "hello-there" in user.docker(name, "info", "--format", "hello-there")


def test_publish_port_alone_stays_on_loopback(user: User) -> None:
    name, port = user.name("port"), free_port()
    user.dinv("create", name, "--publish", f":{port}")
    assert user.dinv("url", name).stdout == f"tcp://127.0.0.1:{port}\n"
    with user.engine() as engine:
        bound = engine.containers.inspect(f"dinv-{name}")["HostConfig"]["PortBindings"]["2376/tcp"]
    assert bound == [{"HostIp": "127.0.0.1", "HostPort": str(port)}]


def test_publish_on_all_addresses(user: User) -> None:
    name = user.name("open")
    user.dinv("create", name, "--publish", "0.0.0.0")  # noqa: S104  (what the test is about)
    with user.engine() as engine:
        bound = engine.containers.inspect(f"dinv-{name}")["HostConfig"]["PortBindings"]["2376/tcp"]
    assert bound[0]["HostIp"] == "0.0.0.0"  # noqa: S104
    user.docker(name, "version")


@pytest.mark.parametrize("address", ["127.0.0.5", "::1", "[::]"])
def test_publish_on_another_loopback_address(user: User, address: str) -> None:
    name = user.name("loop")
    user.dinv("create", name, "--publish", address)
    assert user.dinv("ip", name).stdout.strip() == address.replace("[::]", "::1")
    user.docker(name, "version")


def test_publish_none_is_reached_at_its_own_address(user: User) -> None:
    name = user.name("own")
    user.dinv("create", name, "--publish", "none")
    address = user.dinv("ip", name).stdout.strip()
    assert user.dinv("url", name).stdout == f"tcp://{address}:2376\n"
    assert address in _certificate_names(user, name)
    with user.engine() as engine:
        assert not engine.containers.inspect(f"dinv-{name}")["HostConfig"]["PortBindings"]
    user.docker(name, "version")


@pytest.fixture
def network(user: User) -> Iterator[tuple[str, str]]:
    """A network of the endpoint, and an address in it."""
    name = f"net-{user.suffix}"
    with user.engine() as engine:
        engine.networks.create(name, ipam={"Config": [{"Subnet": "10.219.85.0/24"}]})
    yield name, "10.219.85.55"
    for machine in user.dinv("ls", "-q").stdout.split():
        user.dinv("rm", "-f", machine)
    with user.engine() as engine:
        engine.networks.remove(name)


def test_network_and_ip(user: User, network: tuple[str, str]) -> None:
    name = user.name("net")
    user.dinv("create", name, "--network", network[0], "--ip", network[1], "--publish", "none")
    assert user.dinv("url", name).stdout == f"tcp://{network[1]}:2376\n"
    user.docker(name, "version")
    other = user.name("two")
    said = user.fails("create", other, "--network", network[0], "--ip", network[1], status=3)
    assert f"{network[1]} is in use by dinv-{name}" in said
    assert user.traces(other) == _context_of(user, name)


def test_network_with_a_published_port(user: User, network: tuple[str, str]) -> None:
    name = user.name("net")
    user.dinv("create", name, "--network", network[0])
    assert user.dinv("url", name).stdout.startswith("tcp://127.0.0.1:")
    with user.engine() as engine:
        assert list(engine.containers.inspect(f"dinv-{name}")["NetworkSettings"]["Networks"]) == [network[0]]
    said = user.fails("create", user.name("out"), "--network", network[0], "--ip", "10.1.2.3", status=3)
    assert "10.1.2.3 is not in network" in said
    assert "10.219.85.0/24" in said


def test_cache_size_needs_an_endpoint_that_can(user: User) -> None:
    """A size holds where the endpoint's file system has project quotas; elsewhere it is refused."""
    name = user.name("size")
    made = user.dinv("create", name, "--cache-size", "1g", status=None)
    if made.returncode == 0:
        size = int(user.inside(name, "sh", "-c", "df -B1 --output=size /var/lib/docker | tail -1"))
        assert size == 1024 * MIB
        return
    assert made.returncode == 3
    assert "cannot limit the size" in made.stderr
    assert user.traces(name) == []


def test_privileged_is_asked_of_the_endpoint(user: User) -> None:
    """A kernel may forbid what --privileged needs: then the user is told, and nothing is left."""
    name = user.name("priv")
    made = user.dinv("create", name, "--isolation", "privileged", status=None)
    if made.returncode == 0:
        with user.engine() as engine:
            assert engine.containers.inspect(f"dinv-{name}")["HostConfig"]["Privileged"] is True
        return
    assert "dinv: " in made.stderr
    assert user.traces(name) == []


def test_a_runtime_of_the_endpoint(user: User) -> None:
    name = user.name("run")
    user.dinv("create", name, "--isolation", "runc")
    with user.engine() as engine:
        host = engine.containers.inspect(f"dinv-{name}")["HostConfig"]
    assert (host["Runtime"], host["Privileged"]) == ("runc", False)
    assert user.kept(name)["Isolation"] == "runc"
    row = json.loads(user.dinv(*LS, "--format", "json").stdout)[0]
    assert row["Isolation"] == "runc"


def test_an_unknown_runtime_is_refused(user: User) -> None:
    name = user.name("run")
    said = user.fails("create", name, "--isolation", "no-such-runtime", status=3)
    assert "no-such-runtime" in said
    assert "runc" in said, "says which there are"
    assert user.traces(name) == []


def test_a_daemon_that_does_not_come_in_time(user: User, engine: Engine, machine_image: str) -> None:
    name, image = user.name("late"), "dinv-life-late:latest"
    created = engine.containers.create("", {"Image": machine_image})[0]
    changes = {"repo": "dinv-life-late", "tag": "latest", "changes": 'ENTRYPOINT ["/bin/sleep", "1000"]'}
    engine.json("POST", "/commit", query={"container": created, **changes})
    engine.containers.remove(created)
    try:
        said = user.fails("create", name, "--image", image, "--timeout", "1")
        assert "did not answer" in said
        assert "--timeout" in said
        assert user.traces(name) == []
    finally:
        engine.call("DELETE", f"/images/{image}", query={"force": True})


@pytest.mark.parametrize("name", ["x", "default", "7", "web.2", "dash-.", "N" * 68])
def test_names_that_are_no_host_names(user: User, name: str) -> None:
    """docker-machine takes them; docker has no contexts of the first three."""
    made = user.dinv("create", name)
    assert ("Warning: No docker context" in made.stderr) == (name in ("x", "default", "7"))
    assert user.dinv("ssh", name, "hostname").stdout.strip() == name[:63].rstrip(".-")
    user.docker(name, "version")
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def test_keep_on_failure_leaves_it_to_be_looked_at(user: User) -> None:
    name = user.name("kept")
    said = user.fails("create", name, "--keep-on-failure", "--engine-opt", "no-such-option=1")
    assert "no-such-option" in said
    assert f"dinv rm -y {name}" in said
    assert "no-such-option" in user.dinv("logs", name).stdout
    # The same create, without what was wrong, finishes it.
    user.dinv("create", name)
    user.docker(name, "version")
    user.dinv("rm", "-y", name)
    assert user.traces(name) == []


def _certificate_names(user: User, name: str) -> set[str]:
    text = subprocess.run(
        (
            "openssl",
            "x509",
            "-noout",
            "-ext",
            "subjectAltName",
            "-in",
            f"{user.machine(name).directory}/server.pem",
        ),
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    ).stdout
    return {entry.strip().partition(":")[2] for entry in text.splitlines()[1].split(",")}


def _context_of(user: User, name: str) -> list[str]:
    import hashlib

    digest = hashlib.sha256(name.encode()).hexdigest()
    return [f"a docker context's {kind}: {digest}" for kind in ("meta", "tls")]

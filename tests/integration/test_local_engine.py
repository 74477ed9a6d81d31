"""dinv's own engine, for real: started, stopped, killed at any moment, beside other engines and alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from harness import Dinv, import_busybox
from users import eventually

from dinv.endpoints import own_network
from dinv.endpoints.local.engine import LocalEngine
from dinv.endpoints.resolve import Endpoint
from dinv.progress import Progress
from dinv.store.store import Store
from dinv.system import processes, routes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dinv.engine import Engine


class Place:
    """A store's engine, seen from outside."""

    def __init__(self, path: str) -> None:
        self.local = LocalEngine(Store(path))
        self.environment = {**os.environ, "MACHINE_STORAGE_PATH": path}
        self.dinv = Dinv(self.environment)

    @property
    def bridge(self) -> str:
        return self.local._dockerd.bridge.name

    def engine(self) -> Engine:
        return Endpoint(f"unix://{self.local.socket}").engine(timeout=30)

    def launch(self, *words: str) -> subprocess.Popen[bytes]:
        """A `dinv` that goes on beside the test."""
        return subprocess.Popen(
            [sys.executable, "-m", "dinv", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def traces(self) -> list[str]:
        """What there is of the engine on this computer beside its data and its log."""
        found = [f"process {words}" for words in self.processes()]
        if os.path.exists(f"/sys/class/net/{self.bridge}"):
            found.append(f"bridge {self.bridge}")
        for table in ("filter", "nat"):
            listed = _run("iptables", "-w", "10", "-t", table, "-S")
            found += [f"{table} {rule}" for rule in listed.splitlines() if self.bridge in rule.split()]
        with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
            found += [line for line in mounts if self.local.directory in line]
        expected = {".lock", "daemon.json", "data", "dockerd.log", "dockerd.log.1"}
        return found + sorted(set(os.listdir(self.local.directory)) - expected)

    def processes(self) -> list[list[str]]:
        """The command lines of dockerd, containerd and shims that are this engine's."""
        mine = processes.find(
            lambda words: (
                os.path.basename(words[0]).startswith(("dockerd", "containerd"))
                and any(self.local.directory in word or self.bridge == word for word in words)
            )
        )
        return [words for pid in mine if (words := processes.command_line(pid))]

    def await_one_dockerd(self) -> None:
        """See that one dockerd is the engine's; what that forks has its command line for a moment."""
        eventually(lambda: len([words for words in self.processes() if "dockerd" in words[0]]) == 1)

    def run_container(self, **labels: str) -> int:
        """Run a container that sleeps; the pid of its process."""
        with self.engine() as engine:
            import_busybox(engine)
            body = {"Image": "hello", "Cmd": ["/bin/sleep", "600"], "Labels": labels, "StopTimeout": 1}
            engine.containers.create("sleeper", body)
            engine.containers.start("sleeper")
            return int(engine.containers.inspect("sleeper")["State"]["Pid"])


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place(str(tmp_path / "s"))
    yield found
    found.local.stop(Progress(), timeout=60)


def test_start_status_stop(place: Place) -> None:
    started = place.dinv("engine", "start", check=True)
    assert f"unix://{place.local.socket}" in started.stdout
    status = place.dinv("engine", "status", check=True)
    assert "running" in status.stdout
    with place.engine() as engine:
        assert engine.version()["Version"] in status.stdout
        assert engine.info()["DockerRootDir"] == place.local.data_root
    assert "running already" in place.dinv("engine", "start", check=True).stdout
    place.await_one_dockerd()
    stopped = place.dinv("engine", "stop", check=True)
    assert place.local.data_root in stopped.stdout
    assert place.traces() == []
    assert place.dinv("engine", "status").returncode == 1
    assert "not running" in place.dinv("engine", "stop", check=True).stdout


def test_its_socket_is_for_root_and_its_group_only(place: Place) -> None:
    place.dinv("engine", "start", check=True)
    assert os.stat(place.local.socket).st_mode & 0o007 == 0
    listed = place.dinv("image", "ls", "--endpoint", f"unix://{place.local.socket}", "-q", check=True)
    assert listed.stdout == ""


def test_quiet_says_nothing(place: Place) -> None:
    for verb in ("start", "start", "stop", "stop"):
        done = place.dinv("engine", verb, "--quiet", check=True)
        assert done.stdout + done.stderr == ""


def test_two_starts_at_once_make_one_engine(place: Place) -> None:
    both = [place.launch("engine", "start") for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    place.await_one_dockerd()


def test_images_stay_over_a_restart(place: Place) -> None:
    place.dinv("engine", "start", check=True)
    with place.engine() as engine:
        import_busybox(engine)
    place.dinv("engine", "stop", check=True)
    place.dinv("engine", "start", check=True)
    with place.engine() as engine:
        engine.images.inspect("hello")


def test_machines_and_networks_end_with_it(place: Place) -> None:
    place.dinv("engine", "start", check=True)
    sleeper = place.run_container(**{"io.dinv.machine": "dev"})
    with place.engine() as engine:
        network = engine.networks.create("own")
    stopped = place.dinv("engine", "stop", check=True)
    assert "1 running machine on it stopped with it" in stopped.stdout
    assert processes.wait([sleeper], 0) == []
    assert not os.path.exists(f"/sys/class/net/br-{str(network)[:12]}")
    assert place.traces() == []


@pytest.mark.parametrize("then", ["start", "stop"])
def test_an_engine_that_was_killed_is_cleared_away(place: Place, then: str) -> None:
    place.dinv("engine", "start", check=True)
    with place.engine() as engine:
        network = own_network.ensure(engine)
    assert network is not None
    sleeper = place.run_container()
    os.kill(place.local.status().pid, signal.SIGKILL)
    assert place.processes() != []  # containerd and a shim, at the least, have outlived it
    status = place.dinv("engine", "status")
    assert status.returncode == 1
    assert "not running" in status.stdout
    place.dinv("engine", then, check=True)
    assert processes.wait([sleeper], 0) == []
    if then == "start":
        with place.engine() as engine:
            assert engine.containers.inspect("sleeper")["State"]["Running"] is False
            engine.containers.start("sleeper")
        place.dinv("engine", "stop", check=True)
    assert not routes.is_device(own_network.bridge_of(network))
    assert place.traces() == []


@pytest.mark.parametrize("moment", [0.1, 0.2, 0.3, 0.45, 0.7, 1.2])
def test_a_start_that_was_killed_is_taken_up_again(place: Place, moment: float) -> None:
    with place.launch("engine", "start") as start:
        time.sleep(moment)
        start.kill()
    place.dinv("engine", "start", check=True)
    place.await_one_dockerd()
    place.dinv("engine", "stop", check=True)
    assert place.traces() == []


def test_a_start_that_was_killed_can_be_stopped(place: Place) -> None:
    with place.launch("engine", "start") as start:
        while not place.local._dockerd.find() and start.poll() is None:
            time.sleep(0.01)
        start.kill()
    place.dinv("engine", "stop", check=True)
    assert place.traces() == []


def test_a_start_that_is_interrupted_leaves_nothing(place: Place) -> None:
    with place.launch("engine", "start") as start:
        while not place.local._dockerd.find() and start.poll() is None:
            time.sleep(0.01)
        start.terminate()
        assert start.wait(timeout=60) in (0, 143)
        interrupted = start.returncode == 143
    assert place.local.status().running is not interrupted
    if interrupted:
        assert place.traces() == []


def test_a_pid_file_of_old_that_names_somebody_else(place: Place) -> None:
    os.makedirs(place.local.directory)
    with open(place.local._dockerd.pid_file, "w", encoding="ascii") as file:
        file.write(str(os.getpid()))
    assert place.dinv("engine", "status").returncode == 1
    place.dinv("engine", "start", check=True)


def test_an_engine_that_ends_at_its_start_has_its_last_words_shown(place: Place) -> None:
    os.makedirs(place.local.directory)
    with open(place.local.data_root, "w", encoding="ascii") as file:
        file.write("not a directory")
    failed = place.dinv("engine", "start")
    assert failed.returncode == 1
    assert "ended at its start" in failed.stderr
    assert place.local.data_root in failed.stderr
    assert place.traces() == []


def test_an_engine_that_does_not_answer_in_time_is_ended(place: Place) -> None:
    failed = place.dinv("engine", "start", "--timeout", "0.01")
    assert failed.returncode == 1
    assert "did not answer within 0.01 s" in failed.stderr
    assert place.traces() == []


def test_two_stores_have_two_engines(place: Place, tmp_path: Path) -> None:
    other = Place(str(tmp_path / "o"))
    try:
        place.dinv("engine", "start", check=True)
        other.dinv("engine", "start", check=True)
        assert other.bridge != place.bridge
        with place.engine() as one, other.engine() as two:
            subnets = [
                engine.networks.inspect("bridge")["IPAM"]["Config"][0]["Subnet"] for engine in (one, two)
            ]
            own = own_network.bridge_of(two.networks.inspect("dinv"))
        assert len(set(subnets)) == 2
        assert f"-A FORWARD -i {own} -j ACCEPT" in _run("iptables", "-S"), "machines there have a way out"
        other.dinv("engine", "stop", check=True)
        assert place.local.status().running
        assert own not in _run("iptables", "-S")
        assert not routes.is_device(own)
    finally:
        other.local.stop(Progress(), timeout=60)


def test_alone_it_makes_docker_s_rules_and_docker0_is_left_alone(place: Place) -> None:
    """In a network namespace of its own there is no other engine."""
    script = """
        set -e
        ip link set lo up
        ip link add docker0 type bridge
        for round in 1 2; do
            "$@" engine start >&2
            echo "rules $(iptables -t nat -S | grep -c -e MASQUERADE)"
            "$@" engine stop >&2
        done
        iptables -S | grep -e "$BRIDGE" || echo 'no rule is left'
        ip -o link show | cut -d: -f2
    """
    done = subprocess.run(
        ["unshare", "--net", "sh", "-c", script, "sh", sys.executable, "-m", "dinv"],
        env={**place.environment, "BRIDGE": place.bridge, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:3] == ["rules 1", "rules 1", "no rule is left"]
    assert "docker0" in done.stdout
    assert place.bridge not in done.stdout
    assert "Another Docker engine" not in done.stderr

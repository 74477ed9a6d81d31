"""dinv's own export boots as a virtual machine: Docker by TLS, and what the services of a swarm need.

The kernel of the tests' host may lack IPVS; that of the virtual machine has it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from free_port import free_ports
from harness import CACHE, import_busybox
from qemu import VirtualMachine, until
from users import LOST

import dinv as library
from dinv.errors import DinvError
from dinv.image_building.vm import kit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.machine import Machine
    from dinv.system.deadline import Deadline

pytestmark = pytest.mark.timeout(900)
BOOT_SECONDS = 400
COMMAND_SECONDS = 300
SERVICE_SECONDS = 300
ADDRESS = "10.0.2.15"
"""The one that qemu's own DHCP server gives."""
PUBLISHED = 8080
SERVE = "hostname >/www/index.html; exec httpd -f -p 80 -h /www"


class Booted:
    """The virtual machine, its record, and the port here that leads to PUBLISHED there."""

    def __init__(self, vm: VirtualMachine, machine: Machine, published: int, directory: Path) -> None:
        self.vm = vm
        self.machine = machine
        self.published = published
        self._directory = directory

    def docker(self, *words: str, check: bool = True) -> str:
        """Run the docker CLI on it, as somebody who has its certificates; return what it prints."""
        tls = [
            *("--tlsverify", "--tlscacert", self._file("ca.pem")),
            *("--tlscert", self._file("cert.pem"), "--tlskey", self._file("key.pem")),
        ]
        for _ in range(2):
            done = subprocess.run(
                ["docker", "--host", self.machine.url, *tls, *words],
                capture_output=True,
                text=True,
                timeout=COMMAND_SECONDS,
                check=False,
                env={"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(self._directory / "docker-config")},
            )
            if not done.returncode or LOST not in done.stderr:
                break
        if check and done.returncode:
            pytest.fail(f"docker {' '.join(words)}: {done.stderr}\n{self.vm.console[-3000:]}")
        return done.stdout.strip()

    def _file(self, name: str) -> str:
        return os.path.join(self.machine.directory, name)


@pytest.fixture(scope="module")
def booted(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[Booted]:
    directory = tmp_path_factory.mktemp("vm")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("DOCKER_CONFIG", str(directory / "docker-config"))
        patched.setattr(kit, "fetch", _cached(kit.fetch))
        machines = library.open(str(directory / "store"))
        disk, certificates = str(directory / "dinv.qcow2"), str(directory / "vm1.img")
        with machines.images(endpoint_address) as images:
            images.export(machine_image, disk, size=4 * 1024**3)
        port, published = free_ports(2)
        machine = machines.virtual_machine("vm1", f"tcp://127.0.0.1:{port}", certificates, context=False)
        disks = [f"file={disk},format=qcow2", f"file={certificates},format=raw,read-only=on"]
        # Nothing but the disks is given: its own boot loader starts it.
        with VirtualMachine(directory, disks, {port: 2376, published: PUBLISHED}) as vm:
            end = time.monotonic() + BOOT_SECONDS
            while not _answers(machine):
                until(end, "an answer of the daemon", vm)
            with machine.engine(timeout=120) as engine:
                import_busybox(engine)
            yield Booted(vm, machine, published, directory)


def test_docker_by_tls_runs_containers(booted: Booted) -> None:
    with booted.machine.engine(timeout=120) as engine:
        assert engine.info()["Name"] == "vm1"
    assert "cloud-amd64" in booted.docker("run", "--rm", "hello", "uname", "-r")
    plain = booted.machine.url.replace("tcp://", "http://")
    with pytest.raises(OSError, match=r"reset|closed|refused"):
        urllib.request.urlopen(f"{plain}/version", timeout=60)  # noqa: S310


def test_service_answers_by_vip_and_through_the_ingress(booted: Booted) -> None:
    booted.docker("swarm", "init", "--advertise-addr", ADDRESS)
    booted.docker("network", "create", "--driver", "overlay", "--attachable", "inside")
    booted.docker(
        *("service", "create", "--detach", "--no-resolve-image", "--name", "web", "--network", "inside"),
        # A shell that is PID 1 does not end at SIGTERM.
        *("--replicas", "2", "--publish", f"{PUBLISHED}:80", "--stop-grace-period", "1s"),
        *("hello", "sh", "-c", SERVE),
    )
    end = time.monotonic() + SERVICE_SECONDS
    while booted.docker("service", "ls", "--format", "{{.Replicas}}") != "2/2":
        until(end, "the service", booted.vm)
    tasks = set(booted.docker("ps", "--filter", "name=web", "--format", "{{.ID}}").split())
    inside = booted.docker("network", "inspect", "--format", "{{.Id}}", "inside")
    addresses = "{{range .Endpoint.VirtualIPs}}{{.NetworkID}} {{.Addr}}\n{{end}}"
    by_network = dict(
        line.split() for line in booted.docker("service", "inspect", "web", "-f", addresses).splitlines()
    )
    vip = by_network[inside].partition("/")[0]
    found = booted.docker("run", "--rm", "--network", "inside", "hello", "wget", "-qO-", f"http://{vip}/")
    assert found in tasks
    assert _read(f"http://127.0.0.1:{booted.published}/", booted, end) in tasks


def test_power_button_stops_it(booted: Booted) -> None:
    booted.vm.tell("system_powerdown")
    assert booted.vm.wait() == 0
    assert "dinv: stopped" in booted.vm.console, "dockerd and its containers were stopped first"
    assert "reboot: Power down" in booted.vm.console


def _answers(machine: Machine) -> bool:
    with contextlib.suppress(DinvError), machine.engine(timeout=30) as engine:
        engine.ping()
        return True
    return False


def _read(url: str, booted: Booted, end: float) -> str:
    while True:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310
            return str(answer.read().decode().strip())
        until(end, f"an answer of {url}", booted.vm)


def _cached(fetch: Callable[..., kit.Kit]) -> Callable[..., kit.Kit]:
    """Return `kit.fetch` with a copy of what it made in the checkout's .cache, until its source changes."""
    with open(os.path.join(kit.sources(), "install.sh"), "rb") as file:
        cached = os.path.join(CACHE, "vm", f"kit-{hashlib.sha256(file.read()).hexdigest()[:16]}")

    def cached_fetch(
        directory: str, kernel: str, *, report: Callable[[str], None], deadline: Deadline
    ) -> kit.Kit:
        if not os.path.isdir(cached):
            fetch(directory, kernel, report=report, deadline=deadline)
            unfinished = f"{cached}.{os.getpid()}"
            shutil.copytree(directory, unfinished)
            os.rename(unfinished, cached)
        else:
            shutil.copytree(cached, directory, dirs_exist_ok=True)
        return kit.Kit(directory)

    return cached_fetch

"""What a machine is for: containers, limits, ports, builds, tools, and nobody else let in."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
from image_machine import wait_until

if TYPE_CHECKING:
    from image_machine import Machine

    from dinv.engine import Engine

pytestmark = pytest.mark.integration


def test_a_client_without_a_certificate_is_refused(machine: Machine) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        machine.ask("/_ping", with_certificate=False)


def test_nothing_listens_but_tls_and_the_unix_socket(machine: Machine) -> None:
    listening = machine.run("ss", "-Hltnp").splitlines()
    assert {line.split()[3] for line in listening if "dockerd" in line} <= {"*:2376", "0.0.0.0:2376"}


def test_a_container_runs_and_its_limit_is_the_kernels(machine: Machine) -> None:
    path = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max"
    seen = machine.docker("run", "--rm", "-m", "64m", "busybox", "sh", "-c", f"cat {path} 2>/dev/null; :")
    assert seen.splitlines()[-1] == str(64 << 20)


def test_signals_are_not_ignored_in_containers(machine: Machine) -> None:
    status = machine.docker("run", "--rm", "busybox", "cat", "/proc/self/status")
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn"))
    assert int(ignored.split()[1], 16) == 0


def test_a_published_port_answers(machine: Machine) -> None:
    machine.docker(
        "run",
        "-d",
        "--name",
        "port",
        "-p",
        "8081:80",
        "busybox",
        "sh",
        "-c",
        "mkdir /w; echo it works >/w/index.html; httpd -f -p 80 -h /w",
    )
    address = machine.run("hostname", "-i").split()[0]
    wait_until(
        lambda: machine.run("curl", "-s", f"http://{address}:8081/", check=False) == "it works", "the port"
    )
    machine.docker("rm", "-f", "port")


def test_docker_build(machine: Machine) -> None:
    machine.put({"tmp/build/Dockerfile": b"FROM busybox\nRUN echo built >/result\n"})
    machine.docker("build", "-q", "-t", "built", "/tmp/build")
    assert machine.docker("run", "--rm", "built", "cat", "/result") == "built"


TOOLS = """
sudo -n true
ps ax
pgrep dockerd
openssl version
ip -br addr
iptables -S
ip6tables -V
git --version
less --version
vi --version
tar --version
gzip --version
xz --version
pigz --version
kmod --version
curl --version
bash --version
docker ps
"""


@pytest.mark.parametrize("command", TOOLS.strip().splitlines())
def test_what_people_run_in_it_is_there(machine: Machine, command: str) -> None:
    assert machine.run("sh", "-c", command) or command == "sudo -n true"


def test_the_user_docker_may_sudo_and_use_docker(machine: Machine) -> None:
    assert machine.run("sudo", "-n", "id", "-u", user="docker") == "0"
    assert machine.run("id", "-u", user="docker") == "1000"
    machine.run("docker", "ps", user="docker")


def test_the_key_is_for_root_alone(machine: Machine) -> None:
    stat = machine.engine.containers.archive_stat(machine.name, "/etc/dinv/certs/server-key.pem")
    assert stat.permissions == 0o600


def test_health(machine: Machine) -> None:
    machine.run("/usr/local/lib/dinv/healthcheck")


def test_iptables_of_people_is_the_one_of_dockerd(machine: Machine) -> None:
    assert "DOCKER" in machine.run("iptables", "-t", "nat", "-S")


def test_the_image_declares_what_the_contract_says(engine: Engine, machine_image: str) -> None:
    config = engine.images.inspect(machine_image)["Config"]
    assert config["Labels"]["io.dinv.image.contract"] == "dinv"
    assert config["Labels"]["io.dinv.image.version"]
    assert config["ExposedPorts"] == {"2376/tcp": {}}
    assert config["StopSignal"] == "SIGTERM"
    assert not config.get("Volumes")
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/local/lib/dinv/healthcheck"]


def test_the_image_says_what_is_in_it(machine: Machine, engine: Engine, machine_image: str) -> None:
    labels = engine.images.inspect(machine_image)["Config"]["Labels"]
    assert labels["io.dinv.image.docker"] == machine.docker("version", "--format", "{{.Server.Version}}")
    assert labels["io.dinv.image.containerd"] in machine.run("containerd", "--version").split()
    assert machine.run("runc", "--version").startswith(f"runc version {labels['io.dinv.image.runc']}\n")
    assert labels["io.dinv.image.base"].startswith("Debian ")


def test_the_image_is_small(engine: Engine, machine_image: str) -> None:
    """The figure in images/README.md: 337 MB."""
    assert engine.images.inspect(machine_image)["Size"] < 345_000_000


def test_packages_can_be_installed_in_a_machine(machine: Machine) -> None:
    """What was taken out of the image leaves apt no dependency that is missing."""
    machine.run("apt-get", "check")
    assert machine.run("dpkg", "--audit") == ""


def test_an_idle_machine_is_small(machine: Machine) -> None:
    """The figure in design.md: 80 MB, page cache not counted."""

    def used() -> int:
        stats = machine.engine.containers.stats(machine.name)["memory_stats"]["stats"]
        # cgroup v1 has "rss", v2 has "anon".
        return int(stats.get("rss", stats.get("anon")))

    # It is not idle at once: what the tests before have begun there may go on for a while.
    wait_until(lambda: used() < 80_000_000, "it to be small", told=lambda: str(used()))

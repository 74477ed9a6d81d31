"""A machine on a network of its endpoint that names resolve on, and whose packets are smaller than usual."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from image_machine import Machine, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dinv.engine import Engine

pytestmark = pytest.mark.integration

MTU = 1380
PEER = "dinv-test-peer"
"""A name on that network, without a dot: such are not passed on by everybody."""
LOOK_UP = ("busybox", "nslookup", PEER)


@pytest.fixture(scope="module")
def network(engine: Engine, machine_image: str) -> Iterator[str]:
    """The network, with a container named PEER on it."""
    name = f"dinv-test-{uuid.uuid4().hex[:10]}"
    options = {"com.docker.network.driver.mtu": str(MTU)}
    engine.json("POST", "/networks/create", body={"Name": name, "Driver": "bridge", "Options": options})
    peer = engine.containers.create(
        f"{name}-peer",
        {
            "Image": machine_image,
            "Entrypoint": ["sleep", "600"],
            "HostConfig": {"NetworkMode": name},
            "NetworkingConfig": {"EndpointsConfig": {name: {"Aliases": [PEER]}}},
        },
    )[0]
    try:
        engine.containers.start(peer)
        yield name
    finally:
        engine.containers.remove(peer, force=True)
        engine.networks.remove(name)


@pytest.fixture(scope="module")
def on_it(engine: Engine, machine_image: str, certificate_directory: str, network: str) -> Iterator[Machine]:
    found = Machine(engine, machine_image, certificate_directory, network=network, dns=["10.99.0.53"])
    try:
        found.put_certificates()
        found.start()
        found.wait_ready()
        found.import_busybox()
        found.docker("network", "create", "inner")
        yield found
    finally:
        found.remove()


def address_of_peer(engine: Engine, network: str) -> str:
    inspected = engine.containers.inspect(f"{network}-peer")
    return str(inspected["NetworkSettings"]["Networks"][network]["IPAddress"])


@pytest.mark.parametrize("where", ["default", "inner", "host"])
def test_containers_resolve_what_the_machine_does(
    engine: Engine, on_it: Machine, network: str, where: str
) -> None:
    said = on_it.docker("run", "--rm", "--network", where, "busybox", *LOOK_UP)
    assert f"Address: {address_of_peer(engine, network)}" in said


def test_so_do_builds(engine: Engine, on_it: Machine, network: str) -> None:
    on_it.put({"tmp/build/Dockerfile": f"FROM busybox\nRUN {' '.join(LOOK_UP)} >/result\n".encode()})
    on_it.docker("build", "-q", "-t", "resolved", "/tmp/build")
    said = on_it.docker("run", "--rm", "resolved", "cat", "/result")
    assert f"Address: {address_of_peer(engine, network)}" in said


def test_they_ask_the_dns_server_that_the_machine_was_given(on_it: Machine) -> None:
    asked = ("-d", "10.99.0.53", "-p", "udp", "--dport", "53")

    def rule() -> str:
        rules = on_it.run("iptables", "-vS", "OUTPUT").splitlines()
        return next(line for line in rules if "10.99.0.53" in line)

    on_it.run("iptables", "-I", "OUTPUT", *asked, "-j", "DROP")
    try:
        on_it.docker("run", "-d", "--name", "ask", "busybox", "busybox", "nslookup", "x.test")
        wait_until(lambda: _packets(rule()) > 0, "a query", told=rule)
    finally:
        on_it.run("docker", "rm", "-f", "ask", check=False)
        on_it.run("iptables", "-D", "OUTPUT", *asked, "-j", "DROP")


def test_tcp_keeps_to_it_where_a_network_has_another(engine: Engine, on_it: Machine, network: str) -> None:
    on_it.docker("network", "create", "--opt", "com.docker.network.driver.mtu=1500", "big")
    try:
        # A SYN on its way out of such a network says 1460 bytes. Nobody has to answer.
        ask = ("busybox", "nc", "-w", "2", address_of_peer(engine, network), "1")
        on_it.run("docker", "run", "--rm", "--network", "big", "busybox", *ask, check=False)
        counted = on_it.run("iptables", "-t", "mangle", "-vS", "FORWARD")
    finally:
        on_it.docker("network", "rm", "big")
    line = next(line for line in counted.splitlines() if "-j TCPMSS --clamp-mss-to-pmtu" in line)
    assert _packets(line) > 0, line


def _packets(rule: str) -> int:
    """How many have met a rule, of a line of `iptables -vS`."""
    return int(rule.partition(" -c ")[2].split()[0])


@pytest.mark.parametrize("where", ["default", "inner"])
def test_bridges_have_the_networks_mtu(on_it: Machine, where: str) -> None:
    said = on_it.docker("run", "--rm", "--network", where, "busybox", "cat", "/sys/class/net/eth0/mtu")
    assert said == str(MTU)


def test_nothing_else_on_its_loopback_is_let_in(on_it: Machine) -> None:
    rules = on_it.run("iptables", "-S", "INPUT")
    assert "-A INPUT -d 127.0.0.0/8 ! -i lo -m conntrack ! --ctstate DNAT -j DROP" in rules
    own = on_it.run(
        "cat", "/proc/sys/net/ipv4/conf/eth0/route_localnet", "/proc/sys/net/ipv4/conf/all/route_localnet"
    )
    assert own.split() == ["0", "0"]


def test_a_resolver_that_has_moved_is_found_by_the_health_check(on_it: Machine) -> None:
    # As after a restart of the endpoint's daemon that keeps the machine running.
    on_it.run("sh", "-c", "echo 127.0.0.11 1 1 >/run/dinv/dns; iptables -t nat -F DINV-DNS")
    on_it.run("/usr/local/lib/dinv/healthcheck")
    on_it.docker("run", "--rm", "busybox", *LOOK_UP)


def test_what_somebody_asks_for_stands(on_it: Machine) -> None:
    on_it.put({"etc/dinv/dockerd.args": b"--dns=192.0.2.53\n--mtu=1200\n"})
    on_it.hang_up()
    command = "grep ^nameserver /etc/resolv.conf; cat /sys/class/net/eth0/mtu"
    said = on_it.docker("run", "--rm", "busybox", "busybox", "sh", "-c", command)
    assert said.split() == ["nameserver", "192.0.2.53", "1200"]
    on_it.put({"etc/dinv/dockerd.args": b""})
    on_it.run("sh", "-c", """sed -i 's/}$/,"dns":["192.0.2.54"]}/' /etc/docker/daemon.json""")
    on_it.hang_up()
    said = on_it.docker("run", "--rm", "busybox", "busybox", "sh", "-c", command)
    assert said.split() == ["nameserver", "192.0.2.54", str(MTU)]


def test_after_a_restart_it_is_so_again(on_it: Machine) -> None:
    on_it.run("rm", "/etc/docker/daemon.json")
    on_it.engine.containers.restart(on_it.name, grace=10)
    on_it.wait_ready()
    on_it.docker("run", "--rm", "busybox", *LOOK_UP)


def test_on_the_default_network_nothing_is_changed(make_machine: Callable[..., Machine]) -> None:
    machine = make_machine()
    machine.put_certificates()
    machine.start()
    wait_until(machine.answers, "it to answer")
    arguments = machine.run("sh", "-c", "tr '\\0' ' ' </proc/$(cat /var/run/docker.pid)/cmdline")
    assert "--dns" not in arguments
    assert "--mtu" not in arguments

"""A machine's own address: reached by anybody on this computer, stable, and mended where it was lost."""

from __future__ import annotations

import functools
import ipaddress
import json
import signal
import socket
import subprocess
import urllib.request
from concurrent.futures import Future
from typing import TYPE_CHECKING

import pytest
from free_port import free_ports
from proxies import Proxy
from users import LS, eventually, finish

from dinv.endpoints import own_network

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from users import User

    from dinv.engine import Engine

LOAD_SECONDS = 300.0
"""Seconds after which docker hangs that writes or reads the whole machine image, some 340 MB."""


@pytest.fixture(scope="module", autouse=True)
def no_network_at_first(session_engine: Engine, network_is_removed: None) -> None:
    """A local engine beside another one has a network made for good."""
    for name in _networks(session_engine):
        session_engine.networks.remove(name)


@pytest.fixture(scope="module")
def machine(shared_user: User) -> str:
    name = shared_user.name("own")
    shared_user.dinv("create", name)
    return name


def _url(user: User, name: str) -> str:
    return user.dinv("url", name).stdout.strip()


def _served(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  (the caller's own)
            return b"it works" in answer.read()
    except OSError:
        return False


def _networks(engine: Engine) -> list[str]:
    return [network["Name"] for network in engine.networks.list() if own_network.is_ours(network)]


def test_a_port_published_in_it_is_at_its_address(shared_user: User, machine: str) -> None:
    """What README shows: curl http://$(dinv ip dev):8080."""
    shared_user.import_hello(machine)
    shared_user.docker(
        machine,
        *("run", "-d", "-p", "8080:80", "hello", "sh", "-c", "echo it works >/tmp/page && httpd -f -h /tmp"),
    )
    address = shared_user.dinv("ip", machine).stdout.strip()
    assert _url(shared_user, machine) == f"tcp://{address}:2376"
    eventually(lambda: _served(f"http://{address}:8080/page"))
    assert shared_user.dinv("ip", "--own", machine).stdout.strip() == address
    assert shared_user.dinv(*LS, "--format", "{{.Reached}}").stdout.strip() == "own address"
    with shared_user.engine() as engine:
        inspected = engine.containers.inspect(f"dinv-{machine}")
    assert not inspected["HostConfig"]["PortBindings"], "no port of this computer is taken"


def test_it_stays_over_stop_start_and_upgrade(shared_user: User, machine: str) -> None:
    url = _url(shared_user, machine)
    shared_user.dinv("restart", machine)
    assert _url(shared_user, machine) == url
    shared_user.dinv("upgrade", "--force", machine)
    assert _url(shared_user, machine) == url
    shared_user.docker(machine, "version")


def test_a_pruned_network_is_made_again(user: User, engine: Engine, shared_user: User, machine: str) -> None:
    """Of two stores, whose machines are on the same one."""
    name = user.name("two")
    user.dinv("create", name)
    assert _networks(engine) == ["dinv"]
    urls = _url(user, name), _url(shared_user, machine)
    user.dinv("stop", name)
    shared_user.dinv("stop", machine)
    user.run("docker", "-H", user.endpoint, "network", "prune", "-f")
    assert _networks(engine) == []
    begun = user.begin("start", name), shared_user.begin("start", machine)
    for process in begun:
        assert "Network dinv was removed from the endpoint" in finish(process).stdout
    assert _networks(engine) == ["dinv"]
    assert (_url(user, name), _url(shared_user, machine)) == urls
    for who, which in ((user, name), (shared_user, machine)):
        who.docker(which, "version")
    user.dinv("rm", "-y", name)
    assert _networks(engine) == ["dinv"], "the other store's machine is on it"


def test_an_address_that_somebody_took_meanwhile(user: User, shared_user: User, machine: str) -> None:
    """At a start of its own, and between the choice and the start of a new one."""
    before = _url(shared_user, machine)
    address = before.removeprefix("tcp://").partition(":")[0]
    shared_user.dinv("stop", machine)
    with Squatter(user, address):
        said = shared_user.dinv("start", machine).stdout
    assert f"Its address {address} is in use" in said
    assert _url(shared_user, machine) != before
    shared_user.docker(machine, "version")

    name = user.name("late")
    squatters = []

    def take() -> None:
        with user.engine() as engine:
            networks = engine.containers.inspect(f"dinv-{name}")["NetworkSettings"]["Networks"]
        squatters.append(Squatter(user, networks["dinv"]["IPAMConfig"]["IPv4Address"]))
        squatters[0].__enter__()

    with Proxy(user.endpoint) as counted:
        user.dinv("create", name, "--endpoint", counted.address)
        user.dinv("rm", "-y", name)
    at = next(n for n, request in enumerate(counted.requests, 1) if request.endswith("/start"))
    with Proxy(user.endpoint, at=at, act=take) as proxy:
        user.dinv("create", name, "--endpoint", proxy.address)
        squatters[0].__exit__(None, None, None)
        user.docker(name, "version")
        user.dinv("rm", "-y", name)


class Squatter:
    """A container that has an address of dinv's network."""

    def __init__(self, user: User, address: str) -> None:
        self._docker = ("docker", "-H", user.endpoint)
        self._user, self._address = user, address
        self._name = f"squatter-{user.suffix}"

    def __enter__(self) -> None:
        self._user.run(
            *self._docker,
            *("run", "-d", "--name", self._name, "--network", "dinv", "--ip", self._address),
            *("--entrypoint", "sleep", "dinv:latest", "600"),
        )

    def __exit__(self, *exc: object) -> None:
        self._user.run(*self._docker, "rm", "-f", self._name)


@pytest.fixture
def vpn(shared_user: User, machine: str) -> Iterator[str]:
    """A route that takes the machine's address away, as a VPN's do; the address."""
    address = shared_user.dinv("ip", machine).stdout.strip()
    shared_user.dinv("stop", machine)
    device = "dinv-test-vpn"
    for words in (
        ("link", "add", device, "type", "bridge"),
        ("link", "set", device, "up"),
        ("route", "add", f"{address}/32", "dev", device),
    ):
        subprocess.run(["ip", *words], check=True, timeout=20)
    yield address
    subprocess.run(["ip", "link", "delete", device, "type", "bridge"], check=True, timeout=20)


def test_a_subnet_that_a_vpn_has_taken(shared_user: User, machine: str, vpn: str, engine: Engine) -> None:
    said = shared_user.dinv("start", machine).stdout
    assert "at dinv-test-vpn now" in said
    assert "new certificates" in said
    address = shared_user.dinv("ip", machine).stdout.strip()
    assert address != vpn
    shared_user.docker(machine, "version")
    shared_user.dinv("restart", machine)
    assert shared_user.dinv("ip", machine).stdout.strip() == address
    shared_user.dinv("rm", "-y", machine)
    assert _networks(engine) == []


def test_further_ports_are_published_and_kept(user: User) -> None:
    """For where its own address is not reached; `docker run -p` in the machine leads there."""
    name = user.name("more")
    port, udp = free_ports(2)
    with socket.create_server(("127.0.0.1", port)):
        said = user.fails("create", name, "-p", f"{port}:8080", status=3)
        assert f"port {port} is in use" in said
    user.dinv("create", name, "--publish", "127.0.0.1", "-p", f"{port}:8080", "-p", f"{udp}/udp")
    assert user.dinv(*LS, "--format", "{{.Reached}}").stdout.strip() == "published port"
    user.import_hello(name)
    user.docker(
        name,
        *("run", "-d", "--restart", "always", "-p", "8080:80", "hello"),
        *("sh", "-c", "echo it works >/tmp/page && httpd -f -h /tmp"),
    )
    eventually(lambda: _served(f"http://127.0.0.1:{port}/page"))
    user.dinv("upgrade", "--force", name)
    eventually(lambda: _served(f"http://127.0.0.1:{port}/page"))
    with user.engine() as engine:
        bound = engine.containers.inspect(f"dinv-{name}")["HostConfig"]["PortBindings"]
    assert bound[f"{udp}/udp"] == [{"HostIp": "127.0.0.1", "HostPort": str(udp)}]
    user.dinv("rm", "-y", name)


@pytest.mark.timeout(900)
def test_machines_on_machines(user: User, tmp_path: Path) -> None:
    """Three deep, each made as any other is; and each has networks of its own."""
    archive = str(tmp_path / "image.tar")
    user.run("docker", "-H", user.endpoint, "save", "-o", archive, "dinv:latest", timeout=LOAD_SECONDS)
    names = [user.name(base) for base in ("outer", "inner", "third")]
    subnets: list[str] = []
    for outer, name in zip(["", *names], names, strict=False):
        if outer:
            user.run("docker", "--context", outer, "load", "-q", "-i", archive, timeout=LOAD_SECONDS)
        user.dinv("create", *(["--endpoint", outer] if outer else []), name)
        seen = user.run("docker", "--context", name, "network", "inspect", "bridge")
        subnets.append(json.loads(seen)[0]["IPAM"]["Config"][0]["Subnet"])
        inside = user.inside(name, "ip", "-4", "-o", "route")
        found = [
            ipaddress.ip_network(line.split()[0]) for line in inside.splitlines() if "/" in line.split()[0]
        ]
        assert all(one is two or not one.overlaps(two) for one in found for two in found)
    assert len(set(subnets)) == 3
    _tunnel(user, names[0], user.name("far"))
    address = user.dinv("ip", names[0]).stdout
    assert [user.dinv("ip", name).stdout for name in names] == [address] * 3
    assert [row["Reached"] for row in json.loads(user.dinv(*LS, "--format", "json").stdout)] == [
        "published port",
        "own address",
        "published port",
    ]
    for name in reversed(names):
        user.dinv("rm", "-y", name)


def _tunnel(user: User, outer: str, name: str) -> None:
    """An engine elsewhere by a local socket, as a tunnel's is: here a machine's own, by its file system."""
    with user.engine() as engine:
        pid = engine.containers.inspect(f"dinv-{outer}")["State"]["Pid"]
    endpoint = ("--endpoint", f"unix:///proc/{pid}/root/run/docker.sock")
    said = user.fails("create", *endpoint, name)
    assert "looks like a tunnel" in said
    assert "--publish ADDRESS" in said
    user.dinv("create", *endpoint, "--publish", user.dinv("ip", outer).stdout.strip(), name)
    user.dinv("rm", "-y", name)


@pytest.mark.parametrize("answered", [False, True])
def test_the_first_create_is_killed_at_its_network(user: User, engine: Engine, answered: bool) -> None:  # noqa: FBT001
    """Where it makes the network, and at the look at what it has made."""
    with Proxy(user.endpoint) as counted:
        name = user.name("first")
        user.dinv("create", name, "--endpoint", counted.address)
        user.dinv("rm", "-y", name)
    assert _networks(engine) == []
    at = next(n for n, request in enumerate(counted.requests, 1) if "/networks/create" in request)
    for step in (at, at + 1):
        for number in (signal.SIGKILL, signal.SIGINT):
            name = user.name(f"{step}-{number:d}")
            with Proxy(user.endpoint, at=step, answered=answered) as proxy:
                begun: Future[subprocess.Popen[str]] = Future()
                proxy.act = functools.partial(_send, begun, number)
                process = user.begin("create", name, "--endpoint", proxy.address)
                begun.set_result(process)
                finish(process, None)
                if number == signal.SIGKILL:
                    user.dinv("rm", "-y", name)
            assert user.traces(name) == []
            assert _networks(engine) == []


def _send(begun: Future[subprocess.Popen[str]], number: signal.Signals) -> None:
    process = begun.result(20)
    process.send_signal(number)
    if number == signal.SIGKILL:
        process.wait(20)
        # What it has asked for does not arrive: nobody makes the network later, when its removal has looked.
        raise ConnectionAbortedError

"""dinv's own network: where a machine is put on it, and what becomes of it."""

from __future__ import annotations

import contextlib
import ipaddress
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import MOUNTS, container, new_driver
from fake_engine import FakeEngine

from dinv.drivers import AddressTaken
from dinv.drivers.docker.network import own_address
from dinv.endpoints import own_network
from dinv.errors import Conflict, MachineError, PreCreateCheckFailed, ServerError, Unauthorized
from dinv.labels import LABEL_KEEP
from dinv.progress import Progress
from dinv.system import routes

if TYPE_CHECKING:
    from dinv.drivers.docker.driver import DockerDriver


class Computer:
    """What this computer's kernel says of devices, addresses and routes."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.is_the_engines = True
        self.devices = {"docker0"}
        self.own = {"172.17.0.1"}
        self.networks = [ipaddress.IPv4Network("172.17.0.0/16")]
        self.led_away: dict[str, str] = {}

    def made(self) -> list[dict[str, Any]]:
        return [found for found in self.engine.networks.there.values() if own_network.is_ours(found)]

    def is_device(self, name: str) -> bool:
        bridges = (
            {own_network.bridge_of(network) for network in self.made()} if self.is_the_engines else set()
        )
        return name in self.devices | bridges

    def is_own(self, address: str) -> bool:
        gateways = (
            {own_network.gateway_of(network) for network in self.made()} if self.is_the_engines else set()
        )
        return address in self.own | gateways

    def device_to(self, address: str) -> str:
        if address in self.led_away:
            return self.led_away[address]
        for network in self.made():
            subnet = ipaddress.IPv4Network(network["IPAM"]["Config"][0]["Subnet"])
            if self.is_the_engines and ipaddress.IPv4Address(address) in subnet:
                return own_network.bridge_of(network)
        return "eth0"


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine(info={"ID": "one"})
    engine.networks.there["bridge"].update(
        Options={"com.docker.network.bridge.name": "docker0"},
        IPAM={"Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]},
    )
    return engine


@pytest.fixture(autouse=True)
def computer(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> Computer:
    computer = Computer(engine)
    for name in ("is_device", "is_own", "device_to"):
        monkeypatch.setattr(routes, name, getattr(computer, name))
    monkeypatch.setattr(routes, "networks", lambda: computer.networks)
    return computer


def made(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, name: str = "dev", **values: Any
) -> DockerDriver:
    """A machine that is made, not started; its record is kept nowhere."""
    driver = new_driver(engine, name, identity=name, **values)
    monkeypatch.setattr(driver.store, "save", lambda _: None)
    driver.pre_create_check(Progress())
    own_address.prepare(driver.site)
    driver.create({}, (), MOUNTS)
    return driver


def test_the_first_machine_makes_it_and_the_last_one_removes_it(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = made(engine, monkeypatch, "one"), made(engine, monkeypatch, "two")
    assert one.config.driver["Network"] == two.config.driver["Network"] == "dinv"
    assert one.config.driver["IP"] != two.config.driver["IP"]
    assert one.url == f"tcp://{one.ip}:2376"
    assert one.config.driver["Reached"] == "own address"
    assert one.addresses()[0] == one.ip
    assert engine.calls.count(("create network", "dinv")) == 1
    for driver in (one, two):
        assert not engine.containers.inspect(driver.site.container)["HostConfig"].get("PortBindings")
        driver.config.ours["Phase"] = "ready"
    one.remove()
    assert "dinv" in engine.networks.there
    two.remove()
    assert "dinv" not in engine.networks.there


def test_one_that_somebody_keeps_stays(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    own_network.ensure(engine, labels={LABEL_KEEP: "engine"})  # type: ignore[arg-type]
    driver = made(engine, monkeypatch)
    driver.config.ours["Phase"] = "ready"
    driver.remove()
    assert "dinv" in engine.networks.there


def test_an_address_outlives_the_machine(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    made(engine, monkeypatch, "other")
    first = made(engine, monkeypatch)
    first.remove()
    assert made(engine, monkeypatch).url == first.url


@pytest.mark.parametrize(
    "values", [{"publish": "127.0.0.1"}, {"publish": ":4000"}, {"publish": "10.0.0.1:4000"}]
)
def test_who_wants_a_published_port_has_one(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]
) -> None:
    driver = made(engine, monkeypatch, **values)
    assert driver.config.driver["Port"]
    assert driver.config.driver["Reached"] == "published port"
    assert not engine.networks.there.get("dinv")


def test_a_network_of_the_users_is_the_users(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.networks.there["lab"] = {"Name": "lab", "Driver": "bridge", "Id": "lab"}
    driver = made(engine, monkeypatch, network="lab")
    assert driver.config.driver["Network"] == "lab"
    assert driver.config.driver["Port"]


def test_an_engine_elsewhere_is_asked_for_nothing(
    engine: FakeEngine, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.is_the_engines, computer.devices = False, set()
    driver = made(engine, monkeypatch)
    assert driver.config.driver["Port"]
    assert ("create network", "dinv") not in engine.calls


def test_an_engine_elsewhere_that_looks_like_this_one_is_found_out(
    engine: FakeEngine, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have a docker0 with the same address: what is made there is not here."""
    computer.is_the_engines = False
    driver = made(engine, monkeypatch)
    assert driver.config.driver["Port"]
    assert driver.ip == "127.0.0.1"
    assert engine.calls.count(("create network", "dinv")) == 1
    assert "dinv" not in engine.networks.there


def test_who_may_make_no_networks_has_a_published_port(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.networks.refusals = [Unauthorized("authorization denied by plugin", status=403)]
    assert made(engine, monkeypatch).config.driver["Reached"] == "published port"
    assert engine.calls.count(("create network", "dinv")) == 1


def test_who_may_not_even_see_networks_has_a_published_port(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that lets an engine's other calls through."""

    def refuse(**_: object) -> None:
        raise Unauthorized("forbidden by the proxy", status=403)

    monkeypatch.setattr(engine.networks, "list", refuse)
    driver = made(engine, monkeypatch)
    assert driver.config.driver["Reached"] == "published port"
    driver.config.driver["OwnNetwork"] = {"Wanted": True}
    driver.remove()
    assert not engine.containers.there


def test_subnets_that_the_engine_refuses_are_passed_over(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.networks.refusals = [
        Unauthorized("Pool overlaps with other one on this address space", status=403),
        ServerError("cannot create network: conflicts with network 5c (br-1)", status=500),
    ]
    driver = made(engine, monkeypatch)
    assert driver.config.driver["Reached"] == "own address"
    assert engine.calls.count(("create network", "dinv")) == 3


def test_somebody_elses_network_of_that_name_is_let_alone(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.networks.there["dinv"] = {"Name": "dinv", "Driver": "overlay", "Id": "theirs"}
    assert made(engine, monkeypatch).config.driver["Network"] == "dinv-2"
    engine.networks.there["dinv"] = {"Name": "dinv", "Driver": "overlay", "Id": "theirs"}


def test_a_name_taken_meanwhile(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.networks.refusals = [Conflict("network with name dinv already exists", status=409)]
    assert made(engine, monkeypatch).config.driver["Network"] == "dinv-2"


def test_routes_of_this_computer_are_kept_clear_of(
    engine: FakeEngine, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    computer.networks.append(ipaddress.IPv4Network("10.0.0.0/8"))
    subnet = ipaddress.IPv4Network(made(engine, monkeypatch).config.driver["OwnNetwork"]["Subnet"])
    assert not any(subnet.overlaps(network) for network in computer.networks)


def test_an_address_taken_before_the_start_is_left_to_others(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine, monkeypatch)
    first = driver.ip
    engine.containers.refusal = Unauthorized("Address already in use", status=403)
    with pytest.raises(AddressTaken):
        driver.start(timeout=1)
    driver.move()
    assert driver.ip not in ("", first)
    assert driver.url == f"tcp://{driver.ip}:2376"


def test_addresses_of_all_containers_are_taken(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = made(engine, monkeypatch).ip
    engine.containers.there.clear()
    for kind in ({"IPAddress": wanted}, {"IPAMConfig": {"IPv4Address": wanted}}):
        engine.containers.there["web"] = container("web", NetworkSettings={"Networks": {"dinv": kind}})
        assert made(engine, monkeypatch).ip != wanted
        engine.containers.there.clear()


def test_a_full_network_says_what_to_do(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    made(engine, monkeypatch, "first")
    monkeypatch.setattr(own_network, "elsewhere", lambda *_: "tun0")
    with pytest.raises(PreCreateCheckFailed, match=r'publish="127\.0\.0\.1"'):
        made(engine, monkeypatch)


def test_a_network_that_was_removed_is_made_again(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine, monkeypatch)
    kept = dict(driver.config.driver)
    driver.config.ours["Phase"] = "ready"
    del engine.networks.there["dinv"]
    driver.start(timeout=1)
    assert driver.config.driver == kept, "the same subnet, bridge and address"
    assert "was removed" in driver.notes[0]
    assert not driver.refresh_address()


def test_a_machine_follows_from_a_subnet_that_is_led_away(
    engine: FakeEngine, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine, monkeypatch)
    driver.config.ours["Phase"] = "ready"
    before = driver.ip
    computer.led_away[before] = "wg0"
    driver.start(timeout=1)
    assert driver.config.driver["Network"] == "dinv-2"
    assert "wg0" in driver.notes[0]
    assert driver.ip == before, "until its certificates are for the new one"
    assert driver.refresh_address()
    assert driver.ip != before
    assert list(engine.containers.inspect(driver.site.container)["NetworkSettings"]["Networks"]) == ["dinv-2"]


def test_a_bridge_that_is_just_being_made_is_not_led_away(
    engine: FakeEngine, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By another start, after `network prune`: the bridge is there before the route to it."""
    driver = made(engine, monkeypatch)
    driver.config.ours["Phase"] = "ready"
    computer.led_away[driver.ip] = "eth0"
    held = []

    def last_step() -> contextlib.AbstractContextManager[None]:
        held.append("by the other one")
        computer.led_away.clear()
        return contextlib.nullcontext()

    monkeypatch.setattr(own_network, "_alone", last_step)
    driver.start(timeout=1)
    assert held
    assert driver.notes == []


def test_a_machine_that_cannot_be_mended_says_how_to_keep_its_images(
    engine: FakeEngine, computer: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine, monkeypatch)
    driver.config.ours["Phase"] = "ready"
    computer.led_away[driver.ip] = "wg0"
    engine.networks.refusals = [Unauthorized("denied", status=403)]
    with pytest.raises(MachineError, match="--keep-cache"):
        driver.start(timeout=1)


def test_an_address_that_somebody_has_at_a_later_start(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = made(engine, monkeypatch)
    driver.config.ours["Phase"] = "ready"
    before = driver.ip
    start = engine.containers.start
    refused: list[Exception] = [Unauthorized("Address already in use", status=403)]

    def once(*words: str, timeout: float) -> None:
        if refused:
            raise refused.pop()
        start(*words, timeout=timeout)

    monkeypatch.setattr(engine.containers, "start", once)
    driver.start(timeout=1)
    assert f"{before} is in use" in driver.notes[0]
    assert driver.refresh_address()
    assert driver.ip != before


def test_the_search_begins_at_the_machines_name(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zlib, "crc32", lambda _: 0)
    one, two = (int(ipaddress.IPv4Address(made(engine, monkeypatch, name).ip)) for name in ("a", "b"))
    assert two == one + 1

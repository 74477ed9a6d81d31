"""A machine on a machine: how it is reached, and which subnets are in it."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import MOUNTS, new_driver
from fake_engine import FakeEngine, port_taken

from dinv.drivers import AddressTaken
from dinv.drivers.docker.network import inner, nested
from dinv.errors import PreCreateCheckFailed
from dinv.images import options
from dinv.progress import Progress
from dinv.store.record import MachineConfig
from dinv.system import routes

if TYPE_CHECKING:
    from dinv.drivers.docker.driver import DockerDriver

net = ipaddress.IPv4Network


@pytest.fixture(autouse=True)
def no_routes(monkeypatch: pytest.MonkeyPatch) -> list[ipaddress.IPv4Network]:
    """This computer's routes; none to begin with."""
    found: list[ipaddress.IPv4Network] = []
    monkeypatch.setattr(routes, "networks", lambda: found)
    return found


def machine(name: str, **kept: Any) -> MachineConfig:
    config = MachineConfig.new(name=name, store_path="/s", driver_name="docker", identity=name, created="now")
    config.driver.update(kept)
    return config


def on(outer: MachineConfig | None, engine: FakeEngine, name: str = "dev", **values: Any) -> DockerDriver:
    """A machine that is made on another, or on the engine alone."""
    driver = new_driver(engine, name, identity=name, **values)
    driver.site._outer = (outer,)
    driver.pre_create_check(Progress())
    inner.choose(driver.site)
    driver.create({}, (), MOUNTS)
    return driver


def test_on_one_that_is_reached_at_its_own_address() -> None:
    outer = machine("outer", Port=0, URL="tcp://10.213.0.9:2376")
    driver = on(outer, FakeEngine(host="10.213.0.9"))
    kept = driver.config.driver
    assert driver.url == f"tcp://10.213.0.9:{kept['Port']}"
    assert kept["PublishAddress"] == "", "on all addresses of the outer one"
    spare = nested.leading_in(driver.config)
    assert spare is not None
    assert len(spare) == len(set(spare)) == nested.SPARE
    assert kept["Port"] not in spare


def test_on_one_that_has_ports_leading_into_it() -> None:
    """Three deep: half of what is left goes on to the next, the rest is for its neighbours."""
    engine = FakeEngine(host="127.0.0.1")
    further = [
        {"Address": "", "Port": port, "MachinePort": port, "Protocol": "tcp"} for port in range(24000, 24008)
    ]
    further += [{"Address": "", "Port": 80, "MachinePort": 8080, "Protocol": "tcp"}]
    outer = machine("outer", Port=23999, PublishPorts=further)
    one = on(outer, engine, "one")
    assert one.url == "tcp://127.0.0.1:24000"
    assert one.config.driver["PublishAddress"] == "", (
        "a loopback address of this computer is none of the outer one"
    )
    assert nested.leading_in(one.config) == [24001, 24002, 24003]
    for driver in (one,):
        engine.containers.start(driver.site.container, timeout=1)
    two = on(outer, engine, "two")
    assert two.url == "tcp://127.0.0.1:24004"
    assert nested.leading_in(two.config) == [24005]


@pytest.mark.parametrize("refused", ["the daemon's", "a spare one", "not said"])
def test_two_at_once_do_not_end_up_with_each_other_s(refused: str) -> None:
    """Both have chosen the same; all that the second chose is chosen anew."""
    engine = FakeEngine(host="127.0.0.1")
    further = [
        {"Address": "", "Port": port, "MachinePort": port, "Protocol": "tcp"} for port in range(24000, 24008)
    ]
    outer = machine("outer", Port=23999, PublishPorts=further)
    two = new_driver(engine, "two", identity="two", publish_ports=["8080:80"])
    two.site._outer = (outer,)
    two.pre_create_check(Progress())
    one = on(outer, engine, "one")
    one.start(timeout=1)
    two.create({}, (), MOUNTS)
    assert two.config.driver["Port"] == one.config.driver["Port"]
    assert nested.leading_in(two.config) == nested.leading_in(one.config)
    engine.containers.refusal = port_taken({"the daemon's": 24000, "a spare one": 24001}.get(refused, 0))
    with pytest.raises(AddressTaken):
        two.start(timeout=1)
    engine.containers.refusal = None
    two.move()
    two.create({}, (), MOUNTS)
    two.start(timeout=1)
    assert two.url == "tcp://127.0.0.1:24004"
    assert nested.leading_in(two.config) == [24005]
    assert [port["Port"] for port in two.config.driver["PublishPorts"]] == [8080, 24005]


def test_on_one_that_nothing_leads_into() -> None:
    outer = machine("outer", Port=23999, PublishPorts=[])
    with pytest.raises(PreCreateCheckFailed, match="--publish-ports 24000-24007 outer"):
        on(outer, FakeEngine(host="10.0.0.1"))


def test_a_machine_that_is_no_machine_s_neighbour_gets_no_spare_ports() -> None:
    assert on(None, FakeEngine(host="10.0.0.1")).config.driver["PublishPorts"] == []


def test_who_is_found_by_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = new_driver(FakeEngine(host="10.213.0.9"))
    found = {"outer": machine("outer", URL="tcp://h:2376"), "none": machine("none", URL="tcp://other:2376")}
    found["none"].driver["URL"] = "tcp://other:2376"
    monkeypatch.setattr(driver.store, "names", lambda: list(found))
    monkeypatch.setattr(driver.store, "load", lambda name: found[name])
    outer = driver.site.outer
    assert outer is found["outer"]


# Subnets


def test_subnets_are_clear_of_what_is_around(no_routes: list[ipaddress.IPv4Network]) -> None:
    no_routes.append(net("172.17.0.0/16"))
    engine = FakeEngine(
        host="172.20.0.5", info={"DefaultAddressPools": [{"Base": "172.19.0.0/16", "Size": 24}]}
    )
    engine.networks.there["lab"] = {
        "Name": "lab",
        "Id": "lab",
        "Driver": "bridge",
        "IPAM": {"Config": [{"Subnet": "172.18.4.0/24"}]},
    }
    driver = on(machine("outer", Port=0, Avoid=["172.21.0.0/24", "odd"]), engine)
    assert driver.config.driver["AddressPools"] == inner.pools(net("172.22.0.0/16"))
    assert {"172.18.4.0/24", "172.19.0.0/16", "172.21.0.0/24", "172.20.0.5/32"} == set(
        driver.config.driver["Avoid"]
    )


def test_pools_do_not_overlap_and_are_not_all_of_it() -> None:
    for base in (net("172.18.0.0/16"), net("192.168.32.0/19")):
        first, second = (net(pool["Base"]) for pool in inner.pools(base))
        assert not first.overlaps(second)
        assert first.subnet_of(base)
        assert second.subnet_of(base)


def test_without_a_subnet_that_is_free_docker_chooses(no_routes: list[ipaddress.IPv4Network]) -> None:
    no_routes += [net("10.0.0.0/8"), net("172.16.0.0/12"), net("192.168.0.0/16")]
    driver = on(None, FakeEngine())
    assert driver.config.driver["AddressPools"] == []
    assert driver.daemon_defaults() == {"default-address-pool": []}


def test_they_stay_what_they_are(no_routes: list[ipaddress.IPv4Network]) -> None:
    driver = on(None, FakeEngine())
    before = driver.config.driver["AddressPools"]
    no_routes.append(net("172.16.0.0/12"))
    inner.choose(driver.site)
    assert driver.config.driver["AddressPools"] == before


@pytest.mark.parametrize(
    ("flags", "set_by_us"),
    [
        ((), True),
        (("bip=10.9.0.1/24",), True),
        (("default-address-pool=base=10.9.0.0/16,size=24",), False),
        (("default-address-pools=x",), False),
    ],
)
def test_what_the_user_says_holds(flags: tuple[str, ...], set_by_us: bool) -> None:  # noqa: FBT001
    driver = on(None, FakeEngine())
    given = options.with_defaults({"ArbitraryFlags": list(flags)}, driver.daemon_defaults())
    written = options.default_arguments(given)
    assert bool(written) is set_by_us
    if set_by_us:
        assert written[0] == "--default-address-pool=base=172.17.0.0/20,size=20"

"""All that is looked at before anything is made."""

from __future__ import annotations

from typing import Any

import pytest
from docker_machine import container, made, new_driver
from fake_engine import FakeEngine

from dinv.errors import DinvError, PreCreateCheckFailed
from dinv.labels import LABEL_ID
from dinv.progress import Progress

LAB = {
    "Name": "lab",
    "Driver": "bridge",
    "IPAM": {"Config": [{"Subnet": "10.0.0.0/24"}, {"Subnet": "fd00::/64"}, {}]},
    "Containers": {"1": {"Name": "web", "IPv4Address": "10.0.0.5/24"}},
}


@pytest.fixture
def engine() -> FakeEngine:
    engine = FakeEngine()
    engine.networks.there["lab"] = LAB
    return engine


def check(engine: FakeEngine, **values: Any) -> dict[str, Any]:
    driver = new_driver(engine, **values)
    driver.pre_create_check(Progress())
    return driver.config.driver


def refused(engine: FakeEngine, words: str, **values: Any) -> None:
    with pytest.raises(PreCreateCheckFailed, match=words):
        check(engine, **values)
    assert engine.calls == []


def test_what_was_left_open_is_settled_and_nothing_made(engine: FakeEngine) -> None:
    kept = check(engine)
    assert (kept["Isolation"], kept["PublishAddress"], kept["Host"]) == (
        "capabilities",
        "127.0.0.1",
        "127.0.0.1",
    )
    assert kept["URL"] == f"tcp://127.0.0.1:{kept['Port']}"
    assert engine.calls == []


def test_the_endpoint_is_told(engine: FakeEngine) -> None:
    lines: list[tuple[str, ...]] = []

    class Listener(Progress):
        def line(self, *words: str) -> None:
            lines.append(words)

    new_driver(engine).pre_create_check(Listener())
    assert lines == [("Endpoint", "unix:///e.sock (Docker Engine 26.1.5)")]


def test_limits_are_what_the_endpoint_has_at_most(engine: FakeEngine) -> None:
    check(engine, cpus="4", memory="8g")
    refused(engine, "cpus=4.5", cpus="4.5")
    refused(engine, "memory=", memory="9g")


def test_an_endpoint_of_windows_containers_has_no_machines() -> None:
    refused(FakeEngine(info={"OSType": "windows"}), "windows")


def test_a_runtime_has_to_be_there(engine: FakeEngine) -> None:
    refused(engine, "isolation", isolation="kata")


@pytest.mark.parametrize(("identity", "words"), [("", "not a machine of dinv"), ("other", "another store")])
def test_the_containers_name_has_to_be_free(engine: FakeEngine, identity: str, words: str) -> None:
    engine.containers.there["dinv-dev"] = container("dev", identity=identity)
    refused(engine, words)


def test_an_earlier_machines_volume_is_offered_not_taken(engine: FakeEngine) -> None:
    engine.volumes.there["dinv-dev-cache"] = {"Name": "dinv-dev-cache", "Labels": {LABEL_ID: "earlier"}}
    refused(engine, 'cache_volume="dinv-dev-cache"')
    assert check(engine, cache_volume="dinv-dev-cache")["CacheVolumeKept"]


def test_a_volume_in_use_is_refused(engine: FakeEngine) -> None:
    engine.volumes.there["mine"] = {"Name": "mine", "Labels": None}
    mount = {"Name": "mine", "Destination": "/x"}
    engine.containers.there["web"] = container("web", Mounts=[mount])
    refused(engine, "in use by web", cache_volume="mine")


def test_a_volume_whose_name_only_contains_it_is_not_in_the_way(engine: FakeEngine) -> None:
    engine.volumes.there["mine"] = {"Name": "mine", "Labels": None}
    engine.containers.there["web"] = container("web", Mounts=[{"Name": "mine-too", "Destination": "/mine"}])
    assert check(engine, cache_volume="mine")["CacheVolumeKept"]


def test_a_volume_that_is_there_has_its_size(engine: FakeEngine) -> None:
    engine.volumes.there["mine"] = {"Name": "mine", "Labels": None}
    refused(engine, "cache_size", cache_volume="mine", cache_size="1g")
    assert not check(engine, cache_volume="new", cache_size="1g")["CacheVolumeKept"]


def test_the_network_has_to_be_there(engine: FakeEngine) -> None:
    refused(engine, "bridge, lab", network="nosuch")


def test_an_address_is_in_the_network_and_free(engine: FakeEngine) -> None:
    kept = check(engine, network="lab", ip="10.0.0.7", publish="none")
    assert kept["URL"] == "tcp://10.0.0.7:2376"
    refused(engine, "10.0.0.0/24", network="lab", ip="10.0.1.7")
    refused(engine, "web", network="lab", ip="10.0.0.5")


@pytest.mark.parametrize("ipam", [None, {"Config": None}, {"Config": []}])
def test_a_network_without_a_subnet_has_no_addresses(engine: FakeEngine, ipam: Any) -> None:
    engine.networks.there["bare"] = {"Name": "bare", "Driver": "bridge", "IPAM": ipam}
    refused(engine, "no subnet", network="bare", ip="10.0.0.7")


def test_a_subnet_that_cannot_be_read_is_an_error(engine: FakeEngine) -> None:
    engine.networks.there["odd"] = {"Name": "odd", "IPAM": {"Config": [{"Subnet": "x"}]}}
    with pytest.raises(DinvError, match="subnet"):
        check(engine, network="odd", ip="10.0.0.7")


@pytest.mark.parametrize("kind", ["macvlan", "ipvlan"])
def test_hosts_of_the_outer_network_publish_nothing(engine: FakeEngine, kind: str) -> None:
    engine.networks.there["lan"] = {"Name": "lan", "Driver": kind}
    kept = check(engine, network="lan")
    assert (kept["Published"], kept["Port"], kept["Host"]) == (False, 0, "")
    refused(engine, "publish", network="lan", publish=":4000")


def test_two_machines_are_in_nobodys_way(engine: FakeEngine) -> None:
    one, two = made(engine, "one"), made(engine, "two", identity="y")
    assert one.url != two.url

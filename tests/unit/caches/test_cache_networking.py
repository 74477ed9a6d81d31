"""Where a cache is reached, by its endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest
from fake_engine import FakeEngine

from dinv.caches import networking
from dinv.drivers.docker.flavours import detect
from dinv.endpoints import own_network
from dinv.errors import PreCreateCheckFailed
from dinv.registries.cache_record import CacheRecord, Registry

if TYPE_CHECKING:
    from dinv.caches.site import CacheSite

VCH = {"ID": "vSphere Integrated Containers", "ServerVersion": "v1.5.8"}
OWN = {
    "Name": "dinv",
    "Driver": "bridge",
    "Id": "dinv",
    "Labels": {"io.dinv.role": "network"},
    "IPAM": {"Config": [{"Subnet": "10.213.0.0/22", "Gateway": "10.213.0.1"}]},
}


class Site:
    def __init__(self, info: dict[str, Any] | None = None) -> None:
        self.engine = FakeEngine(info=info)
        self.endpoint = "unix:///e.sock"
        self.flavour = detect(self.engine.info())
        self.record = CacheRecord.new(
            "hub",
            identity="id",
            created="",
            endpoint={},
            registries=[
                Registry("docker.io", "https://registry-1.docker.io", 5000),
                Registry("push", "", 5001),
            ],
        )
        self.found: dict[str, Any] | None = None

    def container(self) -> dict[str, Any] | None:
        return self.found


def placed(site: Site) -> CacheRecord:
    """Have it placed, as a create does before and after its start."""
    given = cast("CacheSite", site)
    networking.settle(given)
    networking.prepare(given)
    networking.learn(given)
    return site.record


@pytest.fixture
def no_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_network, "ensure", lambda *_args, **_more: None)


@pytest.fixture
def with_own_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_network, "ensure", lambda *_args, **_more: OWN)


def test_on_dinvs_network_it_has_an_address_that_it_keeps(with_own_network: None) -> None:
    site = Site()
    record = placed(site)
    assert networking.own(record) == "dinv"
    assert record["Host"] == record["Address"]
    assert record["Publish"] == ""
    address = record["Address"]
    assert placed(site)["Address"] == address
    assert [each.port for each in record.registries] == [5000, 5001]


def test_an_address_that_somebody_has_is_not_taken(with_own_network: None) -> None:
    address = placed(Site())["Address"]
    site = Site()
    used = {"NetworkSettings": {"Networks": {"dinv": {"IPAddress": address}}}, "Names": ["/x"]}
    site.engine.containers.list = lambda **_: [used]  # type: ignore[method-assign]
    assert placed(site)["Address"] not in ("", address)


def test_elsewhere_its_ports_are_published_at_the_bridges_gateway(no_own_network: None) -> None:
    site = Site()
    site.engine.networks.there["bridge"]["IPAM"] = {
        "Config": [{"Subnet": "172.17.0.0/16", "Gateway": "172.17.0.1"}]
    }
    record = placed(site)
    assert record["Host"] == record["Publish"] == "172.17.0.1"
    first = record.registries[0].port
    assert [each.port for each in record.registries] == [first, first + 1]
    assert 24000 <= first < 26000
    networking.move(cast("CacheSite", site))
    assert record.registries[0].port != first
    moved = record.registries[0].port
    assert placed(site).registries[0].port == moved


def test_without_a_gateway_a_network_has_to_be_named(no_own_network: None) -> None:
    with pytest.raises(PreCreateCheckFailed, match="network"):
        placed(Site())


def test_on_a_network_of_the_users_it_goes_by_its_name() -> None:
    site = Site()
    site.engine.networks.there["mine"] = {"Name": "mine", "Driver": "bridge", "Id": "mine"}
    site.record["Network"] = "mine"
    assert placed(site)["Host"] == "dinv-cache-hub"


@pytest.mark.parametrize("network", ["none-such", "bridge"])
def test_a_network_that_will_not_do(network: str) -> None:
    site = Site()
    site.record["Network"] = network
    with pytest.raises(PreCreateCheckFailed):
        placed(site)


def test_on_a_vch_it_is_where_its_vm_is() -> None:
    site = Site(VCH)
    site.found = {"NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.16.0.9"}}}}
    record = placed(site)
    assert record["Host"] == "172.16.0.9"
    assert record["Publish"] == ""

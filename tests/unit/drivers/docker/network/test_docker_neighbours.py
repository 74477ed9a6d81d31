"""Whether two machines reach each other at their own addresses, and what is around one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.drivers.docker.network.neighbours import apart, surroundings
from dinv.store.record import MachineConfig

if TYPE_CHECKING:
    from dinv.drivers.docker.site import Site

NETWORKS = [
    {"Name": "bridge", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]}},
    {"Name": "dinv", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "10.213.236.0/22"}]}},
    {"Name": "lan", "Driver": "macvlan", "IPAM": {"Config": [{"Subnet": "192.0.2.0/24"}]}},
    {"Name": "wan", "Driver": "macvlan", "IPAM": {"Config": None}},
]
OWN = {
    "OwnNetwork": {"Subnet": "10.213.236.0/22", "Gateway": "10.213.236.1", "Bridge": "dnv1"},
    "Network": "dinv",
}
WANTED = {"OwnNetwork": {"Wanted": True}, "Network": ""}
PUBLISHED = {"Network": "", "Port": 24561, "Published": True}
LAN = {"Network": "lan", "Port": 0, "Published": False}
WAN = {"Network": "wan", "Port": 0, "Published": False}


class Place:
    """A site, as far as it is asked."""

    def __init__(self, name: str, url: str, kept: dict[str, Any]) -> None:
        self.config = MachineConfig.new(
            name=name, store_path="/s", driver_name="docker", identity=name, created="2026-01-01T00:00:00Z"
        )
        self.config.driver.update(Endpoint={"URL": url}, **kept)
        self.endpoint = url

    def networks(self) -> list[dict[str, Any]]:
        return NETWORKS


def why(mine: dict[str, Any], theirs: dict[str, Any], *, elsewhere: bool) -> str:
    here = Place("m2", "unix:///a.sock", mine)
    other = Place("m1", "tcp://h:2376" if elsewhere else "unix:///a.sock", theirs)
    return apart(cast("Site", here), other.config)


@pytest.mark.parametrize("mine", [OWN, WANTED])
def test_on_one_network_of_one_endpoint(mine: dict[str, Any]) -> None:
    assert why(mine, OWN, elsewhere=False) == ""
    assert why(PUBLISHED, PUBLISHED, elsewhere=False) == ""


@pytest.mark.parametrize(("mine", "theirs"), [(OWN, PUBLISHED), (PUBLISHED, WANTED), (LAN, OWN)])
def test_bridges_of_one_endpoint_are_kept_apart(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert "keeps such networks apart" in why(mine, theirs, elsewhere=False)


def test_networks_that_may_be_routed() -> None:
    assert why(LAN, WAN, elsewhere=False) == ""


@pytest.mark.parametrize(
    ("mine", "theirs", "said"),
    [
        (LAN, PUBLISHED, "m1 is reached there at a published port only"),
        (PUBLISHED, LAN, "m2 is reached there at a published port only"),
        (LAN, OWN, "m1 is on network dinv, which ends at its endpoint"),
        (WANTED, LAN, "m2 is on network dinv, which ends at its endpoint"),
    ],
)
def test_two_endpoints(mine: dict[str, Any], theirs: dict[str, Any], said: str) -> None:
    assert said in why(mine, theirs, elsewhere=True)


def test_two_endpoints_with_addresses_of_their_own() -> None:
    assert why(LAN, LAN, elsewhere=True) == ""


def test_what_is_around() -> None:
    kept = {**OWN, "Avoid": ["172.30.0.0/24"], "AddressPools": [{"Base": "172.18.0.0/20", "Size": 20}]}
    assert surroundings(cast("Site", Place("m1", "unix:///a.sock", kept))) == [
        "172.30.0.0/24",
        "10.213.236.0/22",
        "172.18.0.0/20",
    ]
    # Before it is made, the endpoint's networks are what is known.
    assert surroundings(cast("Site", Place("m1", "unix:///a.sock", LAN))) == [
        "172.17.0.0/16",
        "10.213.236.0/22",
        "192.0.2.0/24",
    ]

"""The options of machines in a swarm: what is refused before anything is made, and what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from dinv.errors import InputError
from dinv.images.dinv import DinvContract
from dinv.labels import LABEL_ID
from dinv.options import Table
from dinv.provisioners.swarm import SwarmProvisioner, addresses
from dinv.provisioners.swarm.options import check
from dinv.store.record import MachineConfig


def new(**options: Any) -> MachineConfig:
    config = MachineConfig.new(
        name="m1", store_path="/store", driver_name="docker", identity="abc", created="2026-01-01T00:00:00Z"
    )
    values = Table(provisioner="swarm").values(options, {}).provisioner_values
    SwarmProvisioner.record(config, values)
    return config


def test_what_is_recorded() -> None:
    config = new(join="m0", role="manager", engine_label=["a=b"])
    assert config.provisioner == "swarm"
    assert {key: value for key, value in config.provisioner_options.items() if value} == {
        "join": "m0",
        "role": "manager",
    }
    assert config.engine_options["Labels"] == ["a=b", f"{LABEL_ID}=abc"]


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"join": "m0", "autolock": True}, "--autolock is for a machine that begins"),
        ({"join": "m0", "data_path_port": 7000}, "--data-path-port is for"),
        ({"join": "m0", "default_addr_pool": ("10.1.0.0/16",)}, "--default-addr-pool is for"),
        ({"role": "worker"}, "--role worker needs --join NAME"),
        ({"data_path_port": 1023}, "from 1024 to 49151"),
        ({"data_path_port": 49152}, "from 1024 to 49151"),
        ({"advertise_addr": "eth0"}, "not an IP address"),
        ({"advertise_addr": "127.0.0.1"}, "that others can reach"),
        ({"advertise_addr": "0.0.0.0"}, "that others can reach"),  # noqa: S104
        ({"default_addr_pool": ("10.1.0.1/16",)}, "not an IPv4 subnet"),
        ({"default_addr_pool": ("10.1.0.0/25",)}, "no room for networks of /24"),
        ({"default_addr_pool_mask_length": 30}, "29 at most"),
    ],
)
def test_what_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError) as caught:
        check(values)
    assert why in getattr(caught.value.text, "worded", lambda _: caught.value.text)("dinv")


@pytest.mark.parametrize("flag", ["live-restore", "live-restore=true", "live-restore=1"])
def test_live_restore_excludes_a_swarm(flag: str) -> None:
    with pytest.raises(InputError, match="one or the other"):
        new(engine_opt=[flag])


def test_live_restore_switched_off_is_fine() -> None:
    assert new(engine_opt=["live-restore=false"]).engine_options["ArbitraryFlags"] == ["live-restore=false"]


def provisioner(config: MachineConfig) -> SwarmProvisioner:
    class Driver:
        store = None

    return SwarmProvisioner(config, Driver(), DinvContract())  # type: ignore[arg-type]


def test_what_a_change_is_refused() -> None:
    made = provisioner(new())
    with pytest.raises(InputError, match="one or the other"):
        made.changes({"engine_opt": ("live-restore",)})
    with pytest.raises(InputError, match="how the swarm knows the machine"):
        made.changes({"engine_label_rm": (LABEL_ID,)})
    assert made.changes({"engine_label": ("team=red",)}) == {"Labels": [f"{LABEL_ID}=abc", "team=red"]}


# Addresses


@pytest.mark.parametrize(
    ("taken", "pool"),
    [
        ([], ["10.0.0.0/12"]),
        (["10.213.236.0/22", "172.17.0.0/16"], ["10.0.0.0/12"]),
        (["10.0.0.0/24"], ["10.16.0.0/12"]),
        (["fd00::/64", "no subnet"], ["10.0.0.0/12"]),
        ([f"10.{16 * number}.0.0/24" for number in range(16)], ["10.1.0.0/16"]),
        (["10.0.0.0/8"], []),
    ],
)
def test_a_pool_that_is_free(taken: list[str], pool: list[str]) -> None:
    assert addresses.overlay_pool(taken) == pool


@pytest.mark.parametrize(
    ("pools", "taken", "overlap"),
    [
        (["10.0.0.0/8"], ["10.213.236.0/22"], []),
        (["10.0.0.0/8"], ["10.0.7.0/24"], ["10.0.7.0/24"]),
        (["10.213.0.0/16"], ["10.213.236.0/22"], ["10.213.236.0/22"]),
    ],
)
def test_pools_that_collide(pools: list[str], taken: list[str], overlap: list[str]) -> None:
    assert addresses.overlapping(pools, taken) == overlap


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ({"ManagerStatus": {"Addr": "192.0.2.1:2377"}, "Status": {"Addr": "192.0.2.9"}}, "192.0.2.1"),
        ({"ManagerStatus": {"Addr": "0.0.0.0:2377"}, "Status": {"Addr": "192.0.2.9"}}, "192.0.2.9"),
        ({"Status": {"Addr": "0.0.0.0"}}, ""),  # noqa: S104
        ({"ManagerStatus": {"Addr": "[2001:db8::1]:2377"}}, "2001:db8::1"),
        ({}, ""),
    ],
)
def test_the_address_of_a_node(node: dict[str, Any], address: str) -> None:
    assert addresses.of_node(node) == address

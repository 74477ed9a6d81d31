"""The docker driver's flags: what they become, and what they cannot be."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv import declaration
from dinv.drivers.docker.flags import FLAGS, configure, parse_publish
from dinv.errors import InputError, NoEndpoint, OptionError
from dinv.images import DEFAULT_IMAGE
from dinv.progress import Progress
from dinv.store.record import MachineConfig
from dinv.store.store import Store
from dinv.wording import Wording

if TYPE_CHECKING:
    from pathlib import Path

ADDRESSES = st.ip_addresses(v=4) | st.ip_addresses(v=6)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path))


def configured(store: Store, **values: Any) -> dict[str, Any]:
    config = MachineConfig.new(
        name="dev", store_path=store.path, driver_name="docker", identity="x", created="now"
    )
    checked = declaration.values(FLAGS, {"endpoint": "unix:///e.sock", **values}, {})
    configure(config, store, checked, Progress(), None)
    return config.driver


def test_each_flag_has_a_variable_of_its_own() -> None:
    assert len({flag.env for flag in FLAGS}) == len({flag.name for flag in FLAGS}) == len(FLAGS)
    assert all(flag.env.startswith("DINV_") for flag in FLAGS)


def test_what_is_left_open_is_left_to_the_checks(store: Store) -> None:
    kept = configured(store)
    assert (kept["Image"], kept["CPUs"], kept["Memory"], kept["CacheSize"]) == (DEFAULT_IMAGE, 0, 0, 0)
    assert (kept["CacheVolume"], kept["CacheVolumeNamed"]) == ("dinv-dev-cache", False)
    assert (kept["Container"], kept["Isolation"], kept["Labels"]) == ("dinv-dev", "auto", {})
    assert (kept["PublishAddress"], kept["Port"], kept["Published"], kept["PortChosen"]) == (
        "",
        0,
        True,
        False,
    )
    assert kept["Endpoint"]["URL"] == "unix:///e.sock"


def test_what_is_given_is_kept(store: Store) -> None:
    kept = configured(
        store,
        image="r/i:1",
        cpus="1.5",
        memory="2g",
        cache_size="20g",
        cache_volume="mine",
        network="lab",
        ip="10.0.0.7",
        publish="127.0.0.1:4000",
        label=("a=b", "c="),
        isolation="sysbox-runc",
    )
    assert (kept["Image"], kept["CPUs"], kept["Memory"]) == ("r/i:1", 1.5, 2 * 2**30)
    assert (kept["CacheSize"], kept["CacheVolume"], kept["CacheVolumeNamed"]) == (20 * 2**30, "mine", True)
    assert (kept["Network"], kept["IP"]) == ("lab", "10.0.0.7")
    assert (kept["PublishAddress"], kept["Port"], kept["PortChosen"]) == ("127.0.0.1", 4000, True)
    assert (kept["Labels"], kept["Isolation"]) == ({"a": "b", "c": ""}, "sysbox-runc")


def test_publish_none_is_the_machines_own_address(store: Store) -> None:
    kept = configured(store, publish="none")
    assert (kept["Published"], kept["Port"]) == (False, 0)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *[("cpus", value) for value in ("0", "-1", "x", "nan", "inf", "0.001")],
        *[("memory", value) for value in ("x", "1m", "127m", "-2g")],
        ("cache_size", "x"),
        *[("cache_volume", value) for value in ("/dir", "../x", "a", "a b")],
        *[("network", value) for value in ("host", "none", "container:x")],
        *[
            ("ip", value) for value in ("x", "10.0.0.300", "fd00::1", "10.0.0.7")
        ],  # the last without --network
        ("label", ("x",)),
        ("label", ("=x",)),
        ("label", ("io.dinv.machine=x",)),
    ],
)
def test_what_cannot_be_is_refused_by_name(store: Store, flag: str, value: Any) -> None:
    with pytest.raises(OptionError, match=flag) as caught:
        configured(store, **{flag: value})
    text = caught.value.text
    assert isinstance(text, Wording)
    assert text.worded("dinv").startswith(f"--{flag.replace('_', '-')} ")


def test_flags_are_looked_at_before_any_endpoint(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from dinv.endpoints import resolve

    def none(*_: object, **__: object) -> None:
        raise NoEndpoint([])

    monkeypatch.setattr(resolve, "resolve", none)
    with pytest.raises(InputError):
        configured(store, cpus="x")
    with pytest.raises(NoEndpoint):
        configured(store)


@pytest.mark.parametrize("name", ["bridge", "default", "", None])
def test_the_default_network_is_none_of_its_own(store: Store, name: str | None) -> None:
    assert configured(store, network=name)["Network"] == ""


# --publish


@pytest.mark.parametrize(
    ("text", "address", "port"),
    [
        (None, "", 0),
        ("", "", 0),
        ("none", "", 0),
        ("127.0.0.1", "127.0.0.1", 0),
        (":4000", "", 4000),
        ("4000", "", 4000),
        ("0.0.0.0:4000", "0.0.0.0", 4000),  # noqa: S104  (what is tested)
        ("::1", "::1", 0),
        ("[::1]", "::1", 0),
        ("[::1]:4000", "::1", 4000),
        ("::", "::", 0),
    ],
)
def test_publish(text: str | None, address: str, port: int) -> None:
    assert parse_publish(text) == (address, port)


@pytest.mark.parametrize(
    "text",
    [
        "host",
        "host:1",
        ":0",
        ":65536",
        ":x",
        "1.2.3.4:",
        "1.2.3.4:-1",
        "[::1",
        "::1]",
        "[]",
        "[]:80",
        "[",
        "1.2.3",
        "a:b:c",
    ],
)
def test_what_cannot_be_published(text: str) -> None:
    with pytest.raises(OptionError, match=r"^publish="):
        parse_publish(text)


@given(ADDRESSES, st.integers(1, 65535) | st.none())
def test_every_address_and_port_is_read_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int | None
) -> None:
    typed = f"[{address}]" if address.version == 6 else str(address)
    assert parse_publish(typed if port is None else f"{typed}:{port}") == (str(address), port or 0)


@given(st.text(max_size=12) | st.text("[]:.0123456789abf", max_size=12))
@example("²")
@example(":٣")
def test_any_text_is_an_address_and_a_port_or_an_input_error(text: str) -> None:
    try:
        address, port = parse_publish(text)
    except InputError:
        return
    if address:
        ipaddress.ip_address(address)
    assert 0 <= port <= 65535
    if not address and not port:
        assert text in ("", "none")

"""The docker driver on a VCH: volumes, addresses, and what a container VM does otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from docker_machine import container, made, new_driver
from fake_engine import FakeEngine

from dinv.drivers.docker.network import ports
from dinv.errors import MachineError, PreCreateCheckFailed, ServerError
from dinv.progress import Progress
from dinv.states import STARTING

INFO: dict[str, Any] = {
    "ID": "vSphere Integrated Containers",
    "ServerVersion": "v1.5.8-21768-5f5a8a4",
    "SystemStatus": [["VolumeStores", "default"]],
}


@pytest.fixture
def vch() -> FakeEngine:
    return FakeEngine(host="127.0.0.1", info=INFO)


def test_a_cache_has_a_useful_size_also_in_a_volume_that_is_named(vch: FakeEngine) -> None:
    made(vch)
    made(vch, "other", cache_volume="mine")
    made(vch, "small", cache_size="5g")
    sizes = {name: volume["Options"] for name, volume in vch.volumes.there.items()}
    assert sizes == {
        "dinv-dev-cache": {"Capacity": "20480"},
        "mine": {"Capacity": "20480"},
        "dinv-small-cache": {"Capacity": "5120"},
    }


def test_a_port_is_published_where_the_vch_says(vch: FakeEngine) -> None:
    made(vch)
    bindings = vch.containers.there["dinv-dev"]["HostConfig"]["PortBindings"]
    assert [bound["HostIp"] for bound in bindings["2376/tcp"]] == [""]


@pytest.mark.parametrize(
    ("told", "reached"), [("127.0.0.1", "127.0.0.1"), ("10.1.1.1", "10.1.1.1"), ("", "127.0.0.1")]
)
def test_the_address_that_it_is_published_at_is_followed(vch: FakeEngine, told: str, reached: str) -> None:
    driver = made(vch)
    found = vch.containers.there["dinv-dev"]["NetworkSettings"]
    found["Ports"] = {"2376/tcp": [{"HostIp": told, "HostPort": "1"}]}
    assert driver.refresh_address() == (reached != "127.0.0.1")
    assert driver.ip == reached
    assert reached in driver.addresses()
    assert not driver.refresh_address()


def test_an_engine_is_reached_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(host="10.0.0.1")
    driver = made(engine)
    found = engine.containers.there["dinv-dev"]["NetworkSettings"]
    found["Ports"] = {"2376/tcp": [{"HostIp": "10.9.9.9", "HostPort": "1"}]}
    assert not driver.refresh_address()
    assert driver.ip == "10.0.0.1"


def test_an_address_of_its_own_takes_a_container_network(vch: FakeEngine) -> None:
    with pytest.raises(PreCreateCheckFailed, match="container network"):
        new_driver(vch, publish="none").pre_create_check(Progress())
    vch.networks.there["mine"] = {"Name": "mine", "Driver": "bridge"}
    with pytest.raises(PreCreateCheckFailed, match="container network"):
        new_driver(vch, publish="none", network="mine").pre_create_check(Progress())
    vch.networks.there["public"] = {"Name": "public", "Driver": "external"}
    driver = new_driver(vch, network="public")
    driver.pre_create_check(Progress())
    assert not driver.address_known


def test_a_volume_that_somebody_running_has_is_told(vch: FakeEngine) -> None:
    driver = made(vch)
    other = container("web", Mounts=[{"Name": "dinv-dev-cache", "Destination": "/x"}])
    other["State"] = {"Status": "exited"}
    vch.containers.there["web"] = other
    driver.start(timeout=1)
    for word in ("running", "Starting", "Stopping"):
        other["State"] = {"Status": word}
        with pytest.raises(MachineError, match=r"dinv-dev-cache .* container web"):
            driver.start(timeout=1)
    # The filter goes by words that are in a name: this is another volume.
    other["Mounts"] = [{"Name": "dinv-dev-cache2", "Destination": "/x"}]
    driver.start(timeout=1)


def test_users_of_a_cache_are_seen_where_no_mounts_are_listed(
    vch: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(vch)
    listed = [{"Names": ["/dinv-dev"], "Labels": {}, "State": "running"}]
    monkeypatch.setattr(vch.containers, "list", lambda **_: listed)
    with pytest.raises(PreCreateCheckFailed, match="in use by dinv-dev"):
        new_driver(vch, "heir", cache_volume="dinv-dev-cache").pre_create_check(Progress())


def test_a_quota_is_told_in_its_words(vch: FakeEngine) -> None:
    vch.containers.refusal = ServerError("Container count exceeds limit 3", status=500)
    with pytest.raises(PreCreateCheckFailed, match="exceeds limit 3"):
        made(vch)


@pytest.mark.parametrize("word", ["Starting", "starting"])
def test_a_vm_that_boots_is_starting_and_not_ended(vch: FakeEngine, word: str) -> None:
    driver = made(vch)
    vch.containers.there["dinv-dev"]["State"] = {"Status": word, "Running": False, "ExitCode": 0}
    assert driver.ended() is None
    assert driver.state(timeout=1).state == STARTING


def test_a_stop_may_take_its_grace_three_times(vch: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    given = []
    driver = made(vch)
    monkeypatch.setattr(
        vch.containers, "stop", lambda _name, *, grace, timeout: given.append((grace, timeout))
    )
    driver.stop(timeout=20)
    assert [(grace, timeout >= 60) for grace, timeout in given] == [(20, True)]


def test_following_takes_what_there_is(vch: FakeEngine) -> None:
    driver = made(vch)
    told: list[dict[str, Any]] = [
        {},
        {"2376/tcp": None},
        {"2376/tcp": []},
        {"80/tcp": [{"HostIp": "10.0.0.1"}]},
    ]
    for published in told:
        ports.follow(driver.site, published)
    assert driver.config.driver["Host"] == "127.0.0.1"


@pytest.mark.parametrize("port", ["22", "2375", "2376", "2380", "12376"])
def test_the_endpoints_own_ports_are_not_published(vch: FakeEngine, port: str) -> None:
    """A VCH takes them, and is out of everybody's reach from then on (vic-observed, section 2)."""
    vch.transport.address = "tcp://[::1]:12376"
    with pytest.raises(PreCreateCheckFailed, match=f"Port {port} is one of tcp") as caught:
        new_driver(vch, publish=f":{port}").pre_create_check(Progress())
    assert "publish" in str(caught.value)
    assert vch.calls == []


def test_a_port_that_dinv_chooses_is_none_of_the_endpoints_own(vch: FakeEngine) -> None:
    port = made(vch).config.driver["Port"]
    vch.containers.there.clear()
    vch.volumes.there.clear()
    vch.transport.address = f"tcp://127.0.0.1:{port}"
    assert made(vch).config.driver["Port"] != port


def test_an_engine_looks_after_its_ports_itself() -> None:
    engine = FakeEngine(host="10.0.0.1")
    new_driver(engine, publish=":2376").pre_create_check(Progress())


def test_a_volume_of_nearly_that_name_is_another(vch: FakeEngine) -> None:
    made(vch, "dev2", cache_volume="mine2")
    vch.volumes.there["mine"] = {"Name": "mine", "Labels": {}}
    driver = new_driver(vch, cache_volume="mine")
    driver.pre_create_check(Progress())
    assert driver.config.driver["CacheVolumeKept"]
    with pytest.raises(PreCreateCheckFailed, match="mine2 is in use by dinv-dev2"):
        new_driver(vch, "rival", cache_volume="mine2").pre_create_check(Progress())

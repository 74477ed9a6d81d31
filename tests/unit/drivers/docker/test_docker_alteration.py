"""The docker driver's part in a change of settings: which values, what is updated, and what is checked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import MOUNTS, made
from fake_engine import FakeEngine

from dinv.drivers.docker.network import ports
from dinv.errors import MachineError, OptionError, PreCreateCheckFailed
from dinv.progress import Progress
from dinv.store.record import READY

if TYPE_CHECKING:
    from dinv.drivers.docker.driver import DockerDriver

GIB = 2**30
SILENT = Progress()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """A remote one, where a port of the endpoint is published."""
    monkeypatch.setattr(ports, "can_bind", lambda _address, _port: True)
    return FakeEngine(host="10.0.0.1")


def running(engine: FakeEngine, **values: Any) -> DockerDriver:
    driver = made(engine, **values)
    driver.config.ours["Phase"] = READY
    driver.start(timeout=5)
    return driver


def changes(driver: DockerDriver, **values: Any) -> dict[str, Any]:
    return driver.alteration().changes(values, SILENT)


def test_limits_are_updated_where_there_are_some_to_be_had(engine: FakeEngine) -> None:
    driver = running(engine, memory="1g")
    found = changes(driver, memory=2 * GIB, cpus=1.5)
    assert found == {"Memory": 2 * GIB, "CPUs": 1.5}
    alteration = driver.alteration()
    assert alteration.updates(found)
    assert [each.said for each in alteration.differences(found)] == ["none -> 1.5", "1 GiB -> 2 GiB"]
    assert not alteration.has(found)
    alteration.update(found)
    assert alteration.has(found)
    assert engine.containers.there["dinv-dev"]["HostConfig"]["MemorySwap"] == 4 * GIB
    assert driver.config.driver["Memory"] == GIB, "the record is not the driver's to change"


def test_a_limit_is_taken_away_by_another_container(engine: FakeEngine) -> None:
    driver = running(engine, memory="1g")
    for nothing in (None, 0):
        assert changes(driver, memory=nothing) == {"Memory": 0}
    assert not driver.alteration().updates({"Memory": 0})
    assert not driver.alteration().updates({"Memory": GIB, "Labels": {}})


@pytest.mark.parametrize(
    ("info", "updates"),
    [
        ({}, True),
        ({"BuildahVersion": "1.28", "ServerVersion": "4.3.1"}, False),
        ({"BuildahVersion": "1.36", "ServerVersion": "5.1.0"}, True),
        ({"BuildahVersion": "1.36", "ServerVersion": "strange"}, False),
        ({"ID": "vSphere Integrated Containers", "ServerVersion": "v1.5.8"}, False),
    ],
)
def test_endpoints_that_lose_an_update_get_another_container(*, info: dict[str, Any], updates: bool) -> None:
    driver = running(FakeEngine(host="10.0.0.1", info=info))
    assert driver.alteration().updates({"Memory": GIB}) is updates


def test_an_update_that_is_reported_and_not_done_is_found_out(engine: FakeEngine) -> None:
    driver = running(engine, memory="1g")
    engine.containers.ignores_updates = True
    with pytest.raises(MachineError, match=r'the limits of machine "dev": it reports the old limits'):
        driver.alteration().update({"Memory": 2 * GIB})


def test_less_memory_than_it_uses_is_refused_before_the_kernel_kills(engine: FakeEngine) -> None:
    driver = running(engine, memory="4g")
    engine.containers.used = {"usage": 3 * GIB, "stats": {"total_inactive_file": GIB}}
    driver.alteration().check({"Memory": 2 * GIB})
    driver.alteration().check({"CPUs": 1})
    engine.containers.used = {"usage": 3 * GIB, "stats": {"inactive_file": GIB // 2}}
    with pytest.raises(MachineError, match=r"uses 2\.5 GiB of memory now"):
        driver.alteration().check({"Memory": 2 * GIB})


def test_more_than_the_endpoint_has_is_refused(engine: FakeEngine) -> None:
    driver = running(engine)
    with pytest.raises(PreCreateCheckFailed, match="has 4 CPUs"):
        changes(driver, cpus=5.0)
    with pytest.raises(PreCreateCheckFailed, match="has 8 GiB"):
        changes(driver, memory=9 * GIB)
    with pytest.raises(OptionError, match="too little for a Docker daemon"):
        changes(driver, memory=1000)


def test_labels_and_dns_servers_are_added_and_taken_away(engine: FakeEngine) -> None:
    driver = running(engine, label=["a=1", "b=1"], dns=["10.0.0.2"])
    assert changes(driver, label=("a=2", "c=1"), label_rm=("b",)) == {"Labels": {"a": "2", "c": "1"}}
    assert changes(driver, dns=("10.0.0.3",)) == {"DNS": ["10.0.0.2", "10.0.0.3"]}
    assert changes(driver, dns_rm=("10.0.0.2",)) == {"DNS": []}
    assert changes(driver, label=("a=1",), dns=("10.0.0.2",)) == {}
    assert driver.config.driver["Labels"] == {"a": "1", "b": "1"}
    with pytest.raises(OptionError, match=r"label_rm='z' is not a label"):
        changes(driver, label_rm=("z",))
    with pytest.raises(OptionError, match=r"dns_rm='10\.9\.9\.9' is not one of the machine's"):
        changes(driver, dns_rm=("10.9.9.9",))
    with pytest.raises(OptionError, match="dinv's own"):
        changes(driver, label=("io.dinv.machine=x",))


def test_ports_are_added_moved_and_taken_away(engine: FakeEngine) -> None:
    driver = running(engine, publish_ports=["8080:80"])
    added = changes(driver, publish_ports=("9000-9001",))["PublishPorts"]
    assert [(port["Port"], port["MachinePort"]) for port in added] == [(8080, 80), (9000, 9000), (9001, 9001)]
    assert changes(driver, publish_ports=("8080:81",))["PublishPorts"][0]["MachinePort"] == 81
    assert changes(driver, publish_ports_rm=("8080",)) == {"PublishPorts": []}
    assert changes(driver, publish_ports=("8080:80",)) == {}
    (shown,) = driver.alteration().differences({"PublishPorts": added})
    assert shown.said == "+ 9000:9000/tcp, + 9001:9001/tcp"
    with pytest.raises(OptionError, match="8081/tcp is not published"):
        changes(driver, publish_ports_rm=("8081",))


def test_a_port_of_somebody_else_is_refused(engine: FakeEngine) -> None:
    running(engine, name="other", publish=":2400", publish_ports=["8080:80"])
    driver = running(engine)
    with pytest.raises(PreCreateCheckFailed, match=r"port 8080 is in use on .* by container dinv-other"):
        changes(driver, publish_ports=("8080:80",))
    with pytest.raises(PreCreateCheckFailed, match="Port 2400 is in use"):
        changes(driver, publish=":2400")
    with pytest.raises(PreCreateCheckFailed, match="daemon is published at port"):
        changes(driver, publish_ports=(f"{driver.config.driver['Port']}:80",))


def test_the_daemons_own_port_keeps_what_is_not_said(engine: FakeEngine) -> None:
    driver = running(engine)
    port = driver.config.driver["Port"]
    assert changes(driver, publish="10.0.0.7") == {"PublishAddress": "10.0.0.7", "Host": "10.0.0.7"}
    assert changes(driver, publish=":2500") == {"Port": 2500, "PortChosen": True}
    (shown,) = driver.alteration().differences({"Port": 2500, "PortChosen": True})
    assert shown.said == f"0.0.0.0:{port} -> 0.0.0.0:2500"
    with pytest.raises(OptionError, match="is decided when it is made"):
        changes(driver, publish="none")


def test_another_container_is_of_the_same_image_whatever_its_name_means_now(engine: FakeEngine) -> None:
    driver = running(engine)
    engine.containers.there["dinv-dev"]["Image"] = "sha256:old"
    labels = {"io.dinv.image.contract": "dinv"}
    old = {"Id": "sha256:old", "Config": {"Labels": labels}}
    engine.images.there = {"dinv:latest": old, "sha256:old": old}
    assert driver.replacement().current() == "dinv:latest"
    engine.images.there["dinv:latest"] = {"Id": "sha256:new", "Config": {"Labels": labels}}
    assert driver.replacement().current() == "sha256:old"
    del engine.images.there["sha256:old"]
    with pytest.raises(PreCreateCheckFailed, match=r"no longer has the image.*dinv upgrade --image REF dev"):
        driver.replacement().current()


def test_a_recreated_one_has_the_new_settings(engine: FakeEngine) -> None:
    driver = running(engine, label=["a=1"])
    driver.config.driver.update(changes(driver, label_rm=("a",), publish_ports=("8080:80",), memory=GIB))
    driver.replacement().replace({}, (), MOUNTS)
    there = engine.containers.there
    assert set(there) == {"dinv-dev", "dinv-dev_old"}
    assert "a" not in there["dinv-dev"]["Config"]["Labels"]
    assert there["dinv-dev"]["HostConfig"]["Memory"] == GIB
    assert there["dinv-dev"]["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"] == "8080"

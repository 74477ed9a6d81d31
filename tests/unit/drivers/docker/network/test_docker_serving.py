"""Ports that a provisioner wants to be reached: published where the daemon is, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from docker_machine import MOUNTS, new_driver
from fake_engine import FakeEngine, port_taken

from dinv.drivers import AddressTaken
from dinv.drivers.docker.network import ports, serving
from dinv.errors import PreCreateCheckFailed
from dinv.progress import Progress


def made(engine: FakeEngine, name: str = "dev", **values: Any) -> Any:
    driver = new_driver(engine, name, **values)
    driver.serve_ports([6443])
    driver.pre_create_check(Progress())
    driver.create({}, (), MOUNTS)
    return driver


def published(driver: Any) -> Any:
    return driver.site.engine.containers.inspect(driver.site.container)["HostConfig"].get("PortBindings")


def test_it_is_published_beside_the_daemon_and_reached_there() -> None:
    driver = made(FakeEngine(host="lab.test"))
    kept = driver.config.driver
    host, port = driver.reached_at(driver.config, 6443)
    assert host == "lab.test"
    assert port not in (0, kept["Port"])
    assert published(driver)["6443/tcp"] == [{"HostIp": "", "HostPort": str(port)}]
    assert made(FakeEngine(host="lab.test")).reached_at(driver.config, 6443) == (
        host,
        port,
    )  # kept by its name


def test_on_this_computer_it_is_for_this_computer_only() -> None:
    driver = made(FakeEngine(), publish="127.0.0.1")
    assert published(driver)["6443/tcp"][0]["HostIp"] == "127.0.0.1"
    assert driver.reached_at(driver.config, 6443)[0] == "127.0.0.1"


def test_a_port_that_the_user_named_for_it_is_the_one() -> None:
    driver = made(FakeEngine(host="lab.test"), publish_ports=["16443:6443"])
    assert [port["Port"] for port in driver.config.driver["PublishPorts"]] == [16443]
    assert driver.reached_at(driver.config, 6443) == ("lab.test", 16443)


def test_a_port_that_somebody_got_first_is_chosen_anew() -> None:
    driver = made(FakeEngine(host="lab.test"))
    first = driver.reached_at(driver.config, 6443)[1]
    driver.site.engine.containers.refusal = port_taken(first)
    with pytest.raises(AddressTaken):
        driver.start(timeout=1)
    driver.move()
    assert driver.reached_at(driver.config, 6443)[1] not in (0, first, driver.config.driver["Port"])


def test_at_its_own_address_nothing_is_published() -> None:
    driver = made(FakeEngine(), publish="none")
    assert not published(driver)
    assert driver.config.driver["PublishPorts"] == []


def test_what_was_chosen_is_dropped_when_it_gets_an_address_of_its_own() -> None:
    kept: dict[str, Any] = {"PublishAddress": "", "Serves": [6443], "PublishPorts": [{"Port": 80}]}
    kept["PublishPorts"][0] |= {"MachinePort": 80, "Protocol": "tcp", "Address": ""}
    serving.add(kept)
    assert serving.place(kept["PublishPorts"], [80, 81], lambda _port: True)
    assert [port["Port"] for port in kept["PublishPorts"]] == [80, 81]
    serving.drop(kept)
    assert [port["Port"] for port in kept["PublishPorts"]] == [80]


def test_with_no_port_left_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS", 1)
    with pytest.raises(PreCreateCheckFailed, match="No port"):
        made(FakeEngine(host="lab.test"))


def test_a_record_with_something_else_is_refused() -> None:
    from dinv.drivers.docker.site import KINDS
    from dinv.formats import kinds

    assert not kinds.wrong({"Serves": [6443]}, KINDS, "Driver")
    for odd in ("6443", ["6443"], [True], 6443):
        assert kinds.wrong({"Serves": odd}, KINDS, "Driver")

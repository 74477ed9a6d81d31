"""A container takes its machine's new name where it can, and the machine is the same where it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from docker_machine import container, made
from fake_engine import FakeEngine

from dinv.drivers.docker import containers
from dinv.errors import NotFound, ServerError

if TYPE_CHECKING:
    from dinv.drivers.docker.driver import DockerDriver


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def driver(engine: FakeEngine) -> DockerDriver:
    """A machine that was made as ci-1, and is called dev now."""
    driver = made(engine, "ci-1")
    driver.config.name = "dev"
    return driver


def test_it_is_renamed(engine: FakeEngine, driver: DockerDriver) -> None:
    driver.take_name()
    assert list(engine.containers.there) == ["dinv-dev"]
    assert driver.site.container == "dinv-dev"
    driver.take_name()
    assert engine.calls.count(("rename", "dinv-dev")) == 1


def test_a_rename_that_nobody_took_note_of_is_found(engine: FakeEngine, driver: DockerDriver) -> None:
    engine.containers.there["dinv-dev"] = engine.containers.there.pop("dinv-ci-1")
    driver.take_name()
    assert driver.site.container == "dinv-dev"


def test_somebody_elses_container_of_that_name_is_left_alone(
    engine: FakeEngine, driver: DockerDriver
) -> None:
    engine.containers.there["dinv-dev"] = container("dev", identity="theirs")
    driver.take_name()
    assert driver.site.container == "dinv-ci-1"
    del engine.containers.there["dinv-ci-1"]
    driver.take_name()
    assert driver.site.container == "dinv-ci-1"


@pytest.mark.parametrize(
    "error", [NotFound("page not found", status=404), ServerError("not implemented", status=501)]
)
def test_an_endpoint_that_cannot(
    error: Exception, engine: FakeEngine, driver: DockerDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(engine.containers, "rename", rename)
    driver.take_name()
    assert driver.site.container == "dinv-ci-1"
    assert containers.own_id(driver.site, driver.site.container)


def test_names_of_volumes_keep_it_from_being_renamed(engine: FakeEngine, driver: DockerDriver) -> None:
    driver.config.driver["DataVolumes"] = {"/data": "data1"}
    driver.take_name()
    assert list(engine.containers.there) == ["dinv-ci-1"]

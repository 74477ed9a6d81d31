"""The docker driver's part in an upgrade: which image, and which container stands where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import MOUNTS, made
from fake_engine import FakeEngine
from heard import Heard

from dinv.drivers.docker.creation import create
from dinv.errors import (
    BadRequest,
    ImageMissing,
    MachineError,
    MachineGone,
    PreCreateCheckFailed,
    ServerError,
)
from dinv.labels import LABEL_CONTRACT
from dinv.progress import Progress
from dinv.states import RUNNING, STOPPED
from dinv.store.record import READY

if TYPE_CHECKING:
    from dinv.drivers.docker.driver import DockerDriver


class Registry:
    """What a pull gets: the image with this id, or a refusal."""

    def __init__(self, engine: FakeEngine, identity: str = "") -> None:
        self.engine = engine
        self.identity = identity
        self.pulled: list[str] = []

    def pull(self, image: str, **_: Any) -> None:
        self.pulled.append(image)
        if not self.identity:
            raise BadRequest("no such manifest", status=404)
        self.engine.images.there[image] = described(self.identity, pulled=True)


def described(identity: str, *, pulled: bool, contract: str = "dinv") -> dict[str, Any]:
    return {
        "Id": f"sha256:{identity}",
        "RepoDigests": ["x@sha256:1"] if pulled else [],
        "Config": {"Labels": {LABEL_CONTRACT: contract}},
    }


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def running(engine: FakeEngine, *, image: str = "dinv:latest", **values: Any) -> DockerDriver:
    driver = made(engine, image=image, **values)
    driver.config.ours["Phase"] = READY
    engine.containers.there["dinv-dev"]["Image"] = "sha256:old"
    driver.start(timeout=5)
    return driver


def registry(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, identity: str = "") -> Registry:
    found = Registry(engine, identity)
    monkeypatch.setattr(engine.images, "pull", found.pull, raising=False)
    return found


# Which image


def test_one_that_was_built_there_is_not_looked_for_elsewhere(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, pulls = running(engine), registry(engine, monkeypatch)
    engine.images.there["dinv:latest"] = described("old", pulled=False)
    offer = driver.replacement().offer("", Progress())
    assert (offer.image, offer.contract, offer.same) == ("dinv:latest", "dinv", True)
    engine.images.there["dinv:latest"] = described("new", pulled=False)
    assert not driver.replacement().offer("", Progress()).same
    assert pulls.pulled == []


def test_one_that_was_pulled_is_pulled_again(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    driver, pulls = running(engine, image="r.test/dinv:1"), registry(engine, monkeypatch, "new")
    engine.images.there["r.test/dinv:1"] = described("old", pulled=True)
    assert not driver.replacement().offer("", Progress()).same
    assert pulls.pulled == ["r.test/dinv:1"]


def test_without_its_registry_what_is_there_has_to_do(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, heard = running(engine), Heard()
    registry(engine, monkeypatch)
    engine.images.there["dinv:latest"] = described("old", pulled=True)
    assert driver.replacement().offer("", heard).same
    assert "no such manifest" in heard.warnings[0]
    with pytest.raises(ImageMissing, match=r"r\.test/other"):
        driver.replacement().offer("r.test/other", Progress())


def test_another_contract_is_found_out(engine: FakeEngine) -> None:
    driver = running(engine)
    engine.images.there["docker:dind"] = described("new", pulled=False, contract="dind")
    assert driver.replacement().offer("docker:dind", Progress()).contract == "dind"


def test_a_vch_keeps_an_address_that_was_chosen(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = running(engine)
    driver.config.driver["IP"] = "192.0.2.7"
    monkeypatch.setattr(driver.site.flavour, "keeps_stopped_addresses", True)
    with pytest.raises(PreCreateCheckFailed, match=r"192\.0\.2\.7"):
        driver.replacement().offer("", Progress())


def test_one_that_is_gone_is_told_as_gone(engine: FakeEngine) -> None:
    driver = running(engine)
    engine.containers.there.clear()
    with pytest.raises(MachineGone):
        driver.replacement().offer("", Progress())
    with pytest.raises(MachineGone):
        driver.replacement().replace({}, (), MOUNTS)
    with pytest.raises(MachineGone):
        driver.replacement().take_back()
    driver.replacement().let_go()


# Which container


def aside(engine: FakeEngine) -> DockerDriver:
    """A machine set aside, and another in its place."""
    driver = running(engine)
    driver.config.ours["Upgrade"] = {"Answers": False}
    engine.containers.there["dinv-dev"]["was"] = "old"
    driver.replacement().replace({}, (), MOUNTS)
    return driver


def test_the_old_one_is_stopped_and_the_new_one_has_its_volume(engine: FakeEngine) -> None:
    aside(engine)
    old, new = engine.containers.there["dinv-dev_old"], engine.containers.there["dinv-dev"]
    assert old["was"] == "old"
    assert old["State"]["Status"] == "exited"
    assert "was" not in new
    assert new["Mounts"] == old["Mounts"]
    assert set(engine.volumes.there) == {"dinv-dev-cache"}


def test_what_the_endpoint_refuses_stops_nothing(engine: FakeEngine) -> None:
    driver = running(engine)
    engine.containers.refusal = ServerError("Container count exceeds limit 1. containers: 1", status=500)
    with pytest.raises(PreCreateCheckFailed, match="exceeds limit 1"):
        driver.replacement().replace({}, (), MOUNTS)
    driver.replacement().take_back()
    assert set(engine.containers.there) == {"dinv-dev"}
    assert engine.containers.there["dinv-dev"]["State"]["Status"] == "running"


def test_what_a_kill_has_left_beside_goes(engine: FakeEngine) -> None:
    driver = running(engine)
    driver.config.ours["Upgrade"] = {"Answers": False}
    create(driver.site, "dinv-dev_new", {}, (), MOUNTS)
    driver.replacement().take_back()
    assert set(engine.containers.there) == {"dinv-dev"}
    create(driver.site, "dinv-dev_new", {}, (), MOUNTS)
    driver.replacement().replace({}, (), MOUNTS)
    create(driver.site, "dinv-dev_new", {}, (), MOUNTS)
    driver.remove()
    assert engine.containers.there == {}


@pytest.mark.parametrize("new", [True, False])
def test_the_old_one_comes_back(engine: FakeEngine, new: bool) -> None:  # noqa: FBT001  (pytest's)
    driver = aside(engine)
    if not new:
        del engine.containers.there["dinv-dev"]
    for _ in range(2):
        driver.replacement().take_back()
        assert engine.containers.there["dinv-dev"]["was"] == "old"
        assert set(engine.containers.there) == {"dinv-dev"}


def test_the_old_one_goes(engine: FakeEngine) -> None:
    driver = aside(engine)
    for _ in range(2):
        driver.replacement().let_go()
        assert set(engine.containers.there) == {"dinv-dev"}
        assert "was" not in engine.containers.there["dinv-dev"]


def test_removal_takes_both(engine: FakeEngine) -> None:
    aside(engine).remove()
    assert engine.containers.there == {}
    assert engine.volumes.there == {}


def test_what_is_somebody_elses_is_not_touched(engine: FakeEngine) -> None:
    driver = aside(engine)
    for found in engine.containers.there.values():
        found["Config"]["Labels"] = {}
        found["Id"] = "other"
    driver.replacement().let_go()
    driver.remove()
    assert set(engine.containers.there) == {"dinv-dev", "dinv-dev_old"}


def test_its_state_says_that_it_is_not_finished(engine: FakeEngine) -> None:
    driver = aside(engine)
    driver.start(timeout=5)
    status = driver.state(timeout=1)
    assert (status.state, "dinv start dev" in status.error) == (RUNNING, True)
    del engine.containers.there["dinv-dev"]
    status = driver.state(timeout=1)
    assert (status.state, "dinv start dev" in status.error) == (STOPPED, True)


def test_what_needs_its_container_says_so_too(engine: FakeEngine) -> None:
    driver = aside(engine)
    del engine.containers.there["dinv-dev"]
    with pytest.raises(MachineError, match="dinv start dev"):
        list(driver.logs(tail=None, follow=False, timestamps=False))
    del engine.containers.there["dinv-dev_old"]
    with pytest.raises(MachineGone):
        driver.replacement().take_back()

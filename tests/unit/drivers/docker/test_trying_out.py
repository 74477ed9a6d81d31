"""A command tried in a container like the machine's, which is not left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from docker_machine import new_driver
from fake_engine import FakeEngine

from dinv.drivers.docker.checks import MOST_OUTPUT
from dinv.errors import BadRequest, DeadlineExceeded, PreCreateCheckFailed
from dinv.labels import LABEL_ID, LABEL_ROLE
from dinv.progress import Progress
from dinv.store.record import CREATING

if TYPE_CHECKING:
    from dinv.drivers.docker.driver import DockerDriver


def about_to_be_made(engine: FakeEngine) -> DockerDriver:
    driver = new_driver(engine)
    driver.config.ours["Phase"] = CREATING
    driver.pre_create_check(Progress())
    return driver


def test_it_has_what_the_machine_will_have_but_nothing_that_others_could_miss() -> None:
    engine = FakeEngine()
    driver = about_to_be_made(engine)
    engine.containers.ends = 3
    assert driver.try_out(["sh", "-c", "true"], timeout=5) == (3, b"one\ntwo\nthree\n")
    body = engine.containers.made["dinv-dev_try"]
    assert (body["Entrypoint"], body["Cmd"]) == (["sh"], ["-c", "true"])
    assert body["HostConfig"]["CapAdd"] == ["SYS_ADMIN", "NET_ADMIN"]
    assert body["HostConfig"]["RestartPolicy"] == {"Name": "no"}
    assert body["HostConfig"]["Binds"] == []
    assert not body["HostConfig"].get("PortBindings")
    assert (body["Labels"][LABEL_ID], body["Labels"][LABEL_ROLE]) == ("x", "trial")
    assert engine.containers.there == {}


def test_its_output_is_bounded() -> None:
    engine = FakeEngine()
    driver = about_to_be_made(engine)
    engine.containers.log = [(1, b"x" * 50_000), (1, b"y" * 50_000), (1, b"z")]
    found = driver.try_out(["yes"], timeout=5)
    assert found is not None
    assert len(found[1]) == MOST_OUTPUT


@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        (BadRequest("no such capability", status=400), PreCreateCheckFailed),
        (DeadlineExceeded("waiting", 5), DeadlineExceeded),
    ],
)
def test_nothing_is_left_of_one_that_fails(refusal: Exception, expected: type[Exception]) -> None:
    engine = FakeEngine()
    driver = about_to_be_made(engine)
    engine.containers.ends = refusal
    with pytest.raises(expected):
        driver.try_out(["true"], timeout=5)
    assert engine.containers.there == {}


def test_what_a_kill_has_left_goes_with_the_machine_and_at_the_next_try() -> None:
    engine = FakeEngine()
    driver = about_to_be_made(engine)
    driver.try_out(["true"], timeout=5)
    left = engine.containers.made["dinv-dev_try"]
    engine.containers.create("dinv-dev_try", left, timeout=1)
    driver.try_out(["true"], timeout=5)
    assert engine.containers.there == {}
    engine.containers.create("dinv-dev_try", left, timeout=1)
    driver.remove()
    assert engine.containers.there == {}

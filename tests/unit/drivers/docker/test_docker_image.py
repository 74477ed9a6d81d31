"""The machine image: a pull goes on without credentials that cannot be had."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from docker_machine import new_driver
from fake_engine import FakeEngine
from heard import Heard

from dinv.drivers.docker import image
from dinv.errors import ImageMissing, Unauthorized
from dinv.system import docker_config

if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.progress import Progress


class Puller(FakeEngine):
    """An engine that pulls, unless the registry wants a login; `sent` is what it was given for that."""

    def __init__(self, *, login: bool) -> None:
        super().__init__()
        self.login, self.sent = login, [object()]
        self.images.pull = self.pull  # type: ignore[attr-defined]

    def pull(self, name: str, *, credentials: object, **_: Any) -> None:
        self.sent = [credentials]
        if self.login and credentials is None:
            raise Unauthorized("no basic auth credentials", status=401)
        self.images.there[name] = {"Id": "sha256:1"}


@pytest.fixture(autouse=True)
def helper_that_is_missing() -> None:
    os.makedirs(docker_config.directory())
    with open(os.path.join(docker_config.directory(), "config.json"), "w", encoding="utf-8") as file:
        file.write('{"credsStore": "nosuch"}')


def ensure(engine: FakeEngine, progress: Progress) -> dict[str, Any]:
    pulling: Engine = engine  # type: ignore[assignment]
    return image.ensure(pulling, "reg.test/dinv:1", progress, advice="Build it.")


def test_a_public_image_is_pulled_whatever_the_helper_does() -> None:
    engine, progress = Puller(login=False), Heard()
    assert ensure(engine, progress) == {"Id": "sha256:1"}
    assert engine.sent == [None]
    (said,) = progress.warnings
    assert "docker-credential-nosuch" in said


def test_where_a_login_is_wanted_the_error_says_why_there_was_none() -> None:
    with pytest.raises(ImageMissing, match=r"no basic auth credentials \(docker-credential-nosuch") as caught:
        ensure(Puller(login=True), Heard())
    assert str(caught.value).endswith("\nBuild it.")


def test_what_the_variable_says_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", '{"auths": {"reg.test": {"auth": "bWU6cHc="}}}')
    engine, progress = Puller(login=True), Heard()
    assert ensure(engine, progress)
    assert not progress.warnings


def test_a_machine_as_endpoint_is_loaded_with_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = new_driver(FakeEngine())
    assert image.advice(driver.site, "dinv:latest") == "Build it there with: dinv image build"
    monkeypatch.setattr("dinv.drivers.machine_urls.machine_at", lambda *_: "outer")
    assert image.advice(driver.site, "dinv:2") == "Take it there with: dinv load outer dinv:2"

"""The machine images of an endpoint, as the library has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import ImageBuildError
from dinv.image_building import builder, pushing
from dinv.image_building.builder import MachineImage
from dinv.image_building.machine_images import MachineImages
from dinv.machines import Machines
from dinv.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.engine import Engine

BUILT = MachineImage("sha256:abcdef", ("dinv:latest",), "dinv", "1", "debian", 7, datetime.now(UTC))


class Lines(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def line(self, *words: str) -> None:
        self.said.append(" ".join(words))


class Endpoint:
    address = "unix:///e.sock"
    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Endpoint:
    monkeypatch.setattr(builder, "image_list", lambda _engine: [BUILT])
    return Endpoint()


@pytest.mark.parametrize("said", ["sha256:abcdef", "abcd"])
def test_what_was_built_is_told_whether_the_engine_answers_all_of_its_id_or_less(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    given: dict[str, Any] = {}

    def build(engine: Engine, **options: Any) -> str:
        given.update(options, engine=engine)
        return said

    monkeypatch.setattr(builder, "build", build)
    progress = Lines()
    with MachineImages(cast("Engine", endpoint)) as images:
        assert images.build(base="debian", tag="own:1", timeout=3, progress=progress) == BUILT
        assert images.endpoint == "unix:///e.sock"
        assert not endpoint.closed
    assert endpoint.closed
    assert [given[key] for key in ("engine", "base", "tag", "timeout")] == [endpoint, "debian", "own:1", 3]
    assert progress.said == ["Image own:1 built on debian"]


def test_an_image_that_somebody_removed_at_once_is_an_error(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builder, "build", lambda _engine, **_: "sha256:123")
    with pytest.raises(ImageBuildError, match="dinv:latest"):
        MachineImages(cast("Engine", endpoint)).build()


def test_what_was_pushed_has_the_name_by_which_others_pull_it(
    endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def push(engine: Engine, reference: str, progress: Progress, **options: Any) -> tuple[str, str]:
        assert engine is cast("Engine", endpoint)
        assert (reference, options) == ("reg.test/dinv", {"image": "own:1", "base": None})
        progress.line("Registry", reference)
        return "sha256:abcdef", "reg.test/dinv@sha256:1"

    monkeypatch.setattr(pushing, "push", push)
    pushed = MachineImages(cast("Engine", endpoint)).push("reg.test/dinv", image="own:1")
    assert (pushed.id, pushed.name) == ("sha256:abcdef", "reg.test/dinv@sha256:1")


def test_they_are_those_of_the_endpoint_that_create_would_use(
    tmp_path: Path, isolated_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machines = Machines(str(tmp_path / "store"))
    with machines.images("unix:///named.sock") as images:
        assert images.endpoint == "unix:///named.sock"
    monkeypatch.setenv("DINV_ENDPOINT", "unix:///variable.sock")
    with machines.images() as images:
        assert images.endpoint == "unix:///variable.sock"

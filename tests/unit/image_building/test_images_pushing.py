"""`image push`: which image is pushed, by which name, and what is said when a registry refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import ImageBuildError, ImageError, InputError, NotFound, ServerError, Unauthorized
from dinv.image_building import builder
from dinv.image_building.pushing import push
from dinv.labels import LABEL_CONTRACT
from dinv.progress import Progress

if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.engine.credentials import Credentials

REF = "reg.test:5000/mine/dinv"
DIGEST = "sha256:" + "7" * 64


class Lines(Progress):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.shown: list[str] = []

    def line(self, *words: str) -> None:
        self.said.append(" ".join(words))

    def update(self, text: str) -> None:
        self.shown.append(text)


class Registry:
    """An engine with images, and the registry that it pushes to."""

    address = "unix:///e.sock"

    def __init__(self, **info: Any) -> None:
        self.images = self
        self.there: dict[str, dict[str, Any]] = {}
        self.pushed: list[tuple[str, Credentials | None]] = []
        self.refusal: Exception | None = None
        self._info = info

    def info(self) -> dict[str, Any]:
        return self._info

    def add(self, name: str, identity: str, created: str, *, contract: str = "dinv") -> None:
        labels = {LABEL_CONTRACT: contract} if contract else {}
        self.there[name] = {"Id": identity, "Created": created, "Config": {"Labels": labels}}

    def inspect(self, image: str) -> dict[str, Any]:
        if image not in self.there:
            raise NotFound("no such image", status=404)
        return self.there[image]

    def tag(self, image: str, name: str) -> None:
        self.there[name] = next(found for found in self.there.values() if found["Id"] == image)

    def push(self, name: str, *, credentials: Credentials | None, progress: Any, timeout: object) -> str:
        assert name in self.there
        self.pushed.append((name, credentials))
        progress({"status": "The push refers to repository"})
        progress({"id": "a", "status": "Pushing", "progress": "[=>  ]"})
        progress({"id": "a", "status": "Pushed"})
        if self.refusal:
            raise self.refusal
        return DIGEST


@pytest.fixture
def registry(isolated_environment: None) -> Registry:
    return Registry()


def pushed(registry: Registry, progress: Progress | None = None, **given: Any) -> str:
    """The image that goes to the registry."""
    identity, name = push(cast("Engine", registry), REF, progress or Progress(), **given)
    assert registry.pushed == [(f"{REF}:latest", None)]
    assert registry.there[f"{REF}:latest"]["Id"] == identity
    assert name == f"{REF}@{DIGEST}"
    return identity


def test_the_newest_is_meant(registry: Registry) -> None:
    registry.add("dinv:latest", "one", "2026-01-01T00:00:00Z")
    progress = Lines()
    assert pushed(registry, progress) == "one"
    assert progress.said == [
        "Image dinv:latest of 2026-01-01 00:00:00",
        f"Registry {REF}:latest pushed, {DIGEST}",
    ]
    assert progress.shown[-2:] == ["0 of 1 layers, [=>  ]", "1 of 1 layers, Pushed"]


def test_built_by_its_name_in_the_registry_it_is_newer(registry: Registry) -> None:
    registry.add("dinv:latest", "one", "2026-01-01T00:00:00Z")
    registry.add(f"{REF}:latest", "two", "2026-01-01T00:00:00.5Z")
    assert pushed(registry) == "two"


def test_built_again_since_it_was_pushed(registry: Registry) -> None:
    registry.add(f"{REF}:latest", "one", "2026-01-01T00:00:00Z")
    registry.add("dinv:latest", "two", "2026-01-02T00:00:00Z")
    assert pushed(registry) == "two"


def test_where_there_is_none_it_is_built(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(engine: Registry, *, base: str | None, report: object) -> None:
        assert base == "debian"
        engine.add("dinv:latest", "built", "2026-01-01T00:00:00Z")

    monkeypatch.setattr(builder, "build", build)
    assert pushed(registry, base="debian") == "built"


def test_the_one_that_is_named(registry: Registry) -> None:
    registry.add("dinv:latest", "one", "2026-01-01T00:00:00Z")
    registry.add("mine:2", "two", "2025-01-01T00:00:00Z", contract="dind")
    registry.add("web", "three", "2025-01-01T00:00:00Z", contract="")
    assert pushed(registry, image="mine:2") == "two"
    with pytest.raises(ImageError, match=r"web .* is not a machine image"):
        pushed(registry, image="web")
    with pytest.raises(ImageError, match="has no image nope"):
        pushed(registry, image="nope")


@pytest.mark.parametrize("reference", ["dinv", "me/dinv:1", f"reg.test/dinv@{DIGEST}", "reg.test/Dinv"])
def test_a_name_that_is_none_of_a_registrys(registry: Registry, reference: str) -> None:
    registry.add("dinv:latest", "one", "2026-01-01T00:00:00Z")
    with pytest.raises(InputError, match=r"registry|digest|not the name"):
        push(cast("Engine", registry), reference, Progress())
    assert registry.pushed == []


def test_credentials_are_dockers(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.add("dinv:latest", "one", "2026-01-01T00:00:00Z")
    auths = '{"auths": {"reg.test:5000": {"username": "me", "password": "secret"}}}'
    registry.refusal = Unauthorized("denied", status=200)
    with pytest.raises(ImageError, match=r"docker has none for it.*docker login reg\.test:5000"):
        push(cast("Engine", registry), REF, Progress())
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", auths)
    with pytest.raises(ImageError, match=r"refused.*docker login reg\.test:5000"):
        push(cast("Engine", registry), REF, Progress())
    found = registry.pushed[-1][1]
    assert found is not None
    assert found.fields()["username"] == "me"
    registry.refusal = ServerError("no space left", status=200)
    with pytest.raises(ImageError, match="was not pushed: no space left"):
        push(cast("Engine", registry), REF, Progress())


def test_a_vch_neither_pushes_nor_builds() -> None:
    vch = cast("Engine", Registry(ID="vSphere Integrated Containers"))
    with pytest.raises(ImageBuildError, match="dinv image push"):
        push(vch, REF, Progress())
    with pytest.raises(ImageBuildError, match=r"dinv image push .* --endpoint ENGINE"):
        builder.build(vch)

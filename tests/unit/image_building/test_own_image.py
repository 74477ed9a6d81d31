"""An image of one's own is built of its directory, and found to be one, before it gets its name."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import ImageBuildError, InputError, NotFound, ServerError
from dinv.image_building import builder, own_image, sources

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.engine import Engine

MACHINE = {"Config": {"Labels": {"io.dinv.image.contract": "dinv"}}}


class FakeImages:
    def __init__(self, present: dict[str, dict[str, Any]], *, fails: str = "") -> None:
        self.present = present
        self.fails = fails
        self.context: dict[str, tarfile.TarInfo] = {}
        self.given: dict[str, Any] = {}
        self.tagged: list[tuple[str, str]] = []

    def inspect(self, image: str, **_: Any) -> dict[str, Any]:
        if image not in self.present:
            raise NotFound("No such image", status=404)
        return self.present[image]

    def build(self, context: Any, **given: Any) -> str:
        with tarfile.open(fileobj=io.BytesIO(context.read())) as tar:
            self.context = {member.name: member for member in tar}
        self.given = given
        for line in ("Step 1/2 : FROM x", " ---> 1234", " ---> Running in 5678", "\x1b[91mno luck\x1b[0m"):
            given["progress"]({"stream": line + "\n"})
        if self.fails:
            raise ServerError(self.fails, status=500)
        return "sha256:built"

    def tag(self, image: str, name: str, **_: Any) -> None:
        self.tagged.append((image, name))


def engine(images: FakeImages) -> Engine:
    return cast(
        "Engine",
        SimpleNamespace(
            images=images,
            info=lambda **_: {"ServerVersion": "26.1"},
            address="unix:///e.sock",
            at_least=lambda _: True,
        ),
    )


@pytest.fixture
def images() -> FakeImages:
    return FakeImages({"dinv:latest": MACHINE, "sha256:built": MACHINE, "debian:13": {"Config": {}}})


@pytest.fixture
def own(tmp_path: Path) -> str:
    directory = str(tmp_path / "own")
    sources.init(directory, chosen=["sshd"])
    return directory


def test_it_is_built_of_what_the_directory_has(images: FakeImages, own: str) -> None:
    os.symlink("Dockerfile", os.path.join(own, "link"))
    with open(os.path.join(own, ".dockerignore"), "a") as file:
        file.write("*.tmp\nDockerfile\n")
    for name in ("left.tmp", ".git", "kept"):
        with open(os.path.join(own, name), "w") as file:
            file.write("x")
    assert own_image.build(engine(images), own, network="host") == "sha256:built"
    assert set(images.context) == {
        *(".dockerignore", "Dockerfile", "README.md", "kept", "link"),
        *("sshd", "sshd/sshd", "sshd/sshd_config"),
    }
    assert {(member.uid, member.uname) for member in images.context.values()} == {(0, "root")}
    assert images.context["sshd/sshd"].mode == 0o755
    assert images.given["buildargs"] == {}
    assert images.given["network"] == "host"
    assert images.tagged == [("sha256:built", "dinv-own:latest")]


def test_another_machine_image_as_its_base(images: FakeImages, own: str) -> None:
    images.present["mine:2"] = MACHINE
    own_image.build(engine(images), own, base="mine:2", tag="reg.test/own:3")
    assert images.given["buildargs"] == {"BASE": "mine:2"}
    assert images.tagged == [("sha256:built", "reg.test/own:3")]


def test_one_that_only_a_registry_has_is_the_engines_to_pull(images: FakeImages, own: str) -> None:
    own_image.build(engine(images), own, base="reg.test/dinv:1")
    assert images.tagged


def test_a_base_that_is_no_machine_image_is_found_before_anything_is_built(
    images: FakeImages, own: str
) -> None:
    with pytest.raises(ImageBuildError, match="debian:13 is not a machine image, and nothing was built"):
        own_image.build(engine(images), own, base="debian:13")
    assert not images.given


def test_the_machine_image_is_built_first_where_there_is_none(
    images: FakeImages, own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    del images.present["dinv:latest"]
    built: list[dict[str, Any]] = []
    monkeypatch.setattr(builder, "build", lambda _engine, **given: built.append(given))
    own_image.build(engine(images), own)
    assert len(built) == 1
    assert "tag" not in built[0]


def test_whole_sources_are_built_first(
    images: FakeImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = str(tmp_path / "whole")
    sources.init(directory, base="debian")
    built: list[dict[str, Any]] = []
    monkeypatch.setattr(builder, "build", lambda _engine, **given: built.append(given))
    own_image.build(engine(images), directory, tag="company/dinv:2")
    assert (built[0]["base"], built[0]["tag"]) == ("debian", "company/dinv-base:2")
    assert built[0]["root"] == os.path.join(directory, "machine")
    assert images.given["buildargs"] == {"BASE": "company/dinv-base:2"}
    assert not [name for name in images.context if name.startswith("machine")]


def test_what_comes_out_has_to_be_a_machine_image(images: FakeImages, own: str) -> None:
    images.present["sha256:built"] = {"Config": {"Labels": {}}}
    with pytest.raises(ImageBuildError, match=r"not a machine image, and was not named dinv-own"):
        own_image.build(engine(images), own)
    assert not images.tagged


def test_a_volume_is_remarked_on(images: FakeImages, own: str) -> None:
    images.present["sha256:built"] = {"Config": {**MACHINE["Config"], "Volumes": {"/data": {}}}}
    said: list[str] = []
    own_image.build(engine(images), own, report=said.append)
    assert "dinv-own declares VOLUME /data: each machine would leave such volumes behind" in said


def test_a_step_that_fails_is_shown_with_what_it_said(images: FakeImages, own: str) -> None:
    images.fails = "The command '/bin/sh -c false' returned a non-zero code: 1"
    with pytest.raises(ImageBuildError) as caught:
        own_image.build(engine(images), own)
    assert str(caught.value) == f"Building {own} failed: {images.fails}\n  no luck"


@pytest.mark.parametrize(
    "message",
    [
        'OCI runtime create failed: exec: "/bin/sh": stat /bin/sh: no such file or directory: unknown',
        "runc: exec /bin/sh: no such file or directory",
    ],
)
def test_a_base_without_a_shell(message: str, images: FakeImages, own: str) -> None:
    images.fails = message
    with pytest.raises(ImageBuildError, match="has no shell"):
        own_image.build(engine(images), own)


@pytest.mark.parametrize(
    ("place", "message"),
    [("nosuch", "does not exist"), ("empty", "has no Dockerfile"), ("file", "is not a directory")],
)
def test_what_is_no_source(place: str, message: str, images: FakeImages, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=f"is not the source of a machine image: it {message}"):
        own_image.build(engine(images), str(tmp_path / place))


def test_names_that_it_cannot_have(images: FakeImages, own: str) -> None:
    with pytest.raises(InputError, match="give it another name"):
        own_image.build(engine(images), own, tag="dinv")
    with pytest.raises(InputError, match="not a digest"):
        own_image.build(engine(images), own, tag="dinv@sha256:" + "0" * 64)
    assert not images.given


def test_what_cannot_be_in_an_image(images: FakeImages, own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(own)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(InputError, match="socket is neither a file nor a directory"):
            own_image.build(engine(images), own)

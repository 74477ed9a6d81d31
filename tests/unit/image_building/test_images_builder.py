from __future__ import annotations

import io
import os
import stat
import tarfile
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dinv
from dinv.errors import ImageBuildError, NotFound, ServerError
from dinv.image_building import builder, from_packages

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.engine import Engine


class FakeImages:
    def __init__(self, present: set[str], *, pullable: bool = False, fails: str = "") -> None:
        self.present = present
        self.pullable = pullable
        self.fails = fails
        self.pulled: list[str] = []
        self.built: dict[str, Any] = {}
        self.tagged: dict[str, str] = {}

    def inspect(self, image: str, **_: Any) -> dict[str, Any]:
        if image not in self.present:
            raise NotFound("No such image", status=404)
        return {}

    def pull(self, image: str, **_: Any) -> None:
        self.pulled.append(image)
        if not self.pullable:
            raise ServerError("no registry here", status=500)

    def build(self, context: Any, **given: Any) -> str:
        self.built = {"context": context.read(), **given}
        given["progress"]({"stream": "Step 1/2 : FROM x\n"})
        given["progress"]({"stream": "\n"})
        if self.fails:
            raise ServerError(self.fails, status=500)
        return "sha256:built"

    def tag(self, image: str, name: str, **_: Any) -> None:
        self.tagged[name] = image

    def list(self, **given: Any) -> list[dict[str, Any]]:
        assert given["filters"] == {"label": ["io.dinv.image.contract"]}
        return [
            {
                "Id": "sha256:a",
                "RepoTags": ["dinv:old"],
                "Labels": {"io.dinv.image.contract": "dinv", "io.dinv.image.version": "1"},
                "Size": 5,
                "Created": 100,
            },
            {
                "Id": "sha256:b",
                "RepoTags": ["<none>:<none>"],
                "Labels": {"io.dinv.image.contract": "dinv"},
                "Size": 6,
                "Created": 200,
            },
            {"Id": "sha256:c", "RepoTags": None, "Labels": None, "Size": None, "Created": 0},
        ]


class FakeContainers:
    """Containers of images that do not say what is in them."""

    def create(self, name: str, body: dict[str, Any], **_: Any) -> tuple[str, list[str]]:
        return name, []

    def archive_get(self, container: str, path: str, **_: Any) -> Any:
        raise NotFound("no such file", status=404)

    def remove(self, container: str, **_: Any) -> None:
        pass


def fake_engine(images: FakeImages, *, api: str = "1.41", architecture: str | None = None) -> Engine:
    return cast(
        "Engine",
        SimpleNamespace(
            images=images,
            containers=FakeContainers(),
            at_least=lambda version: tuple(map(int, api.split("."))) >= tuple(map(int, version.split("."))),
            info=lambda **_: {"Architecture": architecture or os.uname().machine},
            address="unix:///fake",
        ),
    )


def members(data: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.name: member for member in tar}


def content(data: bytes, name: str) -> str:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        file = tar.extractfile(name)
        assert file is not None
        return file.read().decode()


def test_photon_is_built_with_the_dockerfile() -> None:
    images, told = FakeImages(set()), list[str]()
    assert builder.build(fake_engine(images), base="photon", report=told.append) == "sha256:built"
    assert images.tagged == {"dinv:latest": "sha256:built"}
    assert images.built["buildargs"] == {"BASE": "photon:5.0", "VERSION": dinv.__version__}
    assert told == ["Step 1/2 : FROM x"]


def test_another_image_is_the_base_as_it_is_named() -> None:
    images = FakeImages(set())
    builder.build(fake_engine(images), base="example.com:5000/own@sha256:1", tag="x:1")
    assert images.built["buildargs"]["BASE"] == "example.com:5000/own@sha256:1"
    assert images.pulled == []


def test_debian_on_an_endpoint_that_has_it_is_built_there() -> None:
    images = FakeImages({"debian:trixie-slim"})
    assert builder.build(fake_engine(images), base="debian") == "sha256:built"
    assert images.built["buildargs"]["BASE"] == "debian:trixie-slim"


def test_debian_of_another_architecture_is_pulled() -> None:
    images, told = FakeImages(set(), pullable=True), list[str]()
    builder.build(fake_engine(images, architecture="riscv64"), base="debian", report=told.append)
    assert images.pulled == ["debian:trixie-slim"]
    assert "the endpoint is riscv64, this side" in told[0]


def test_without_registry_and_mmdebstrap_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        ImageBuildError, match=r"cannot be pulled: no registry here\n.*apt-get install mmdebstrap"
    ):
        builder.build(fake_engine(FakeImages(set())), base="debian")


def test_a_failing_step_is_shown_with_what_came_before() -> None:
    images = FakeImages(set(), fails="The command returned a non-zero code: 1")
    with pytest.raises(ImageBuildError, match=r"non-zero code: 1\n  Step 1/2 : FROM x$"):
        builder.build(fake_engine(images), base="own:1")


def test_a_base_that_cannot_be_pulled_leads_to_debian() -> None:
    images = FakeImages(set(), fails="pull access denied for photon")
    with pytest.raises(ImageBuildError, match="dinv image build --base debian"):
        builder.build(fake_engine(images), base="photon")


@pytest.mark.parametrize(("api", "there"), [("1.43", False), ("1.44", True)])
def test_start_interval_goes_to_engines_that_know_it(api: str, there: bool) -> None:  # noqa: FBT001
    images = FakeImages(set())
    builder.build(fake_engine(images, api=api), base="photon")
    assert ("--start-interval=1s" in content(images.built["context"], "Dockerfile")) == there


def test_image_list_is_newest_first() -> None:
    found = builder.image_list(fake_engine(FakeImages(set())))
    assert [image.id for image in found] == ["sha256:b", "sha256:a", "sha256:c"]
    assert found[1] == builder.MachineImage(
        "sha256:a", ("dinv:old",), "dinv", "1", "", 5, datetime.fromtimestamp(100, UTC)
    )
    assert found[0].tags == ()


def test_the_context_is_the_same_whatever_the_modes_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    first = builder.context()
    copy = tmp_path / "source"
    shutil.copytree(builder.sources(), copy)
    for path in copy.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o777 if path.is_dir() else 0o600)
    monkeypatch.setattr(builder, "sources", lambda: str(copy))
    assert builder.context() == first


def test_the_context_has_what_the_install_script_needs_and_no_more() -> None:
    found = members(builder.context())
    assert {name.partition("/")[0] for name in found} == {"Dockerfile", "install.sh", "packages", "rootfs"}
    entrypoint = found["rootfs/usr/local/lib/dinv/entrypoint"]
    assert stat.S_IMODE(entrypoint.mode) == 0o755
    assert (entrypoint.uid, entrypoint.gid, entrypoint.uname) == (0, 0, "")
    assert stat.S_IMODE(found["rootfs/usr/local/lib/dinv/config.sh"].mode) == 0o644


def test_sources_of_an_installed_package_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "site-packages" / "dinv" / "images"
    (package / "source").mkdir(parents=True)
    monkeypatch.setattr(builder, "__file__", str(package.parent / "image_building" / "builder.py"))
    with pytest.raises(ImageBuildError, match="Install dinv again"):
        builder.sources()
    (package / "source" / "install.sh").touch()
    assert builder.sources() == str(package / "source")


def test_package_lists_are_names_of_packages() -> None:
    for name in ("debian.txt", "photon.txt"):
        packages = from_packages.lines(os.path.join(builder.sources(), "packages", name))
        assert len(packages) > 10
        assert len(set(packages)) == len(packages)
        assert all(package.replace("-", "").replace(".", "").isalnum() for package in packages)


@given(
    st.lists(st.tuples(st.sampled_from(["", "  ", "# word", "name"]), st.sampled_from(["", " # why", "  "])))
)
def test_entries_ignores_comments_and_blanks(parts: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{name}{rest}" for name, rest in parts)
    assert from_packages.entries(text) == ["name" for name, _ in parts if name == "name"]


def test_without_a_base_photon_is_taken_where_it_can_be_pulled() -> None:
    images = FakeImages(set(), pullable=True)
    builder.build(fake_engine(images))
    assert images.pulled == ["photon:5.0"]
    assert images.built["buildargs"]["BASE"] == "photon:5.0"


def test_without_a_base_and_without_a_registry_it_is_debian() -> None:
    images = FakeImages({"debian:trixie-slim"})
    said: list[str] = []
    builder.build(fake_engine(images), report=said.append)
    assert images.built["buildargs"]["BASE"] == "debian:trixie-slim"
    assert any("no registry here" in line for line in said)

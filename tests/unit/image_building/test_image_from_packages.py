from __future__ import annotations

import io
import json
import os
import sys
import tarfile
import textwrap
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv import __version__
from dinv.errors import ImageBuildError, ServerError
from dinv.image_building import debian, from_packages
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.engine import Engine

_MMDEBSTRAP = """
    import io, os, sys, tarfile
    class Out:
        def write(self, data): return os.write(1, data)
    newest = int(os.environ["SOURCE_DATE_EPOCH"])
    said = "\\n".join(a for a in sys.argv if a.startswith("--dpkgopt"))
    versions = "docker 26.1.5\\ncontainerd 1.7\\nrunc 1.1\\nbase Debian 13.2\\n"
    with tarfile.open(fileobj=Out(), mode="w|") as tar:
        for name, mtime, text in (
            ("./usr/bin/dockerd", min(newest, 1_600_000_000), said),
            ("./usr/local/lib/dinv/versions", newest, versions),
        ):
            member = tarfile.TarInfo(name)
            member.mtime, member.size = mtime, len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
"""


class FakeImages:
    def __init__(self) -> None:
        self.loaded = b""
        self.fails = ""
        self.tagged: dict[str, str] = {}
        self.identity = ""

    def load(self, archive: Any, **_: Any) -> list[str]:
        if self.fails:
            raise ServerError(self.fails, status=500)
        self.loaded = b""
        while piece := archive.read(65536):
            self.loaded += piece
        return [self.identity] if self.identity else []

    def tag(self, image: str, name: str, **_: Any) -> None:
        self.tagged[name] = image

    def entry(self, name: str) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(self.loaded)) as tar:
            file = tar.extractfile(name)
            assert file is not None
            return file.read()

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.entry(json.loads(self.entry("manifest.json"))[0]["Config"]))
        return found


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeImages:
    """An endpoint's images; in the place of mmdebstrap there is a program that writes two files."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("mmdebstrap", _MMDEBSTRAP), ("apt-get", ""), ("apt-config", "")):
        path = programs / name
        path.write_text(f"#!{sys.executable}\n{textwrap.dedent(text)}")
        path.chmod(0o755)
    keyring = tmp_path / "keyring.gpg"
    keyring.touch()
    monkeypatch.setattr(debian, "_KEYRING", str(keyring))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    return FakeImages()


@pytest.fixture
def make(images: FakeImages, tmp_path: Path) -> Callable[..., str]:
    root = tmp_path / "source"
    (root / "packages").mkdir(parents=True)
    (root / "packages" / "debian.txt").write_text("one # the first\n\ntwo\n")
    (root / "packages" / "debian.exclude").write_text("# why\npath-exclude=/usr/bin/x\n")
    (root / "Dockerfile").write_text(
        'FROM x\nLABEL v="${VERSION}" base=${BASE}\nSTOPSIGNAL SIGTERM\nHEALTHCHECK CMD x\n'
    )

    def call(tag: str = "dinv") -> str:
        return from_packages.make(
            cast("Engine", SimpleNamespace(images=images)),
            str(root),
            b"context",
            tag=tag,
            report=lambda _line: None,
            deadline=Deadline(30),
        )

    return call


def test_two_builds_are_the_same_image(
    make: Callable[..., str], images: FakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(), images.loaded
    later = time.time() + 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert (make(), images.loaded) == first
    assert images.config()["created"] == "2020-09-13T12:26:40Z"


def test_the_date_that_is_given_is_the_images(
    make: Callable[..., str], images: FakeImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1500000000")
    identity = make("registry.test:5000/dinv:1")
    assert images.tagged == {"registry.test:5000/dinv:1": identity}
    assert images.config()["created"] == "2017-07-14T02:40:00Z"


def test_the_image_says_what_is_in_it(make: Callable[..., str], images: FakeImages) -> None:
    make()
    config = images.config()["config"]
    assert config["Labels"] == {
        "v": __version__,
        "base": "debian:trixie",
        "io.dinv.image.docker": "26.1.5",
        "io.dinv.image.containerd": "1.7",
        "io.dinv.image.runc": "1.1",
        "io.dinv.image.base": "Debian 13.2",
    }
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["StartInterval"] == 10**9
    layer = json.loads(images.entry("manifest.json"))[0]["Layers"][0]
    assert b"--dpkgopt=path-exclude=/usr/bin/x" in images.entry(layer)


def test_the_id_is_the_endpoints(make: Callable[..., str], images: FakeImages) -> None:
    images.identity = "sha256:of-a-manifest"
    assert make() == "sha256:of-a-manifest"
    assert images.tagged == {"dinv": "sha256:of-a-manifest"}


def test_an_endpoint_that_takes_no_image_is_an_error(make: Callable[..., str], images: FakeImages) -> None:
    images.fails = "no space left on device"
    with pytest.raises(ImageBuildError, match=r"^Loading dinv failed: no space left on device$"):
        make()

from __future__ import annotations

import io
import tarfile
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import Conflict, NotFound
from dinv.image_building import contents
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from dinv.engine import Engine

_TEXT = b"docker 26.1.5+dfsg1\ncontainerd 1.7.24~ds1\nrunc 1.1.15\nbase Debian 13.2\nother 1\n"
_LABELS = {
    "io.dinv.image.docker": "26.1.5+dfsg1",
    "io.dinv.image.containerd": "1.7.24~ds1",
    "io.dinv.image.runc": "1.1.15",
    "io.dinv.image.base": "Debian 13.2",
}


class FakeContainers:
    """The containers of an endpoint, whose images have `text` in the file, or none."""

    def __init__(self, text: bytes | None, *, left: str = "") -> None:
        self.text = text
        self.there = {left} - {""}

    def create(self, name: str, body: dict[str, Any], **_: Any) -> tuple[str, list[str]]:
        if name in self.there:
            raise Conflict("the name is taken", status=409)
        self.there.add(name)
        assert body["Image"] == "sha256:0123456789abcdef"
        return name, []

    def archive_get(self, container: str, path: str, **_: Any) -> io.BytesIO:
        assert container in self.there
        if self.text is None:
            raise NotFound("no such file", status=404)
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as tar:
            member = tarfile.TarInfo(path.rpartition("/")[2])
            member.size = len(self.text)
            tar.addfile(member, io.BytesIO(self.text))
        data.seek(0)
        return data

    def remove(self, container: str, **_: Any) -> None:
        if container not in self.there:
            raise NotFound("no such container", status=404)
        self.there.remove(container)


class FakeImages:
    def __init__(self) -> None:
        self.built: dict[str, Any] = {}
        self.tagged: dict[str, str] = {}

    def build(self, context: io.BytesIO, **given: Any) -> str:
        with tarfile.open(fileobj=context) as tar:
            file = tar.extractfile("Dockerfile")
            assert file is not None
            self.built = {"dockerfile": file.read(), **given}
        return "sha256:labelled"

    def tag(self, image: str, name: str, **_: Any) -> None:
        self.tagged[name] = image


def label(containers: FakeContainers, images: FakeImages) -> str:
    engine = cast("Engine", SimpleNamespace(containers=containers, images=images))
    return contents.label(engine, "sha256:0123456789abcdef", "dinv:1", Deadline(10))


def test_a_built_image_gets_labels_for_what_is_in_it() -> None:
    containers, images = FakeContainers(_TEXT), FakeImages()
    assert label(containers, images) == "sha256:labelled"
    assert images.built["dockerfile"] == b"FROM sha256:0123456789abcdef\n"
    assert images.built["labels"] == _LABELS
    assert images.built["tag"] == "dinv:1"
    assert containers.there == set()


def test_what_a_killed_build_has_left_is_removed() -> None:
    containers = FakeContainers(_TEXT, left="dinv-contents-0123456789ab")
    assert label(containers, FakeImages()) == "sha256:labelled"
    assert containers.there == set()


def test_an_image_that_does_not_say_is_named_as_it_is() -> None:
    for text in (None, b""):
        containers, images = FakeContainers(text), FakeImages()
        assert label(containers, images) == "sha256:0123456789abcdef"
        assert images.tagged == {"dinv:1": "sha256:0123456789abcdef"}
        assert images.built == {}
        assert containers.there == set()


@given(st.binary(max_size=80))
def test_any_text_is_read(text: bytes) -> None:
    assert set(contents.contents(text)) <= set(_LABELS)

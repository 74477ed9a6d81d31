"""What of an archive of images is sent to a machine, and what is said of archives that are none."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.access import load
from dinv.errors import ImageError, NotFound, ServerError
from dinv.progress import Progress

if TYPE_CHECKING:
    from dinv.engine import Engine

Layer = tuple[str, bytes]


class Daemon:
    """A daemon that has images of these layers, and notes what is loaded into it."""

    def __init__(self, *images: tuple[str, ...], containerd: bool = False, refuses: int = 0) -> None:
        self.layers = {f"id-{at}": layers for at, layers in enumerate(images)}
        self.containerd = containerd
        self.refuses = refuses
        self.archives: list[bytes] = []
        self.images = self

    def info(self) -> dict[str, Any]:
        driver = "io.containerd.snapshotter.v1" if self.containerd else "overlay2"
        return {"DriverStatus": [["driver-type", driver]]}

    def list(self, *, all: bool) -> list[dict[str, Any]]:  # noqa: A002 - the API's word
        assert all
        return [{"Id": identity} for identity in [*self.layers, "removed"]]

    def inspect(self, identity: str) -> dict[str, Any]:
        if identity not in self.layers:
            raise NotFound("gone", status=404, method="GET", path="/")
        return {"Id": identity, "RootFS": {"Layers": list(self.layers[identity])}}

    def load(self, body: Any) -> None:
        received = b""
        while data := body.read(1000):
            received += data
        self.archives.append(received)
        if len(self.archives) <= self.refuses:
            raise ServerError("no such file", status=500, method="POST", path="/images/load")


def client(daemon: Daemon) -> Engine:
    return cast("Engine", daemon)


def archive(*images: tuple[str, list[Layer]], links: bool = False) -> io.BytesIO:
    """As `docker save` writes it: a layer's file once, or, as engines before 25 do, links to it."""
    out = io.BytesIO()
    written: dict[str, str] = {}
    manifest = []
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))

        for name, layers in images:
            files = []
            for at, (diff_id, data) in enumerate(layers):
                path = f"{name}-{at}/layer.tar" if links else f"blobs/{diff_id}"
                if diff_id not in written:
                    add(path, data)
                    written[diff_id] = path
                elif links:
                    link = tarfile.TarInfo(path)
                    link.type, link.linkname = tarfile.SYMTYPE, f"../{written[diff_id]}"
                    tar.addfile(link)
                files.append(path)
            config = f"{name}.json"
            add(config, json.dumps({"rootfs": {"diff_ids": [diff_id for diff_id, _ in layers]}}).encode())
            manifest.append({"Config": config, "RepoTags": [f"{name}:latest"], "Layers": files})
        add("manifest.json", json.dumps(manifest).encode())
    out.seek(0)
    return out


def members(data: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            member.name: (file.read() if (file := tar.extractfile(member)) else b"")
            for member in tar
            if member.isreg()
        }


BASE: Layer = ("sha256:base", b"b" * 3000)
TOP: Layer = ("sha256:top", b"t" * 700)
OTHER: Layer = ("sha256:other", b"o")


def test_layers_that_are_there_are_left_out() -> None:
    daemon = Daemon(("sha256:base",))
    names = load.load_archive(client(daemon), archive(("app", [BASE, TOP])), Progress())
    assert names == ["app:latest"]
    sent = members(daemon.archives[0])
    assert set(sent) == {"app.json", "manifest.json", "blobs/sha256:top"}
    assert sent["blobs/sha256:top"] == TOP[1]


def test_a_layer_on_top_of_another_one_is_another() -> None:
    daemon = Daemon(("sha256:other", "sha256:top"))
    load.load_archive(client(daemon), archive(("app", [BASE, TOP])), Progress())
    assert {"blobs/sha256:base", "blobs/sha256:top"} <= set(members(daemon.archives[0]))


@pytest.mark.parametrize("links", [False, True])
def test_a_layer_that_one_image_lacks_is_sent(links: bool) -> None:  # noqa: FBT001
    daemon = Daemon(("sha256:base", "sha256:top"))
    images = archive(("a", [BASE, TOP]), ("b", [OTHER, TOP]), links=links)
    load.load_archive(client(daemon), images, Progress())
    sent = members(daemon.archives[0])
    top, base = ("a-1/layer.tar", "a-0/layer.tar") if links else ("blobs/sha256:top", "blobs/sha256:base")
    assert sent[top] == TOP[1]
    assert base not in sent


def test_a_daemon_with_containerd_images_gets_all() -> None:
    daemon = Daemon(("sha256:base",), containerd=True)
    load.load_archive(client(daemon), archive(("app", [BASE, TOP])), Progress())
    assert "blobs/sha256:base" in members(daemon.archives[0])


def test_what_was_left_out_and_is_missing_after_all_is_sent() -> None:
    daemon = Daemon(("sha256:base",), refuses=1)
    load.load_archive(client(daemon), archive(("app", [BASE, TOP])), Progress())
    assert "blobs/sha256:base" not in members(daemon.archives[0])
    assert "blobs/sha256:base" in members(daemon.archives[1])


def test_a_pipe_is_read_once() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    daemon = Daemon()
    load.load_archive(client(daemon), Pipe(archive(("app", [BASE])).getvalue()), Progress())
    assert members(daemon.archives[0])["blobs/sha256:base"] == BASE[1]


def test_a_refusal_is_told() -> None:
    with pytest.raises(ImageError, match="does not take the image: no such file"):
        load.load_archive(client(Daemon(refuses=1)), archive(("app", [BASE])), Progress())


def test_a_refusal_of_all_of_it_is_told_too() -> None:
    daemon = Daemon(("sha256:base",), refuses=2)
    with pytest.raises(ImageError, match="does not take the image: no such file"):
        load.load_archive(client(daemon), archive(("app", [BASE, TOP])), Progress())
    assert len(daemon.archives) == 2


@given(st.binary(max_size=2000))
def test_nonsense_is_no_archive(data: bytes) -> None:
    with pytest.raises(ImageError, match="not an archive of images"):
        load.load_archive(client(Daemon()), io.BytesIO(data), Progress())


@given(st.integers(0, 6000))
def test_one_cut_short_is_told_or_sent_as_far_as_it_tells(length: int) -> None:
    data = archive(("app", [BASE, TOP])).getvalue()[:length]
    with pytest.raises(ImageError, match="not an archive of images"):
        load.load_archive(client(Daemon()), io.BytesIO(data), Progress())


@pytest.mark.parametrize(
    "manifest",
    [b"{}", b"[1]", b"[", b"[" * 100_000, b"[{}]", b'[{"Config": "c", "Layers": 1}]', b'[{"Config": 1}]'],
)
def test_a_manifest_of_another_shape(manifest: bytes) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        member = tarfile.TarInfo("manifest.json")
        member.size = len(manifest)
        tar.addfile(member, io.BytesIO(manifest))
    with pytest.raises(ImageError, match=r"manifest\.json is not"):
        load.load_archive(client(Daemon()), out, Progress())


def test_an_image_that_nobody_has() -> None:
    class Source(Daemon):
        class transport:  # noqa: N801
            address = "unix:///e.sock"

    with pytest.raises(ImageError, match=r"No image nope at unix:///e\.sock, nor at unix:///e\.sock"):
        load.load(
            client(Daemon()), ["nope"], [cast("Engine", Source()), cast("Engine", Source())], Progress()
        )

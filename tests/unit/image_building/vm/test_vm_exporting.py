"""An export: what it makes of an image, what it refuses, and what it leaves when it fails."""

from __future__ import annotations

import contextlib
import fcntl
import io
import lzma
import os
import shlex
import shutil
import subprocess
import tarfile
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.errors import EndpointUnreachable, ImageExportError, ImageMissing, InputError, NotFound
from dinv.image_building.vm import exporting, kit
from dinv.image_building.vm.parts import machine_script
from dinv.labels import LABEL_CONTRACT
from dinv.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.engine import Engine

FETCH = kit.fetch
PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
IMAGE: dict[str, Any] = {
    "Id": "sha256:abc",
    "Os": "linux",
    "Architecture": "amd64",
    "Created": "2026-11-30T01:02:03.5Z",
    "Config": {
        "Labels": {LABEL_CONTRACT: "dinv"},
        "Env": ["PATH=/usr/bin:/bin", "MESSAGE=it's here"],
        "Entrypoint": ["/usr/bin/tini", "--", "/entry point"],
    },
}


class FakeEngine:
    """An endpoint with one image, and with the containers that somebody made."""

    address = "unix:///fake"

    def __init__(self, image: dict[str, Any] | None = None) -> None:
        self.image = image or IMAGE
        self.made: dict[str, float] = {}
        self.fault: Exception | None = None
        self.images = self.containers = self

    def inspect(self, reference: str) -> dict[str, Any]:
        if reference != "dinv":
            raise NotFound("no such image", status=404, method="GET", path="/images")
        return self.image

    def create(self, name: str, body: dict[str, Any]) -> tuple[str, list[str]]:
        assert body["Image"] == "sha256:abc"
        self.made[name] = time.time()
        return name, []

    def list(self, **_: object) -> list[dict[str, Any]]:
        return [{"Id": name, "Created": created} for name, created in self.made.items()]

    def remove(self, name: str, *, force: bool) -> None:
        assert force
        del self.made[name]

    def archive_get(self, _: str, path: str, **__: object) -> contextlib.AbstractContextManager[io.BytesIO]:
        assert path == "/"
        if self.fault:
            raise self.fault
        return contextlib.closing(_files())


def _files() -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("/", "/usr", "/usr/lib", "/usr/sbin", "/boot"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name in ("lib", "sbin"):
            entry = tarfile.TarInfo(f"/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(entry)
    buffer.seek(0)
    return buffer


@pytest.fixture(autouse=True)
def _kit(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(directory: str, kernel: str, **_: object) -> kit.Kit:
        assert kernel == kit.KERNEL
        modules = os.path.join(directory, "modules", "6.1-cloud", "kernel")
        os.makedirs(modules)
        os.mkdir(os.path.join(directory, "grub"))
        contents = {
            "vmlinuz": b"kernel",
            "busybox": b"busybox",
            "grub/boot.img": bytes(510) + b"\x55\xaa",
            "grub/core.img": bytes(2000),
            "modules/6.1-cloud/kernel/virtio_blk.ko.xz": lzma.compress(b"module"),
            "modules/6.1-cloud/modules.dep": b"kernel/virtio_blk.ko.xz:\n",
        }
        for name, data in contents.items():
            with open(os.path.join(directory, name), "wb") as file:
                file.write(data)
        return kit.Kit(directory)

    monkeypatch.setattr(kit, "fetch", fetch)


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., exporting.ExportedImage]:
    def run(engine: FakeEngine, name: str, form: str, reference: str = "dinv") -> exporting.ExportedImage:
        return exporting.export(
            cast("Engine", engine),
            reference,
            str(tmp_path / name),
            Progress(),
            format=form,
            size=exporting.SMALLEST,
        )

    return run


def test_tar_has_the_kernel_and_pid_1(export: Callable[..., exporting.ExportedImage], tmp_path: Path) -> None:
    engine = FakeEngine()
    made = export(engine, "a.tar", "tar")
    assert made.kernel == ""
    assert made.version == "6.1-cloud"
    assert os.listdir(tmp_path) == ["a.tar"], "nothing is left beside it"
    assert engine.made == {}, "nor on the endpoint"
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = set(tar.getnames())
        init = tar.getmember("usr/local/lib/dinv/vm/init")
    assert {"boot/vmlinuz", "boot/initrd.img", "boot/grub/grub.cfg", "usr/sbin/init", "tmp", "proc"} <= names
    assert "usr/lib/modules/6.1-cloud/modules.dep" in names, "behind the link /lib"
    assert init.mode == 0o755
    first = (tmp_path / "a.tar").read_bytes()
    os.unlink(tmp_path / "a.tar")
    export(engine, "a.tar", "tar")
    assert (tmp_path / "a.tar").read_bytes() == first


@pytest.mark.skipif(shutil.which("mke2fs", path=PATH) is None, reason="mke2fs makes it")
def test_disk_with_what_starts_it(export: Callable[..., exporting.ExportedImage], tmp_path: Path) -> None:
    made = export(FakeEngine(), "a.raw", "raw")
    assert sorted(os.listdir(tmp_path)) == ["a-cmdline", "a-initrd.img", "a-kernel", "a.raw"]
    assert (tmp_path / "a-kernel").read_bytes() == b"kernel"
    uuid = (tmp_path / "a-cmdline").read_text().split()[0].removeprefix("root=UUID=")
    with open(made.path, "rb") as disk:
        assert disk.read(512)[510:] == b"\x55\xaa"
        disk.seek((1 << 20) + 1024)
        superblock = disk.read(1024)
    assert superblock[56:58] == b"\x53\xef"
    assert superblock[104:120].hex() == uuid.replace("-", "")
    assert os.path.getsize(made.path) == exporting.SMALLEST


def test_what_is_there_already_is_left(
    export: Callable[..., exporting.ExportedImage], tmp_path: Path
) -> None:
    (tmp_path / "a-kernel").write_text("mine")
    with pytest.raises(InputError, match="a-kernel is there already"):
        export(FakeEngine(), "a.qcow2" if shutil.which("qemu-img") else "a.raw", "raw")
    assert os.listdir(tmp_path) == ["a-kernel"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Config": {"Labels": {}}}, "is not a machine image"),
        ({"Config": {"Labels": {LABEL_CONTRACT: "dind"}}}, "keeps the contract dind"),
        ({"Architecture": "arm64"}, "is for linux/arm64"),
        ({"Config": {**IMAGE["Config"], "User": "app:app"}}, "runs as app:app"),
    ],
)
def test_images_that_cannot_be_one(
    changes: dict[str, Any], said: str, export: Callable[..., exporting.ExportedImage], tmp_path: Path
) -> None:
    with pytest.raises(ImageExportError, match=said):
        export(FakeEngine({**IMAGE, **changes}), "a.tar", "tar")
    assert os.listdir(tmp_path) == []


def test_values_that_cannot_be_used(export: Callable[..., exporting.ExportedImage], tmp_path: Path) -> None:
    with pytest.raises(ImageMissing, match="dinv image ls"):
        export(FakeEngine(), "a.tar", "tar", "other")
    with pytest.raises(InputError, match="not a format"):
        export(FakeEngine(), "a.vmdk", "vmdk")
    with pytest.raises(InputError, match="cannot be written"):
        export(FakeEngine(), "nowhere/a.tar", "tar")
    engine = cast("Engine", FakeEngine())
    with pytest.raises(InputError, match="between 1g and 2t"):
        exporting.export(engine, "dinv", str(tmp_path / "a.tar"), Progress(), format="tar", size=1)


def test_an_endpoint_that_goes_away_leaves_nothing(
    export: Callable[..., exporting.ExportedImage], tmp_path: Path
) -> None:
    engine = FakeEngine()
    engine.fault = EndpointUnreachable("unix:///fake", "gone")
    with pytest.raises(EndpointUnreachable):
        export(engine, "a.tar", "tar")
    assert os.listdir(tmp_path) == []
    assert engine.made == {}


def test_what_killed_exports_have_left(
    export: Callable[..., exporting.ExportedImage], tmp_path: Path
) -> None:
    engine = FakeEngine()
    engine.made = {"killed": time.time() - 4000, "running": time.time() - 60}
    work = tmp_path / ".a.tar.dinv-tmp"
    (work / "root" / "etc").mkdir(parents=True)
    (work / "output").write_text("half")
    export(engine, "a.tar", "tar")
    assert os.listdir(tmp_path) == ["a.tar"]
    assert list(engine.made) == ["running"]


def test_two_at_once_to_one_file(export: Callable[..., exporting.ExportedImage], tmp_path: Path) -> None:
    work = tmp_path / ".a.tar.dinv-tmp"
    work.mkdir()
    other = os.open(work, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="is being written by another process"):
            export(FakeEngine(), "a.tar", "tar")
    finally:
        os.close(other)
    assert work.is_dir()


def test_the_machine_runs_as_the_image_says() -> None:
    script = machine_script({**IMAGE["Config"], "WorkingDir": "/srv"})
    assert script.startswith("#!/usr/local/lib/dinv/vm/busybox sh\ncd /srv || exit\n")
    words = shlex.split(script.splitlines()[-1])
    assert words[-3:] == ["/usr/bin/tini", "--", "/entry point"]
    assert words[5:8] == ["HOME=/root", "PATH=/usr/bin:/bin", "MESSAGE=it's here"]


def test_a_kernel_that_is_not_a_package() -> None:
    with pytest.raises(InputError, match="not the name of a package"):
        FETCH("/nowhere", "--help", report=print, deadline=cast("Any", None))


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox runs them")
@pytest.mark.parametrize("name", ["init", "initrd-init", "lease", "power", "install.sh"])
def test_scripts_are_read_by_busybox(name: str) -> None:
    subprocess.run(["busybox", "sh", "-n", os.path.join(kit.sources(), name)], check=True)

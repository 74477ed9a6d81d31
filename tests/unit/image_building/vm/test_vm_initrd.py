"""The initrd: its format, the order of modules, and what is in it."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import ImageExportError
from dinv.image_building.vm import initrd
from dinv.image_building.vm.kit import Kit

if TYPE_CHECKING:
    from pathlib import Path

DEPENDENCIES = """\
kernel/block/virtio_blk.ko.xz: kernel/virtio/virtio_ring.ko.xz kernel/virtio/virtio.ko.xz
kernel/virtio/virtio_ring.ko.xz: kernel/virtio/virtio.ko.xz
kernel/virtio/virtio.ko.xz:
kernel/scsi/sd-mod.ko:
"""


def test_modules_come_after_what_they_need() -> None:
    assert initrd.in_order(DEPENDENCIES.splitlines(), ("virtio_blk", "sd_mod", "nvme")) == [
        "kernel/virtio/virtio.ko.xz",
        "kernel/virtio/virtio_ring.ko.xz",
        "kernel/block/virtio_blk.ko.xz",
        "kernel/scsi/sd-mod.ko",
    ]


def test_a_root_with_checksums_can_be_mounted() -> None:
    # Debian's linux-image-amd64 has both as modules, and no dependency between them (seen with 6.12).
    dependencies = ["kernel/ext4.ko.xz:", "kernel/crc32c_generic.ko.xz:"]
    order = initrd.in_order(dependencies, initrd.WANTED)
    assert order == ["kernel/crc32c_generic.ko.xz", "kernel/ext4.ko.xz"]


@given(st.lists(st.tuples(st.binary(max_size=40), st.integers(1, 60)), max_size=6))
def test_cpio_is_what_newc_says(contents: list[tuple[bytes, int]]) -> None:
    members = [("a" * length, 0o100644, data) for data, length in contents]
    archive = initrd.cpio(members)
    assert len(archive) % 4 == 0
    found = []
    at = 0
    while True:
        assert archive[at : at + 6] == b"070701"
        fields = [int(archive[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        size, length = fields[6], fields[11]
        name = archive[at + 110 : at + 110 + length - 1].decode()
        at += -(-(110 + length) // 4) * 4
        if name == "TRAILER!!!":
            break
        found.append((name, fields[1], archive[at : at + size]))
        at += -(-size // 4) * 4
    assert found == members


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox reads the archive")
def test_initrd_of_a_kit(tmp_path: Path) -> None:
    kit = _kit(tmp_path / "kit")
    made = initrd.make(kit, b"#!/busybox sh\n")
    assert made == initrd.make(kit, b"#!/busybox sh\n")
    where = tmp_path / "unpacked"
    where.mkdir()
    subprocess.run(["busybox", "cpio", "-id"], input=gzip.decompress(made), cwd=where, check=True)
    assert sorted(os.listdir(where / "modules")) == ["000-virtio.ko", "001-virtio_blk.ko"]
    assert (where / "modules" / "001-virtio_blk.ko").read_bytes() == b"block"
    assert os.access(where / "init", os.X_OK)


def test_a_module_that_cannot_be_unpacked(tmp_path: Path) -> None:
    kit = _kit(tmp_path)
    (tmp_path / "modules" / "6.1" / "modules.dep").write_text("kernel/nvme.ko.zst:\n")
    with pytest.raises(ImageExportError, match=r"nvme\.ko\.zst"):
        initrd.make(kit, b"")


def _kit(directory: Path) -> Kit:
    modules = directory / "modules" / "6.1"
    (modules / "kernel").mkdir(parents=True)
    (directory / "grub").mkdir()
    for name in ("vmlinuz", "busybox", "grub/boot.img", "grub/core.img"):
        (directory / name).write_bytes(name.encode())
    (modules / "kernel" / "virtio.ko").write_bytes(b"virtio")
    (modules / "kernel" / "virtio_blk.ko.xz").write_bytes(lzma.compress(b"block"))
    (modules / "modules.dep").write_text(
        "kernel/virtio_blk.ko.xz: kernel/virtio.ko\nkernel/virtio.ko:\nkernel/other.ko:\n"
    )
    return Kit(os.fspath(directory))

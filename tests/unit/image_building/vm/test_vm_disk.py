"""The first megabyte of a disk: partition table and GRUB."""

from __future__ import annotations

import struct

import pytest

from dinv.errors import ImageExportError
from dinv.image_building.vm import disk

SECTOR = disk.SECTOR
BOOT = bytes(range(256)) + bytes(254) + b"\x55\xaa"
CORE = bytes(SECTOR - 12) + struct.pack("<QHH", 2, 7, 0x820) + b"x" * 1000
SIZE = 4 * 1024**3


def test_partition_table() -> None:
    made = disk.first_megabyte(SIZE, BOOT, CORE, 0xAABBCCDD)
    assert len(made) == disk.OFFSET
    assert made[510:512] == b"\x55\xaa"
    assert struct.unpack_from("<I", made, 440) == (0xAABBCCDD,)
    active, kind, first, count = struct.unpack_from("<B3xB3xII", made, 446)
    assert (active, kind, first) == (0x80, 0x83, disk.FIRST_SECTOR)
    assert (first + count) * SECTOR == SIZE
    assert made[462:510] == bytes(48)


def test_grub_finds_its_next_stage() -> None:
    made = disk.first_megabyte(SIZE, BOOT, CORE, 1)
    assert struct.unpack_from("<Q", made, 0x5C) == (1,), "boot.img loads sector 1"
    assert made[0x66:0x68] == b"\x90\x90"
    start, length, segment = struct.unpack_from("<QHH", made, SECTOR + SECTOR - 12)
    assert (start, length, segment) == (2, 2, 0x820), "diskboot.img loads what follows it"
    assert made[2 * SECTOR : 2 * SECTOR + 1000] == b"x" * 1000
    assert made[2 * SECTOR + 1000 :] == bytes(disk.OFFSET - 2 * SECTOR - 1000)


@pytest.mark.parametrize(
    ("size", "boot", "core"),
    [
        (SIZE, BOOT[:-1], CORE),
        (SIZE, bytes(512), CORE),
        (SIZE, BOOT, bytes(disk.OFFSET)),
        (SIZE, BOOT, b"x"),
        (3 * 1024**4, BOOT, CORE),
    ],
)
def test_what_does_not_fit(size: int, boot: bytes, core: bytes) -> None:
    with pytest.raises(ImageExportError):
        disk.first_megabyte(size, boot, core, 1)

"""A disk that boots on PCs: a partition table of the old kind, GRUB before the one partition, the root in it.

GRUB is put where grub-install puts it, which needs no device here: boot.img is the disk's first sector, and
core.img follows in the sectors that are free before the first partition (grub: util/setup.c,
grub-core/boot/i386/pc/boot.S and diskboot.S).
"""

from __future__ import annotations

import struct

from dinv.errors import ImageExportError

SECTOR = 512
FIRST_SECTOR = 2048
"""Of the partition: 1 MiB, as partitioning programs have it."""
OFFSET = FIRST_SECTOR * SECTOR

_TABLE = 446  # where the four entries of the partition table are
_SIGNATURE = b"\x55\xaa"
_LINUX = 0x83
_ACTIVE = 0x80
_NO_CYLINDERS = b"\xfe\xff\xff"
_LOADER_SECTOR = 1
_BOOT_KERNEL_SECTOR = 0x5C  # GRUB_BOOT_MACHINE_KERNEL_SECTOR: where core.img begins, 8 bytes
_BOOT_DRIVE_CHECK = 0x66  # GRUB_BOOT_MACHINE_DRIVE_CHECK: two nops, for BIOSes that do not tell the drive
_BLOCK_LIST = (
    SECTOR - 12
)  # the first entry of the list in core.img's first sector: start (8), length (2), segment (2)
_MOST_SECTORS = 0xFFFFFFFF


def first_megabyte(size: int, boot_sector: bytes, boot_loader: bytes, identity: int) -> bytes:
    """Return what stands before the partition on a disk of `size` bytes.

    `boot_sector` and `boot_loader` are GRUB's boot.img and core.img; `identity` is the disk's signature.
    Raises ImageExportError if they do not fit.
    """
    sectors = size // SECTOR - FIRST_SECTOR
    if len(boot_sector) != SECTOR or boot_sector[510:] != _SIGNATURE:
        raise ImageExportError("GRUB's boot.img is not a boot sector.")
    padded = boot_loader + bytes(-len(boot_loader) % SECTOR)
    if not SECTOR < len(padded) <= (FIRST_SECTOR - _LOADER_SECTOR) * SECTOR or sectors > _MOST_SECTORS:
        raise ImageExportError("GRUB, or the disk, is too large for a partition table of the old kind.")
    first = bytearray(boot_sector)
    struct.pack_into("<Q", first, _BOOT_KERNEL_SECTOR, _LOADER_SECTOR)
    first[_BOOT_DRIVE_CHECK : _BOOT_DRIVE_CHECK + 2] = b"\x90\x90"
    struct.pack_into("<I", first, 440, identity)
    first[444:446] = bytes(2)
    entry = struct.pack("<B3sB3sII", _ACTIVE, _NO_CYLINDERS, _LINUX, _NO_CYLINDERS, FIRST_SECTOR, sectors)
    first[_TABLE:510] = entry + bytes(48)
    loader = bytearray(padded)
    _, _, segment = struct.unpack_from("<QHH", loader, _BLOCK_LIST)
    struct.pack_into("<QHH", loader, _BLOCK_LIST, _LOADER_SECTOR + 1, len(padded) // SECTOR - 1, segment)
    found = bytes(first) + bytes(loader)
    return found + bytes(OFFSET - len(found))

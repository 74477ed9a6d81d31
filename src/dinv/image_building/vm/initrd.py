"""The initrd: a small file system in memory, from which a virtual machine finds the disk with its root.

Its format is cpio's "newc" (Linux: Documentation/driver-api/early-userspace/buffer-format.rst), by gzip.
"""

from __future__ import annotations

import gzip
import lzma
import os
import posixpath

from dinv.errors import ImageExportError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dinv.image_building.vm.kit import Kit

WANTED = (
    *(
        "virtio_pci",
        "virtio_mmio",
        "virtio_blk",
        "virtio_scsi",
        "nvme",
        "ahci",
        "ata_piix",
        "sd_mod",
        "sr_mod",
    ),
    *("hv_vmbus", "hv_storvsc", "vmw_pvscsi", "mptspi", "xen_blkfront"),
    # ext4 asks for the checksum by name, which modules.dep does not tell.
    *("crc32c_generic", "crc32c_intel", "ext4"),
)
"""What disks of virtual machines take: of qemu, VMware, Hyper-V and Xen. Kernels may have them built in."""
_UNPACKED: Mapping[str, Callable[[bytes], bytes]] = {
    ".ko": bytes,
    ".ko.xz": lzma.decompress,
    ".ko.gz": gzip.decompress,
}


def make(kit: Kit, init: bytes) -> bytes:
    """Return the initrd with `init` as its first program. The same bytes for the same kit."""
    with open(kit.busybox, "rb") as file:
        busybox = file.read()
    members = [("busybox", 0o100755, busybox), ("init", 0o100755, init), ("modules", 0o040755, b"")]
    with open(os.path.join(kit.modules, "modules.dep"), encoding="utf-8") as file:
        paths = in_order(file.read().splitlines(), WANTED)
    for number, path in enumerate(paths):
        members.append((f"modules/{number:03}-{_name(path)}.ko", 0o100644, _module(kit, path)))
    return gzip.compress(cpio(members), 6, mtime=0)


def in_order(dependencies: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Return the paths of the modules `wanted` and of what they need, each after what it needs itself.

    `dependencies` are the lines of a modules.dep (modules.dep(5)): `PATH: PATH ...`, the last first needed.
    """
    known: dict[str, tuple[str, list[str]]] = {}
    for line in dependencies:
        path, _, needed = line.partition(":")
        known[_name(path)] = path, needed.split()
    order: dict[str, None] = {}
    for name in wanted:
        if name in known:
            path, others = known[name]
            order |= dict.fromkeys([*reversed(others), path])
    return list(order)


def _name(path: str) -> str:
    return posixpath.basename(path).partition(".")[0].replace("-", "_")


def _module(kit: Kit, path: str) -> bytes:
    kind = path[path.index(".ko") :]
    if kind not in _UNPACKED:
        raise ImageExportError(f"The kernel's module {path} is compressed in a way that is not known here.")
    with open(os.path.join(kit.modules, path), "rb") as file:
        return _UNPACKED[kind](file.read())


def cpio(members: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Return the archive of files and directories: path, mode with the kind of file, content."""
    pieces = []
    for number, (path, mode, data) in enumerate([*members, ("TRAILER!!!", 0, b"")], 1):
        name = path.encode() + b"\0"
        links = 2 if mode & 0o040000 else 1
        fields = (number, mode, 0, 0, links, 0, len(data), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + name
        pieces += [header, bytes(-len(header) % 4), data, bytes(-len(data) % 4)]
    return b"".join(pieces)

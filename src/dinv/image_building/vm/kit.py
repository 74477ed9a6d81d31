"""What a machine's root needs besides to boot: a kernel with its modules, busybox, and GRUB for PCs.

All of it is from Debian packages of one release, extracted by mmdebstrap, whatever this computer runs;
`images/vm/install.sh` makes it in there.
"""

from __future__ import annotations

import io
import os
import re
import tarfile

from dinv.errors import ImageExportError, InputError
from dinv.formats.archives.entries import content, entries, extracted
from dinv.image_building import builder
from dinv.image_building.debian import DebianBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.system.deadline import Deadline

KERNEL = "linux-image-cloud-amd64"
"""A kernel for virtual machines; linux-image-amd64 has drivers for all hardware."""
_PACKAGES = ("busybox-static", "kmod", "grub-pc-bin", "grub-common")
_SHELL = "/usr/bin/busybox sh"
_PACKAGE = re.compile(r"linux-image-[a-z0-9][a-z0-9+.-]+")
_MOST = 2 * 1024 * 1024 * 1024
"""Bytes. The modules of linux-image-amd64 have some 100 million."""


class Kit:
    """Where the parts are: files below `directory`, and the version of the kernel."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.kernel = os.path.join(directory, "vmlinuz")
        self.busybox = os.path.join(directory, "busybox")
        self.boot_sector = os.path.join(directory, "grub", "boot.img")
        self.boot_loader = os.path.join(directory, "grub", "core.img")
        modules = os.path.join(directory, "modules")
        versions = os.listdir(modules) if os.path.isdir(modules) else []
        for path in (self.kernel, self.busybox, self.boot_sector, self.boot_loader):
            if len(versions) != 1 or not os.path.isfile(path):
                raise ImageExportError(f"The kernel's packages gave no {os.path.basename(path)}.")
        self.version = versions[0]
        self.modules = os.path.join(modules, self.version)


def sources() -> str:
    """Return the directory with what is put into the virtual machine. Raises ImageBuildError."""
    return os.path.join(builder.sources(), "vm")


def fetch(directory: str, kernel: str, *, report: Callable[[str], None], deadline: Deadline) -> Kit:
    """Make the kit in an empty directory. `kernel` is the name of a Debian package.

    Raises InputError, ImageBuildError, ImageExportError, DeadlineExceeded.
    """
    if not _PACKAGE.fullmatch(kernel):
        raise InputError(f'"{kernel}" is not the name of a package with a kernel, such as {KERNEL}')
    with DebianBase(
        (kernel, *_PACKAGES),
        _context(),
        report=report,
        deadline=deadline,
        variant="extract",
        shell=_SHELL,
    ) as archive:
        archive.wait_for_first_byte()
        _unpack(archive, directory)
        archive.check()
    return Kit(directory)


def _context() -> bytes:
    buffer = io.BytesIO()
    with open(os.path.join(sources(), "install.sh"), "rb") as file:
        data = file.read()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("install.sh")
        member.size, member.mode = len(data), 0o755
        tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def _unpack(archive: DebianBase, directory: str) -> None:
    """Write the regular files of the kit; apt, which verified them, has left other things beside."""
    total = 0
    for tar, entry, parts in entries(archive):
        if not entry.isreg() or not parts or parts[0] not in ("vmlinuz", "busybox", "grub", "modules"):
            continue
        total += entry.size
        if total > _MOST:
            raise ImageExportError(f"The kernel's packages have more than {_MOST} bytes.")
        path = os.path.join(directory, *parts)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        left = entry.size
        with open(path, "xb") as file:
            for piece in content(extracted(tar, entry), entry.size, entry.name):
                left -= file.write(piece[:left])

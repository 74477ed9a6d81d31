"""A machine image exported as a virtual machine: its root with a kernel, as a disk or as a tar.

Everything is made in a directory beside the output, and moved when it is complete. What a killed export has
left there, the next one to the same file removes.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from dinv.errors import ImageExportError, ImageMissing, InputError, NotFound
from dinv.formats.units import format_size
from dinv.image_building.vm import FORMATS, ext4, kit
from dinv.image_building.vm.parts import Parts
from dinv.image_building.vm.root import Root, archive
from dinv.images import find, recognise
from dinv.system import files, locks
from dinv.system.deadline import Deadline
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from dinv.engine import Engine
    from dinv.progress import Progress

SIZE = 10 * 1024**3
"""Bytes of a disk. It takes only what is in it."""
SMALLEST = 1024**3
LARGEST = 2 * 1024**4
"""Bytes that a partition table of the old kind can tell of."""
SECONDS = 1800.0
DAEMON_PORT = 2376
CONFIG = "/etc/dinv/"
"""Where `images/vm/init` puts the files that a virtual machine is given."""

_ARGUMENTS = "console=tty0 console=ttyS0"
_ARCHITECTURE = "amd64"


class ExportedImage(NamedTuple):
    """What an export has written. All but `path` are "" for a tar, which has kernel and initrd in /boot."""

    path: str
    """The disk or the tar."""
    format: str
    kernel: str
    """The kernel and the initrd beside it, and a file with the arguments, to boot without a boot loader."""
    initrd: str
    cmdline: str
    version: str
    """The version of the kernel."""

    def command(self, certificates: str = "NAME-certificates.img", port: int = 23760) -> str:
        """Return a command line of qemu that starts the disk, its daemon reached at 127.0.0.1:`port`."""
        return shlex.join(
            [
                *("qemu-system-x86_64", "-machine", "q35", "-accel", "kvm", "-accel", "tcg", "-cpu", "max"),
                *("-smp", "2", "-m", "2048", "-nographic", "-device", "virtio-rng-pci"),
                *("-drive", f"file={self.path},if=virtio,format={self.format}"),
                *("-drive", f"file={certificates},if=virtio,format=raw,read-only=on"),
                *("-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{port}-:{DAEMON_PORT}"),
            ]
        )


def export(
    engine: Engine,
    reference: str,
    path: str,
    progress: Progress,
    *,
    format: str,  # noqa: A002 - the option's name
    size: int = SIZE,
    kernel: str = kit.KERNEL,
    timeout: float = SECONDS,
) -> ExportedImage:
    """Write the image `reference` of `engine` to the file `path`, in one of FORMATS.

    `size` is the disk's, in bytes; `kernel` a Debian package. Raises InputError, ImageMissing,
    ImageExportError, ImageBuildError, ProgramMissing, DeadlineExceeded, and the errors of an endpoint that
    goes away.
    """
    if format not in FORMATS:
        raise InputError(f'"{format}" is not a format of image export: {", ".join(FORMATS)}')
    if not SMALLEST <= size <= LARGEST:
        raise InputError("The size of a disk is between 1g and 2t")
    size -= size % (1024 * 1024)
    for tool in {"raw": ("mke2fs", "debugfs"), "qcow2": ("mke2fs", "debugfs", "qemu-img")}.get(format, ()):
        ext4.program(tool, f"image export --format {format}")
    deadline = Deadline(timeout)
    found = _image(engine, reference)
    stem = os.path.splitext(path)[0]
    boots = format != "tar"
    outputs = [path, *(f"{stem}-{name}" for name in ("kernel", "initrd.img", "cmdline") if boots)]
    for output in outputs:
        if os.path.lexists(output):
            raise InputError(
                f"{output} is there already, and might be a disk in use. Remove it, or name another."
            )
    # The same for the same image, so that the same comes out again.
    identity = uuid.uuid5(uuid.NAMESPACE_OID, str(found["Id"]))
    try:
        with _work(path) as work:
            with progress.working("Kernel", f"{kernel}: fetching"):
                fetched = _fetch(work, kernel, progress, deadline)
            progress.line("Kernel", fetched.version, f"of Debian's {kernel}")
            made = Parts(work, found, fetched, f"root=UUID={identity} {_ARGUMENTS}")
            with progress.working("Image", f"{reference}: fetching"):
                root = _root(engine, found, os.path.join(work, "root"), size, made)
            progress.line("Image", reference, f"{len(root.entries)} files, {format_size(root.size)}")
            with progress.working("Disk" if boots else "Archive", f"{path}: writing"):
                if boots:
                    made.write_disk(root, size, identity, deadline)
                    if format == "qcow2":
                        made.convert(deadline)
                else:
                    made.write_tar(root)
            _place(work, outputs)
    except OSError as error:
        raise ImageExportError(
            f"{path} cannot be written: {error.filename or path}: {error.strerror}"
        ) from error
    progress.line("Disk" if boots else "Archive", path, f"of {reference}")
    beside, memory, cmdline = outputs[1:] if boots else ("", "", "")
    return ExportedImage(path, format, beside, memory, cmdline, fetched.version)


def _fetch(work: str, kernel: str, progress: Progress, deadline: Deadline) -> kit.Kit:
    directory = os.path.join(work, "kit")
    os.mkdir(directory)
    return kit.fetch(directory, kernel, report=progress.update, deadline=deadline)


def _root(engine: Engine, found: Mapping[str, Any], directory: str, most: int, made: Parts) -> Root:
    """Return the files of the image, with those of the virtual machine."""
    os.mkdir(directory)
    with Root(directory, _created(found)) as root:
        with archive(engine, str(found["Id"])) as files_of_it:
            root.take(files_of_it, most)
        made.add_to(root)
    return root


def _place(work: str, outputs: Sequence[str]) -> None:
    """Move what is complete to its place, all or nothing, and not over what has come there meanwhile."""
    placed: list[str] = []
    try:
        for name, output in zip(("output", "kernel", "initrd", "cmdline"), outputs, strict=False):
            made = os.path.join(work, name)
            try:
                os.link(made, output)
            except OSError as error:
                # Some file systems have no links.
                if error.errno not in files.NOT_OFFERED or os.path.lexists(output):
                    raise
                os.rename(made, output)
            placed.append(output)
    except OSError:
        for output in placed:
            os.unlink(output)
        raise
    files.sync_directory(os.path.dirname(os.path.abspath(outputs[0])))


def _image(engine: Engine, reference: str) -> Mapping[str, Any]:
    """Return the image, which is a machine image that a virtual machine can run."""
    try:
        found = engine.images.inspect(reference)
    except NotFound as error:
        raise ImageMissing(
            reference, engine.address, "only what is there is exported", "It has: " + command("image", "ls")
        ) from error
    config = found.get("Config") or {}
    name = recognise(config)
    if not name or not all(path.startswith(CONFIG) for path in find(name).certificate_paths):
        kept = f"keeps the contract {name}" if name else "is not a machine image"
        raise ImageExportError(
            f"{reference} {kept}. A virtual machine is made of an image that takes its certificates in "
            f"{CONFIG}, as dinv's own does: " + command("image", "build")
        )
    if found.get("Os") != "linux" or found.get("Architecture") != _ARCHITECTURE:
        raise ImageExportError(
            f"{reference} is for {found.get('Os')}/{found.get('Architecture')}. Only images for "
            f"linux/{_ARCHITECTURE} can be exported."
        )
    if str(config.get("User") or "0").partition(":")[0] not in ("0", "root"):
        raise ImageExportError(f"{reference} runs as {config['User']}, and a machine is run by root.")
    return found


def _created(found: Mapping[str, Any]) -> int:
    with contextlib.suppress(ValueError):
        made = datetime.fromisoformat(str(found.get("Created") or ""))
        return max(0, int((made if made.tzinfo else made.replace(tzinfo=UTC)).timestamp()))
    return 0


@contextlib.contextmanager
def _work(path: str) -> Iterator[str]:
    """Yield an empty directory beside the output, which nobody else uses; remove it at the end."""
    directory, name = os.path.split(os.path.abspath(path))
    work = os.path.join(directory, f".{name}.dinv-tmp")
    try:
        with contextlib.suppress(FileExistsError):
            os.mkdir(work, 0o700)
        lock = os.open(work, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.filename}: {error.strerror}") from error
    try:
        try:
            locks.take(lock, work)
        except BlockingIOError:
            raise InputError(f"{path} is being written by another process") from None
        for entry in os.scandir(work):  # what a killed export has left
            files.remove_tree(entry.path)
        try:
            yield work
        finally:
            files.remove_tree(work)
    finally:
        os.close(lock)

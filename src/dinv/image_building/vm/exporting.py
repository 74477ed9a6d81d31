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
from dinv.image_building.vm import FORMATS, disk, ext4, initrd, kit
from dinv.image_building.vm.root import Root, archive
from dinv.images import find, recognise
from dinv.system import files, locks
from dinv.system.deadline import Deadline
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
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

_VM = "usr/local/lib/dinv/vm"
_ARGUMENTS = "console=tty0 console=ttyS0"
_ARCHITECTURE = "amd64"
_GRUB = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=1
menuentry dinv {{
    linux /boot/vmlinuz {arguments}
    initrd /boot/initrd.img
}}
"""


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
    with _work(path) as work, progress.working("Kernel", f"{kernel}: fetching"):
        for name in ("kit", "root"):
            os.mkdir(os.path.join(work, name))
        parts = kit.fetch(os.path.join(work, "kit"), kernel, report=progress.update, deadline=deadline)
        progress.line("Kernel", parts.version, f"of Debian's {kernel}")
        progress.update(f"{reference}: fetching")
        arguments = f"root=UUID={identity} {_ARGUMENTS}"
        made = _Parts(work, found, parts, arguments)
        with Root(os.path.join(work, "root"), _created(found)) as root:
            with archive(engine, str(found["Id"])) as files_of_it:
                root.take(files_of_it, size)
            progress.update(f"{reference}: adding a kernel")
            made.add_to(root)
        progress.update(f"{os.path.basename(path)}: writing")
        if boots:
            made.write_disk(root, size, identity, deadline)
            if format == "qcow2":
                made.convert(deadline)
        else:
            with open(os.path.join(work, "output"), "wb") as file:
                root.write_tar(file)
        for name, output in zip(("output", "kernel", "initrd", "cmdline"), outputs, strict=False):
            # Not over what has come meanwhile.
            os.link(os.path.join(work, name), output)
        files.sync_directory(os.path.dirname(os.path.abspath(path)))
    progress.line("Disk" if boots else "Archive", path, f"of {reference}")
    beside, memory, cmdline = outputs[1:] if boots else ("", "", "")
    return ExportedImage(path, format, beside, memory, cmdline, parts.version)


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


class _Parts:
    """What goes on the disk and beside it."""

    def __init__(self, work: str, image: Mapping[str, Any], parts: kit.Kit, arguments: str) -> None:
        self._work = work
        self._image = image
        self._kit = parts
        self._arguments = arguments

    def _path(self, name: str) -> str:
        return os.path.join(self._work, name)

    def add_to(self, root: Root) -> None:
        """Put the kernel with its modules, the initrd and PID 1 into the root."""
        there = kit.sources()
        programs = {}
        for name in ("initrd-init", "init", "lease", "power"):
            with open(os.path.join(there, name), "rb") as file:
                programs[name] = file.read()
        memory = initrd.make(self._kit, programs.pop("initrd-init"))
        for name, data in (("initrd", memory), ("cmdline", f"{self._arguments}\n".encode())):
            with open(self._path(name), "xb") as file:
                file.write(data)
        os.link(self._kit.kernel, self._path("kernel"))
        for path in ("dev", "proc", "sys", "run", "etc/dinv", "var/lib/docker"):
            root.directory(path)
        root.directory("tmp", 0o1777)
        self._add_kernel(root)
        root.add("boot/initrd.img", memory)
        root.add("boot/grub/grub.cfg", _GRUB.format(arguments=self._arguments).encode())
        for name, data in programs.items():
            root.add(f"{_VM}/{name}", data, 0o755)
        root.add(f"{_VM}/machine", machine_script(self._image.get("Config") or {}).encode(), 0o755)
        if "usr/sbin/init" not in root.entries and "sbin/init" not in root.entries:
            root.link(f"{_in_usr(root, 'sbin')}/init", f"/{_VM}/init")

    def _add_kernel(self, root: Root) -> None:
        modules = f"{_in_usr(root, 'lib')}/modules/{self._kit.version}"
        sources = [(self._kit.kernel, "boot/vmlinuz", 0o644), (self._kit.busybox, f"{_VM}/busybox", 0o755)]
        for directory, _, names in os.walk(self._kit.modules):
            below = os.path.relpath(directory, self._kit.modules)
            sources += [
                (os.path.join(directory, name), os.path.normpath(f"{modules}/{below}/{name}"), 0o644)
                for name in names
            ]
        for source, path, mode in sorted(sources):
            with open(source, "rb") as file:
                root.add_file(path, file, os.fstat(file.fileno()).st_size, mode)

    def write_disk(self, root: Root, size: int, identity: uuid.UUID, deadline: Deadline) -> None:
        output = self._path("output")
        with (
            open(self._kit.boot_sector, "rb") as sector,
            open(self._kit.boot_loader, "rb") as loader,
            open(output, "xb") as file,
        ):
            file.write(disk.first_megabyte(size, sector.read(), loader.read(), identity.node & 0xFFFFFFFF))
            file.truncate(size)
        ext4.make(
            output,
            root.path,
            offset=disk.OFFSET,
            size=size - disk.OFFSET,
            label="dinv",
            uuid=str(identity),
            deadline=deadline,
        )
        ext4.own(output, root, offset=disk.OFFSET, scratch=self._work, deadline=deadline)

    def convert(self, deadline: Deadline) -> None:
        raw = self._path("raw")
        os.rename(self._path("output"), raw)
        ext4.run(
            [
                ext4.program("qemu-img", "a qcow2 disk"),
                *("convert", "-f", "raw", "-O", "qcow2", raw, self._path("output")),
            ],
            deadline,
            "Writing the qcow2 disk",
        )


def _in_usr(root: Root, name: str) -> str:
    """Return where a directory is that most systems have in /usr, behind a link."""
    there = root.entries.get(name)
    return f"usr/{name}" if there is not None and there.issym() else name


def machine_script(config: Mapping[str, Any]) -> str:
    """Return the program that runs what the image's `Config` says, with its environment and nothing else."""
    argv = [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]
    environment = ["HOME=/root", *(config.get("Env") or ())]
    busybox = f"/{_VM}/busybox"
    return (
        f"#!{busybox} sh\n"
        f"cd {shlex.quote(str(config.get('WorkingDir') or '/'))} || exit\n"
        f'exec {busybox} env -i "HOSTNAME=$({busybox} hostname)" {shlex.join([*environment, *argv])}\n'
    )

"""What goes on a virtual machine's disk, and beside it."""

from __future__ import annotations

import os
import shlex
import shutil

from dinv.image_building.vm import disk, ext4, initrd, kit

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from typing import Any

    from dinv.image_building.vm.root import Root
    from dinv.system.deadline import Deadline

_VM = "usr/local/lib/dinv/vm"
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


class Parts:
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
        shutil.copyfile(self._kit.kernel, self._path("kernel"))
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

    def write_tar(self, root: Root) -> None:
        with open(self._path("output"), "xb") as file:
            root.write_tar(file)

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

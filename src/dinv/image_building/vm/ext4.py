"""File systems in files, made without root and mounting: by mke2fs, and debugfs for what that leaves out."""

from __future__ import annotations

import os
import stat

from dinv.errors import DeadlineExceeded, ImageExportError, ProgramMissing
from dinv.image_building.vm.root import attributes
from dinv.system import commands

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from dinv.image_building.vm.root import Root
    from dinv.system.deadline import Deadline

_FEATURES = (
    "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file,"
    "dir_nlink,extra_isize,metadata_csum"
)
"""Named one by one: newer mke2fs turn on more, which GRUB does not read (metadata_csum_seed, orphan_file)."""
_MOST_SAID = 1024 * 1024
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_KINDS = {stat.S_IFREG: 0o100000, stat.S_IFDIR: 0o040000, stat.S_IFLNK: 0o120000}


def program(name: str, needed_by: str) -> str:
    """Return the path of a program, also of one for administrators. Raises ProgramMissing."""
    import shutil

    found = shutil.which(name) or shutil.which(name, path=_PATH)
    if found is None:
        raise ProgramMissing(name, needed_by)
    return found


def run(argv: Sequence[str], deadline: Deadline, doing: str, *, env: dict[str, str] | None = None) -> bytes:
    """Run a program to its end; return what it said. Raises ImageExportError, DeadlineExceeded."""
    ended = commands.run(
        argv,
        given=b"",
        environment={**os.environ, "LC_ALL": "C", **(env or {})},
        deadline=deadline,
        most=_MOST_SAID,
        most_said=_MOST_SAID,
    )
    if ended.late:
        raise DeadlineExceeded(doing, deadline.seconds)
    if ended.status or ended.too_much:
        said = (ended.said or ended.output).decode(errors="replace").strip().splitlines()
        raise ImageExportError(
            f"{doing} failed: {os.path.basename(argv[0])}: {said[-1] if said else f'status {ended.status}'}"
        )
    return ended.said


def make(
    path: str, directory: str, *, offset: int, size: int, label: str, uuid: str, deadline: Deadline
) -> None:
    """Make a file system of `size` bytes at `offset` in a file, with what is in a directory.

    Raises ImageExportError, DeadlineExceeded.
    """
    run(
        [
            program("mke2fs", "the disk"),
            *("-q", "-F", "-t", "ext4", "-b", "4096", "-m", "1", "-O", _FEATURES, "-L", label, "-U", uuid),
            # Inodes are made now, and not in the background once it is mounted.
            *(
                "-E",
                f"offset={offset},root_owner=0:0,hash_seed={uuid},lazy_itable_init=0,lazy_journal_init=0",
            ),
            *("-d", directory, path, f"{size // 4096}"),
        ],
        deadline,
        "Making the file system",
    )


def make_small(path: str, directory: str, *, size: int, label: str, deadline: Deadline) -> None:
    """Make a file system that is a file of its own, for a few files that are only read."""
    with open(path, "xb") as file:
        file.truncate(size)
    run(
        [
            program("mke2fs", "the disk"),
            *("-q", "-F", "-t", "ext4", "-m", "0", "-O", "none,filetype,extent,sparse_super", "-L", label),
            *("-E", "root_owner=0:0,lazy_itable_init=0", "-d", directory, path),
        ],
        deadline,
        "Making the file system",
    )


def own(path: str, root: Root, *, offset: int, scratch: str, deadline: Deadline) -> None:
    """Give the files of `root` in it their owners, modes and attributes. Raises ImageExportError."""
    script = os.path.join(scratch, "owners")
    with open(script, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.writelines(f"{line}\n" for line in _changes(root, scratch))
    said = run(
        [program("debugfs", "the disk"), "-w", "-f", script, f"{path}?offset={offset}"],
        deadline,
        "Setting the owners of files",
    )
    # Its exit status is 0 whatever the commands come to; the first line is its version.
    faults = [
        line for line in said.decode(errors="replace").splitlines() if not line.startswith("debugfs 1.")
    ]
    if faults:
        raise ImageExportError(f"Setting the owners of files failed: debugfs said: {faults[0]}")


def _changes(root: Root, scratch: str) -> list[str]:
    """Return the commands of debugfs(8) for all that differs from what was unpacked."""
    lines = ["sif / mode 040755"]
    number = 0
    for name, entry in sorted(root.entries.items()):
        if entry.islnk():
            continue  # the same file
        found = os.lstat(os.path.join(root.path, name))
        quoted = quote(f"/{name}")
        for field, wanted, is_now in (("uid", entry.uid, found.st_uid), ("gid", entry.gid, found.st_gid)):
            if wanted != is_now:
                lines.append(f"sif {quoted} {field} {wanted}")
        if not entry.issym() and entry.mode != stat.S_IMODE(found.st_mode):
            lines.append(f"sif {quoted} mode 0{_KINDS[stat.S_IFMT(found.st_mode)] | entry.mode:o}")
        for key, value in attributes(entry).items():
            number += 1
            place = os.path.join(scratch, f"attribute-{number}")
            with open(place, "wb") as file:
                file.write(value)
            lines.append(f"ea_set -f {quote(place)} {quoted} {quote(key)}")
    return lines


def quote(word: str) -> str:
    """Return a word of a debugfs command, with its blanks and quotes. Raises ImageExportError."""
    if "\n" in word:
        raise ImageExportError(f"{word!r}: a name with a line break cannot be written to a disk")
    return '"' + word.replace('"', '""') + '"'

"""Tar streams of machines, unpacked on this computer."""

from __future__ import annotations

import os

from dinv.errors import CopyError
from dinv.formats.archives.entries import LEFT_OUT, content, entries, extracted, inside
from dinv.formats.archives.tree import Tree, write
from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.formats.archives.stream import Readable


def unpack_file(archive: Readable, file: int) -> None:
    """Write the one file in a machine's tar stream to an open descriptor. Raises CopyError, OSError."""
    for tar, entry, parts in entries(archive):
        if parts or not entry.isreg():
            raise CopyError(f"The machine sent more than a file: {one_line(entry.name)}")
        write(file, content(extracted(tar, entry), entry.size, entry.name), entry.size)


def unpack(
    archive: Readable,
    directory: str,
    name: str,
    *,
    warn: Callable[[str], object],
    moved: Callable[[int], object],
) -> None:
    """Unpack a machine's tar stream in an existing directory, its top entry as `name`.

    With an empty name the content of a directory goes straight into `directory`. The machine is not trusted:
    nothing is written outside or through a symbolic link, and links that lead out of what is copied are left
    out with a warning. Each file appears complete, replacing what had its name. Existing directories keep
    their modes. An interrupted copy leaves what has arrived. Raises CopyError.
    """
    shown = directory
    with Tree(directory) as tree:
        for tar, entry, parts in entries(archive, moved):
            place = [name, *parts] if name else parts
            if not place:
                continue
            shown = os.path.join(directory, *place)
            try:
                if entry.isreg():
                    tree.file(place, entry, content(extracted(tar, entry), entry.size, shown))
                elif entry.isdir():
                    tree.directory(place, entry)
                elif entry.issym() and leads_out(entry.linkname, depth=len(parts) - 1):
                    where, target = one_line(shown), one_line(entry.linkname)
                    warn(f"{where} is a symbolic link to {target}, out of what is copied: left out")
                elif entry.issym():
                    if not tree.symlink(place, entry):
                        warn(f"{one_line(shown)} is a symbolic link; its file system has none: left out")
                elif entry.islnk():
                    linked = inside(entry.linkname)
                    tree.hard_link(place, [name, *linked] if name else linked)
                else:
                    warn(f"{one_line(shown)} is {LEFT_OUT.get(entry.type, 'no file')}: left out")
            except OSError as error:
                raise CopyError(f"{one_line(shown)}: {error.strerror}") from error


def leads_out(target: str, *, depth: int) -> bool:
    """Return whether a symbolic link, `depth` directories below the top, may lead out of the tree.

    Leading ".." are counted. One further on is not trusted: the part before it may be a link too.
    """
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    return target.startswith("/") or up > depth or ".." in parts[up:] or "\0" in target

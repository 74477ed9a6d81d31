"""Tar streams of machines, rewritten on their way: renamed, owned by root, without a neighbour's entries."""

from __future__ import annotations

import tarfile

from dinv.formats.archives.entries import (
    END,
    LEFT_OUT,
    PERMISSIONS,
    content,
    entries,
    extracted,
    header,
    inside,
    modified,
)
from dinv.formats.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dinv.formats.archives.stream import Readable

_DIRECTORY = 0o755


def renamed(archive: Readable, name: str, *, warn: Callable[[str], object]) -> Generator[bytes]:
    """Yield a machine's tar stream with its top entry renamed to `name`, and everything owned by root.

    With an empty name the content of a directory is at the top. Raises CopyError.
    """
    top = [name] if name else []
    for tar, entry, parts in entries(archive):
        path = "/".join([*top, *parts])
        if not path:
            continue
        made = tarfile.TarInfo(path)
        made.mode = entry.mode & PERMISSIONS
        made.mtime = modified(entry)
        made.type = entry.type
        if entry.isreg():
            made.type = tarfile.REGTYPE
            made.size = entry.size
            yield header(made)
            yield from content(extracted(tar, entry), entry.size, path)
            continue
        if entry.islnk():
            made.linkname = "/".join([*top, *inside(entry.linkname)])
        elif entry.issym():
            made.linkname = entry.linkname
        elif not entry.isdir():
            warn(f"{one_line(path)} is {LEFT_OUT.get(entry.type, 'no file')}: left out")
            continue
        yield header(made)
    yield END


def alone(
    archive: Readable, name: str, *, is_directory: bool, seen: Callable[[str], object]
) -> Generator[bytes]:
    """Yield a VCH's tar stream of a file or a directory, corrected to what an engine would send.

    VIC compares paths as text prefixes (vmware/vic: lib/archive/util.go): beside `x`, the unrelated `xy` and
    `x.d/z` are sent too, as `x/y` and `x/.d/z`. For a file, everything below it is dropped. For a directory,
    `seen` is told each first path component, which may be such a stray. A directory that is itself a volume
    has no entry in VIC's stream, and gets one here. Raises CopyError.
    """
    begun = False
    for tar, entry, parts in entries(archive):
        if parts and not is_directory:
            continue
        if parts and not begun:
            top = tarfile.TarInfo(name)
            top.type, top.mode = tarfile.DIRTYPE, _DIRECTORY
            yield header(top)
        begun = True
        if parts:
            seen(parts[0])
        entry.name = "/".join([name, *parts])
        if entry.islnk():
            entry.linkname = "/".join([name, *inside(entry.linkname)])
        yield header(entry)
        if entry.isreg():
            yield from content(extracted(tar, entry), entry.size, entry.name)
    yield END

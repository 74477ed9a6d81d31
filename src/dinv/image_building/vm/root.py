"""The root file system of an exported image: fetched from the endpoint, added to, written as a tar.

It is unpacked by a user of any kind: owners, set-id bits and attributes are only remembered here, and come
back in what is made of it (`ext4.py`, `write_tar`).
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import tarfile
import time

from dinv.errors import CopyError, DinvError, ImageExportError
from dinv.formats.archives.entries import content, entries, extracted, inside, modified
from dinv.formats.archives.tree import Tree
from dinv.labels import LABEL_ROLE
from dinv.system.deadline import IdleDeadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO, Self

    from dinv.engine import Engine
    from dinv.formats.archives.stream import Readable

IDLE_SECONDS = 60.0
"""Seconds after which an endpoint that sends nothing is given up."""
ROLE = "export"
"""The value of LABEL_ROLE on the containers, never started, that images are read from."""
FORGOTTEN_SECONDS = 3600
"""The age from which such a container is one of an export that was killed."""
_MARKS = ([".dockerenv"], ["run", ".containerenv"])
"""By which Docker and Podman say that something is a container."""
_ATTRIBUTE = "SCHILY.xattr."
_MODES = 0o7777


class Root:
    """A directory with the files, and `entries`: what they are, by their path without a leading slash.

    A context manager: permissions of directories are complete at its end.
    """

    def __init__(self, path: str, mtime: int) -> None:
        """`mtime`, seconds since the epoch, is the image's: of what is added, and the latest of all."""
        self.path = path
        self.entries: dict[str, tarfile.TarInfo] = {}
        self.size = 0
        self._mtime = mtime
        self._tree = Tree(path)

    def __enter__(self) -> Self:
        self._tree.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._tree.__exit__(*exc)

    def take(self, archive: Readable, most: int) -> None:
        """Unpack a tar of a file system, of at most `most` bytes of content. Raises ImageExportError."""
        try:
            for tar, entry, parts in entries(archive):
                # What is in /dev the kernel makes; sockets and pipes belong to programs that run.
                if not parts or (parts[0] == "dev" and parts[1:]) or parts in _MARKS:
                    continue
                self.size += entry.size
                if self.size > most:
                    raise ImageExportError(
                        f"The image has more than the {most} bytes that there is room for."
                    )
                kept = _kept(entry, parts)
                # What the engine has made in the container, now, is no younger than the image.
                kept.mtime = min(kept.mtime, self._mtime)
                self._put(parts, kept, tar, entry)
        except CopyError as error:
            raise ImageExportError(f"The image cannot be unpacked: {error}") from error

    def _put(
        self, parts: list[str], kept: tarfile.TarInfo, tar: tarfile.TarFile, entry: tarfile.TarInfo
    ) -> None:
        try:
            if entry.isreg():
                self._tree.file(parts, _ours(kept), content(extracted(tar, entry), entry.size, kept.name))
            elif entry.isdir():
                self._tree.directory(parts, _ours(kept))
            elif entry.issym():
                if not self._tree.symlink(parts, kept):
                    raise ImageExportError(f"The file system of {self.path} has no symbolic links.")
            elif entry.islnk():
                self._tree.hard_link(parts, kept.linkname.split("/"))
            else:
                return
        except OSError as error:
            raise ImageExportError(f"{self.path}/{kept.name}: {error.strerror}") from error
        self.entries[kept.name] = kept

    def add(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file, and the directories above it that are not there. Raises ImageExportError."""
        with io.BytesIO(data) as file:
            self.add_file(path, file, len(data), mode)

    def add_file(self, path: str, file: Readable, size: int, mode: int = 0o644) -> None:
        """The same with `size` bytes of an open file."""
        entry = self._made(path, mode)
        entry.size = size
        self.size += size
        self._adding(entry, lambda parts: self._tree.file(parts, entry, content(file, size, path)))

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link."""
        entry = self._made(path, 0o777)
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self._adding(entry, lambda parts: self._tree.symlink(parts, entry))

    def directory(self, path: str, mode: int = 0o755) -> None:
        """Make a directory, and those above it, unless it is there."""
        if path in self.entries:
            return
        entry = self._made(path, mode)
        entry.type = tarfile.DIRTYPE
        self._adding(entry, lambda parts: self._tree.directory(parts, entry))

    def _made(self, path: str, mode: int) -> tarfile.TarInfo:
        entry = tarfile.TarInfo(path)
        entry.mode, entry.mtime = mode, self._mtime
        return entry

    def _adding(self, entry: tarfile.TarInfo, add: Callable[[list[str]], object]) -> None:
        parts = entry.name.split("/")
        if parts[:-1]:
            self.directory("/".join(parts[:-1]))
        try:
            add(parts)
        except OSError as error:
            raise ImageExportError(
                f"/{entry.name} cannot be added to the image's files: {error.strerror}"
            ) from error
        self.entries[entry.name] = entry

    def write_tar(self, file: IO[bytes]) -> None:
        """Write all of it as a tar, sorted: the same bytes for the same image."""
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            # What is linked to comes before its links.
            for entry in sorted(self.entries.values(), key=lambda entry: (entry.islnk(), entry.name)):
                if not entry.isreg():
                    tar.addfile(entry)
                    continue
                with open(os.path.join(self.path, entry.name), "rb") as there:
                    tar.addfile(entry, there)


def attributes(entry: tarfile.TarInfo) -> dict[str, bytes]:
    """Return its extended attributes, such as security.capability."""
    return {
        key.removeprefix(_ATTRIBUTE): value.encode("utf-8", "surrogateescape")
        for key, value in entry.pax_headers.items()
        if key.startswith(_ATTRIBUTE)
    }


def _kept(entry: tarfile.TarInfo, parts: list[str]) -> tarfile.TarInfo:
    kept = tarfile.TarInfo("/".join(parts))
    kept.type = tarfile.REGTYPE if entry.isreg() else entry.type
    kept.mode, kept.uid, kept.gid = entry.mode & _MODES, entry.uid, entry.gid
    kept.mtime = modified(entry)
    kept.size = entry.size if entry.isreg() else 0
    kept.linkname = "/".join(inside(f"/{entry.linkname.lstrip('/')}")) if entry.islnk() else entry.linkname
    kept.pax_headers = {key: value for key, value in entry.pax_headers.items() if key.startswith(_ATTRIBUTE)}
    return kept


def _ours(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return it with a mode with which its owner here can read it, and remove what is in it."""
    ours = copy.copy(entry)
    ours.mode |= 0o700 if entry.isdir() else 0o400
    return ours


@contextlib.contextmanager
def archive(engine: Engine, image: str) -> Iterator[Readable]:
    """Yield a tar of the files of an image, read from a container that is made for it and never started."""
    _sweep(engine)
    body = {"Image": image, "Labels": {LABEL_ROLE: ROLE}, "NetworkDisabled": True}
    container, _ = engine.containers.create(f"dinv-export-{os.urandom(6).hex()}", body)
    try:
        with engine.containers.archive_get(
            container, "/", timeout=IDLE_SECONDS, body_timeout=IdleDeadline(IDLE_SECONDS)
        ) as found:
            yield found
    finally:
        engine.containers.remove(container, force=True)


def _sweep(engine: Engine) -> None:
    """Remove the containers of exports that were killed."""
    for found in engine.containers.list(all=True, filters={"label": [f"{LABEL_ROLE}={ROLE}"]}):
        if int(found.get("Created") or 0) < time.time() - FORGOTTEN_SECONDS:
            with contextlib.suppress(DinvError):
                engine.containers.remove(str(found["Id"]), force=True)

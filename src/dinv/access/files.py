"""Copying files into and out of one machine, by the rules of scp: `machine.files`."""

from __future__ import annotations

import os
import posixpath

from dinv.access.copying.scp import copy
from dinv.access.place import Place
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike

    from dinv.lifecycle.host import Host
    from dinv.lifecycle.hosts import Hosts
    from dinv.progress import Progress


class Files:
    """Copies files into and out of a machine, whether it is running or stopped.

    Paths in the machine are absolute or relative to /root. Directories are copied with their content. The
    target is the name of the copy, or, if it is an existing directory, the copy is placed in it, as with
    `scp -r`. All methods raise CopyError, and the errors of calls to the endpoint.
    """

    def __init__(self, host: Host, hosts: Hosts) -> None:
        self._host = host
        self._hosts = hosts

    def put(
        self,
        source: str | PathLike[str] | bytes,
        path: str,
        *,
        mode: int = 0o644,
        progress: Progress | None = None,
    ) -> None:
        """Copy a file or a directory of this computer to `path` in the machine.

        Bytes are written as a file with the permissions `mode`, replacing an existing file.
        """
        if isinstance(source, bytes):
            self._write(source, path, mode, progress)
        else:
            self._copy(Place(None, os.fspath(source)), self._place(path), progress)

    def get(self, path: str, target: str | PathLike[str], *, progress: Progress | None = None) -> None:
        """Copy a file or a directory of the machine to `target` on this computer."""
        self._copy(self._place(path), Place(None, os.fspath(target)), progress)

    def read(self, path: str) -> bytes:
        """Return the content of a file in the machine."""
        from dinv.system import files, scratch

        with scratch.directory("dinv-read-") as directory:
            here = os.path.join(directory, "content")
            copy(self._place(path), Place(None, here), recursive=False, hosts=self._hosts)
            return files.read(here)

    def _write(self, content: bytes, path: str, mode: int, progress: Progress | None) -> None:
        from dinv.system import files, scratch

        name = posixpath.basename(self._place(path).path)
        if name in ("", ".", ".."):
            raise InputError(f"{path!r} is a directory: to write bytes, name a file")
        with scratch.directory("dinv-put-") as directory:
            here = os.path.join(directory, name)
            files.write(here, content, mode=mode)
            # Copy it into the parent directory: if `path` were a directory, the copy would land inside it.
            target = self._place(posixpath.join(posixpath.dirname(path) or ".", ""))
            self._copy(Place(None, here), target, progress)

    def _place(self, path: str) -> Place:
        if not path or "\0" in path:
            raise InputError(f"{path!r} is not a path in a machine")
        return Place(self._host.name, path)

    def _copy(self, source: Place, target: Place, progress: Progress | None) -> None:
        copy(source, target, recursive=True, hosts=self._hosts, progress=progress)

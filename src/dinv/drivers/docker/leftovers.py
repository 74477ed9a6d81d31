"""Files that a killed daemon has left, in images that do not clean up after themselves.

Two images of others do not start again after a power-off or a kill (seen with VMware's /dinv, and with
docker:dind's entrypoint). An archive call cannot delete, but an empty pid file counts as none.
"""

from __future__ import annotations

import posixpath

from dinv.channel import File, pack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from dinv.channel import Channel


def empty_pid_files(channel: Channel, paths: Iterable[str]) -> None:
    """Empty those of the files that exist. Raises the errors of the channel."""
    directories: dict[str, list[str]] = {}
    for path in paths:
        directories.setdefault(posixpath.dirname(path), []).append(posixpath.basename(path))
    for directory, names in directories.items():
        # /var/run is a link in most images.
        above = channel.stat(directory)
        if above is None or not above.is_directory:
            continue
        there = (channel.stat(posixpath.join(above.path, name)) for name in names)
        stale = [File(posixpath.basename(found.path), b"") for found in there if found and found.size]
        if stale:
            channel.put_archive(above.path, pack(stale))

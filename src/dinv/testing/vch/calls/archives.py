"""`docker cp`: looking at a path, reading an archive, writing one.

vmware/vic: lib/apiservers/engine/backends/archive.go, proxy/archive_proxy.go. What is read is cut out of what
the engine behind has by VIC's filters (filterspec.py), and what is written goes in as VIC's unpack does it
(unpack.py).
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import json
import lzma
import posixpath
import tarfile
import tempfile
import zlib
from typing import TYPE_CHECKING

from dinv.testing.vch.calls import volumes
from dinv.testing.vch.rules import errors, filter_spec
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.port_layer import PortLayerError
from dinv.testing.vch.rules.unpack import STAT_HEADER, CannotWrite, Pieces, Unpacker
from dinv.testing.vch.wire.behind import BehindError
from dinv.testing.vch.wire.http import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

    from dinv.testing.vch.rules.filter_spec import FilterSpec
    from dinv.testing.vch.state import Container, Context, Vch

    JSON = dict[str, Any]

_FAKE_SIZE = 4096
_GO_DIRECTORY = 1 << 31
_GO_SYMLINK = 1 << 27
_NOT_FOUND = 404
_IN_MEMORY = 1 << 22
_PIECE = 65536
_TAR = {"Content-Type": "application/x-tar"}
_MAGIC_LENGTH = 10


def archive_stat(context: Context) -> Answer:
    """HEAD /containers/NAME/archive."""
    container, path = context.container, _path(context)
    return Answer(200, None, {"X-Docker-Container-Path-Stat": _stat(context.vch, container, path)})


def archive_get(context: Context) -> Answer:
    """GET /containers/NAME/archive. What fails once it was looked at is a 200 with nothing in it."""
    vch, container, path = context.vch, context.container, _path(context)
    headers = {**_TAR, "X-Docker-Container-Path-Stat": _stat(vch, container, path)}
    # One slash is expected at the beginning, without a check.
    path = f"/{path.removeprefix('/')}"
    try:
        with contextlib.ExitStack() as opened:
            file = opened.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY))
            for mount, _ in filter_spec.readers(_mounts(container), path):
                vch.faults.below("ExportArchive")
                _refuse_locked(vch, container, mount)
            _read(vch, container, path, file)
            file.seek(0)
            kept = opened.pop_all()
    except (PortLayerError, BehindError, tarfile.TarError):
        return Answer(200, iter(()), headers)
    return Answer(200, _pieces(file), headers, release=kept.close)


def archive_put(context: Context) -> Answer:
    """PUT /containers/NAME/archive."""
    vch, container, path = context.vch, context.container, _path(context)
    context.ignore_query("noOverwriteDirNonDir", "copyUIDGID")
    path = f"/{path.removeprefix('/')}"
    # An offline copy has the VM's disks on the appliance meanwhile.
    with container.operation("archive"), Unpacker(vch.behind, container.id) as unpacker:
        try:
            _write(context, container, path, unpacker)
        except BaseException:
            # What came before stays, however it ends.
            with contextlib.suppress(BehindError):
                unpacker.flush()
            raise
        try:
            unpacker.flush()
        except BehindError as error:
            raise PortLayerError("ImportArchive", 500, "", container.id) from error
    return Answer(200)


def _path(context: Context) -> str:
    path = context.request.query.get("path", "")
    if not path:
        raise errors.bare("bad parameter: 'path' cannot be empty")
    return path


def _mounts(container: Container) -> list[str]:
    return [*(attachment.destination for attachment in container.attachments), filter_spec.ROOT]


def _device(container: Container, mount: str) -> str:
    """Return the name of the disk that is mounted there."""
    for attachment in container.attachments:
        if attachment.destination == mount:
            return attachment.volume
    return container.id


def _refuse_locked(vch: Vch, container: Container, mount: str) -> None:
    """Raise PortLayerError if a copy would need a disk that another running container's VM has."""
    running = vch.running()
    if mount != filter_spec.ROOT and container not in running:
        volume = _device(container, mount)
        if volumes.locked(volume, container, running):
            raise PortLayerError("ImportArchive", 423, "", volume)


# Looking


def _stat(vch: Vch, container: Container, path: str) -> str:
    """The header that says what is at a path. Raises VicError, PortLayerError."""
    path = filter_spec.join(filter_spec.ROOT, path)
    target = filter_spec.stat_target(_mounts(container), path)
    if target is None:
        now = dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")
        # No permissions: nobody looked.
        found = {
            "name": posixpath.basename(path) or "/",
            "size": _FAKE_SIZE,
            "mode": _GO_DIRECTORY,
            "mtime": now,
            "linkTarget": "",
        }
    else:
        vch.faults.below("StatPath")
        found = _look(vch, container, filter_spec.join(*target))
    return base64.b64encode(json.dumps(found).encode()).decode()


def _look(vch: Vch, container: Container, path: str) -> JSON:
    api = f"/containers/{container.id}/archive"
    try:
        with vch.behind.request("HEAD", api, query={"path": path}) as response:
            found: JSON = json.loads(base64.b64decode(response.headers[STAT_HEADER]))
        if found["mode"] & _GO_SYMLINK:
            # The engine behind says where it ends, VIC what it says.
            with (
                vch.behind.request("GET", api, query={"path": path}) as response,
                tarfile.open(fileobj=Pieces(response.read_some), mode="r|") as tape,
            ):
                member = tape.next()
                found["linkTarget"] = member.linkname if member is not None else ""
    except BehindError as error:
        if error.status == _NOT_FOUND:
            raise errors.no_such_path(container.name) from error
        # Such as a path that leads through a file.
        raise errors.from_portlayer(vch.own_words(error.message)) from error
    return found


# Reading


def _read(vch: Vch, container: Container, path: str, file: IO[bytes]) -> None:
    """Write the archive of a path, as VIC has it. Raises BehindError, TarError."""
    running = container in vch.running()
    mounted = {mount.strip("/") for mount in _mounts(container)}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as out:
        for mount, spec in filter_spec.readers(_mounts(container), path):
            seen: dict[str, str] = {}
            for place, member, data in _entries(vch, container, mount, spec):
                if mount == filter_spec.ROOT and place in mounted and not running:
                    # Where volumes are mounted there is nothing on its own disk until it runs.
                    continue
                member.name = spec.renamed(place, directory=member.isdir())
                member.uid = member.gid = 0
                member.uname = member.gname = ""
                member.mtime = int(member.mtime)
                member.pax_headers = {}
                if member.islnk() and member.linkname.removeprefix("./") in seen:
                    member.linkname = seen[member.linkname.removeprefix("./")]
                elif member.islnk():
                    _add_linked(vch, container, f"{mount.rstrip('/')}/{place}", member, out)
                    seen[place] = member.name
                    continue
                seen[place] = member.name
                out.addfile(member, data)


def _entries(
    vch: Vch, container: Container, mount: str, spec: FilterSpec
) -> Iterator[tuple[str, tarfile.TarInfo, IO[bytes] | None]]:
    """The entries of a device that are not left out, by their paths there, in the order of a walk."""
    api = f"/containers/{container.id}"
    action, query = ("/export", {}) if mount == filter_spec.ROOT else ("/archive", {"path": f"{mount}/."})
    last = min(spec.inclusions).partition("/")[0]
    with (
        vch.behind.request("GET", f"{api}{action}", query=query) as response,
        tarfile.open(fileobj=Pieces(response.read_some), mode="r|") as tape,
    ):
        for member in tape:
            place = member.name.removeprefix("./").strip("/")
            if place in ("", "."):
                continue
            if last and place.partition("/")[0] > last and not place.startswith(last):
                # It is a walk in the order of names: there is no more of what begins so.
                return
            if not spec.excludes(place):
                yield place, member, tape.extractfile(member) if member.isreg() else None


def _add_linked(
    vch: Vch, container: Container, path: str, member: tarfile.TarInfo, out: tarfile.TarFile
) -> None:
    """A hard link whose other name is left out is a file."""
    with (
        vch.behind.request("GET", f"/containers/{container.id}/archive", query={"path": path}) as response,
        tarfile.open(fileobj=Pieces(response.read_some), mode="r|") as tape,
    ):
        found = tape.next()
        data = tape.extractfile(found) if found is not None else None
        if found is not None and data is not None:
            member.type, member.linkname, member.size = tarfile.REGTYPE, "", found.size
            out.addfile(member, data)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


# Writing


def _write(context: Context, container: Container, path: str, unpacker: Unpacker) -> None:
    """Unpack what comes. Raises VicError, PortLayerError."""
    vch = context.vch
    source = Pieces(context.request.body.read)
    begun: set[str] = set()
    try:
        with _tape(source) as tape:
            for member in tape:
                mount, spec = filter_spec.writer(_mounts(container), path, member.name)
                device = _device(container, mount)
                if mount not in begun:
                    begun.add(mount)
                    vch.faults.below("ImportArchive", device)
                    _refuse_locked(vch, container, mount)
                place = filter_spec.join(mount, spec.placed(member.name))
                try:
                    unpacker.add(place, member, tape.extractfile(member) if member.isreg() else None)
                except CannotWrite as error:
                    raise PortLayerError("ImportArchive", 500, "", device) from error
    except tarfile.ReadError as error:
        if "empty" in str(error):
            return
        cut = "unexpected end" in str(error)
        raise VicError(500, "unexpected EOF" if cut else "archive/tar: invalid tar header") from error
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, ValueError, OverflowError) as error:
        raise VicError(500, "archive/tar: invalid tar header") from error


def _tape(source: Pieces) -> tarfile.TarFile:
    """The archive that comes, unpacked if it is packed. Raises TarError."""
    begin = source.peek(_MAGIC_LENGTH)
    if begin.startswith(b"\x1f\x8b\x08"):
        return tarfile.open(fileobj=source, mode="r|gz")
    if begin.startswith(b"BZh"):
        return tarfile.open(fileobj=source, mode="r|bz2")
    if begin.startswith(b"\xfd7zXZ\x00"):
        return tarfile.open(fileobj=source, mode="r|xz")
    return tarfile.open(fileobj=source, mode="r|")


HANDLERS = {
    "ContainerStatPath": archive_stat,
    "ContainerArchivePath": archive_get,
    "ContainerExtractToDir": archive_put,
}

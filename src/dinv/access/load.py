"""`load`: load images of an engine, or of a `docker save` archive, into a machine.

Layers that the machine's daemon already has are not sent. The daemon looks up each layer by its chain of diff
ids and opens the layer's file in the archive only if it does not have it (moby: image/tarexport/load.go), so
those files can be left out. A daemon with containerd's image store needs all files, and gets them.
"""

from __future__ import annotations

import tarfile

from dinv.engine.shapes import fault
from dinv.errors import BadRequest, DinvError, ImageError, NotFound, ServerError
from dinv.formats import json_text
from dinv.formats.archives.entries import Entry
from dinv.system import scratch
from dinv.wording import command, either

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO, Any

    from dinv.engine import Engine
    from dinv.progress import Progress

PIECE = 1 << 20
"""Bytes read or sent at once."""
BLOCK = 512
"""Block size of a tar archive in bytes."""
MANIFEST_LIMIT = 16 << 20
"""Largest manifest.json that is read, in bytes."""
_END = bytes(2 * BLOCK)

Chain = tuple[str, ...]
"""The diff ids from the lowest layer up to one layer."""


SOURCE = either("source", "--from")
"""The option that names the engine to take images from."""


def load(daemon: Engine, images: Sequence[str], sources: Sequence[Engine], progress: Progress) -> None:
    """Load images into a machine's daemon, each from the first of `sources` that has it.

    Raises ImageError if no source has an image or its source cannot export it.
    """
    kept = _Kept(daemon)
    for image in images:
        source, found = _find(image, sources)
        if kept.has(found):
            if _named(image):
                daemon.images.tag(str(found["Id"]), image)
            progress.line("Image", image, "is there already")
            continue
        with (
            progress.working("Image", f"{image} from {_where(source)}"),
            scratch.file() as archive,
        ):
            _save(source, image, archive, progress)
            sent, skipped = _send(daemon, kept, archive, progress)
        kept = _Kept(daemon)
        progress.line("Image", image, _summary(sent, skipped))


def load_archive(daemon: Engine, archive: IO[bytes], progress: Progress) -> list[str]:
    """Load a `docker save` archive; return the names, or else the ids, of its images.

    An archive that is not seekable, such as a pipe, is copied to a temporary file first. Raises ImageError if
    it is not an archive of images.
    """
    with progress.working("Image", "from an archive"):
        if not archive.seekable():
            with scratch.file() as spooled:
                while data := archive.read(PIECE):
                    spooled.write(data)
                names = _names(spooled)
                sent, skipped = _send(daemon, _Kept(daemon), spooled, progress)
        else:
            names = _names(archive)
            sent, skipped = _send(daemon, _Kept(daemon), archive, progress)
    progress.line("Image", ", ".join(names), _summary(sent, skipped))
    return names


def _find(image: str, sources: Sequence[Engine]) -> tuple[Engine, dict[str, Any]]:
    if not sources:
        raise ImageError(
            f"Images are taken from an engine, and there is none here to take {image} from. Name one with "
            + SOURCE
            + ", or pull it in the machine: docker --context MACHINE pull "
            + image
        )
    looked: list[str] = []
    for source in sources:
        try:
            return source, source.images.inspect(image)
        except NotFound:
            looked.append(_where(source))
        except DinvError as error:
            looked.append(f"{_where(source)} ({error})")
    raise ImageError(
        f"No image {image} at {', nor at '.join(looked)}. Build or pull it there, or name another engine "
        "with " + SOURCE + "; a machine that can reach a registry can pull it itself."
    )


def _where(engine: Engine) -> str:
    return str(engine.transport.address)


def _named(image: str) -> bool:
    """Whether it is given by name, which the machine's copy should get too, and not by id or digest."""
    return "@" not in image and not image.startswith("sha256:")


def _save(source: Engine, image: str, archive: IO[bytes], progress: Progress) -> None:
    from dinv.formats.units import format_size

    size = 0
    try:
        with source.images.save([image]) as response:
            while data := response.read_some(PIECE):
                archive.write(data)
                size += len(data)
                progress.update(f"{format_size(size)} read")
    except (BadRequest, NotFound, ServerError) as error:
        raise ImageError(
            f"{_where(source)} does not export {image} ({error.message}). A VCH never does: name an engine "
            "that has the image with " + SOURCE + "."
        ) from error
    except OSError as error:
        raise ImageError(
            f"{image} cannot be stored in {scratch.place()}: {error.strerror}. Set TMPDIR to use another."
        ) from error


_MANIFEST = [{"Config!": str, "Layers": [str], "RepoTags": [str]}]
_CONFIG = {"rootfs": {"diff_ids": [str]}}


class _Kept:
    """The images and layers that a machine's daemon has."""

    def __init__(self, daemon: Engine) -> None:
        info = daemon.info()
        drivers = [pair for pair in info.get("DriverStatus") or () if isinstance(pair, list)]
        self.needs_all = any("io.containerd.snapshotter" in str(part) for pair in drivers for part in pair)
        self.identities: set[str] = set()
        self.chains: set[Chain] = set()
        if self.needs_all:
            return
        for listed in daemon.images.list(all=True):
            identity = str(listed.get("Id"))
            self.identities.add(identity)
            try:
                layers = (daemon.images.inspect(identity).get("RootFS") or {}).get("Layers") or ()
            except NotFound:  # removed meanwhile
                continue
            for end in range(1, len(layers) + 1):
                self.chains.add(tuple(layers[:end]))

    def has(self, image: dict[str, Any]) -> bool:
        return str(image.get("Id")) in self.identities


def _send(daemon: Engine, kept: _Kept, archive: IO[bytes], progress: Progress) -> tuple[int, int]:
    """Send the archive without the layers that are there; return the bytes sent and the bytes left out."""
    parts, left_out = _parts(archive, kept)
    body = _Body(archive, parts, progress)
    try:
        try:
            daemon.images.load(body)
        except (BadRequest, ServerError):
            if not left_out:
                raise
            # Images may have been removed since the daemon was asked: send everything.
            parts, left_out = _parts(archive, None)
            body = _Body(archive, parts, progress)
            daemon.images.load(body)
    except (BadRequest, ServerError) as error:
        raise ImageError(
            f"The machine's daemon does not take the image: {error.message}. See how full it is: "
            + command("df")
        ) from error
    return body.sent, left_out


def _parts(archive: IO[bytes], kept: _Kept | None) -> tuple[list[tuple[int, int]], int]:
    """Return the ranges of the archive to send, as (start, end) offsets, and the bytes left out."""
    members = _members(archive)
    there: set[str] = set()
    if kept is not None and kept.chains:
        there = _layers_there(archive, members, kept)
    ends = [member.offset for member in members[1:]]
    last = members[-1]
    ends.append(last.offset_data + -(-last.size // BLOCK) * BLOCK if last.isreg() else last.offset_data)
    parts: list[tuple[int, int]] = []
    left_out = 0
    for member, end in zip(members, ends, strict=True):
        if member.name in there:
            left_out += end - member.offset
        elif parts and parts[-1][1] == member.offset:
            parts[-1] = (parts[-1][0], end)
        else:
            parts.append((member.offset, end))
    return parts, left_out


def _layers_there(archive: IO[bytes], members: list[tarfile.TarInfo], kept: _Kept) -> set[str]:
    """Return the archive's layer files that no image in it needs, since the machine has those layers."""
    found = {member.name: member for member in members}
    there: set[str] = set()
    needed: set[str] = set()
    for entry in _manifest(archive, found):
        config = _json(archive, found, str(entry["Config"]))
        if wrong := fault(config, _CONFIG):
            raise _no_archive(f"the configuration of an image in it is not valid: {wrong}")
        diff_ids = (config.get("rootfs") or {}).get("diff_ids") or []
        files = entry.get("Layers") or []
        if len(files) != len(diff_ids):
            return set()
        for at, file in enumerate(files, 1):
            name = _followed(str(file), found)
            (there if tuple(diff_ids[:at]) in kept.chains else needed).add(name)
    return there - needed


def _followed(name: str, found: dict[str, tarfile.TarInfo]) -> str:
    """Follow a layer's links to its file: older engines write a shared layer once, and symlinks to it."""
    import posixpath

    for _ in range(8):
        member = found.get(name)
        if member is None or not member.issym():
            break
        name = posixpath.normpath(posixpath.join(posixpath.dirname(name), member.linkname))
    return name


def _members(archive: IO[bytes]) -> list[tarfile.TarInfo]:
    try:
        archive.seek(0)
        with tarfile.open(fileobj=archive, mode="r:", tarinfo=Entry) as opened:
            members = opened.getmembers()
    except Exception as error:
        # TarError, and whatever else tarfile raises for forged headers.
        raise _no_archive(str(error)) from error
    if not members:
        raise _no_archive("it is empty")
    return members


def _names(archive: IO[bytes]) -> list[str]:
    found = {member.name: member for member in _members(archive)}
    names: list[str] = []
    for entry in _manifest(archive, found):
        names += [str(tag) for tag in entry.get("RepoTags") or ()] or [str(entry.get("Config"))]
    return names


def _manifest(archive: IO[bytes], found: dict[str, tarfile.TarInfo]) -> Iterator[dict[str, Any]]:
    manifest = _json(archive, found, "manifest.json")
    if wrong := fault(manifest, _MANIFEST):
        raise _no_archive(f"its manifest.json is not a list of images: {wrong}")
    return iter(manifest)


def _json(archive: IO[bytes], found: dict[str, tarfile.TarInfo], name: str) -> Any:
    member = found.get(name)
    if member is None or not member.isreg() or member.size > MANIFEST_LIMIT:
        raise _no_archive(f"it has no {name}")
    archive.seek(member.offset_data)
    try:
        return json_text.parse(archive.read(member.size))
    except ValueError as error:
        raise _no_archive(f"its {name} is not JSON") from error


def _no_archive(why: str) -> ImageError:
    return ImageError(
        f"This is not an archive of images as `docker save` writes it, uncompressed: {why}. For the tar of a "
        f"file system, use `docker import`."
    )


class _Body:
    """A request body: ranges of a file, followed by the end marker of a tar archive."""

    def __init__(self, file: IO[bytes], parts: list[tuple[int, int]], progress: Progress) -> None:
        self._file = file
        self._parts = list(parts)
        self._progress = progress
        self._tail = _END
        self.sent = 0

    def read(self, size: int, /) -> bytes:
        from dinv.formats.units import format_size

        while self._parts:
            start, end = self._parts[0]
            self._file.seek(start)
            data = self._file.read(min(size, end - start))
            if not data:
                raise _no_archive("it is cut short")
            self._parts[0] = (start + len(data), end)
            if start + len(data) == end:
                del self._parts[0]
            self.sent += len(data)
            self._progress.update(f"{format_size(self.sent)} sent")
            return data
        data, self._tail = self._tail[:size], self._tail[size:]
        return data


def _summary(sent: int, skipped: int) -> str:
    from dinv.formats.units import format_size

    there = f", {format_size(skipped)} there already" if skipped else ""
    return f"loaded, {format_size(sent)} sent{there}"

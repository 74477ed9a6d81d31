"""An image of one layer that is made here: the same for the same files, to the last byte.

`POST /images/create` would import the layer, but has the image's id depend on the moment. What `docker save`
writes, and `docker load` reads, has a configuration of our own, so the id is settled here.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from datetime import UTC, datetime

from dinv.errors import ImageBuildError, InputError
from dinv.system import scratch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import IO, Any, Self

    from dinv.engine.wire.http import Readable

_PIECE = 1 << 20
_BLOCK = 512


def source_date_epoch() -> int | None:
    """Return $SOURCE_DATE_EPOCH, seconds since 1970; None if it is not set. Raises InputError."""
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # A tar's header has room for 11 octal digits.
    if not (text.isascii() and text.isdigit() and int(text) < 8**11):
        raise InputError(f"SOURCE_DATE_EPOCH is seconds since 1970, and not {text!r}")
    return int(text)


class Layer:
    """The tar of a file system, stored in a file without a name. A context manager.

    `epoch`: seconds since 1970, that of the newest file. `digest`: sha256, in hexadecimal.
    """

    def __init__(self, archive: Readable, *, started: int | None = None) -> None:
        """Store `archive`.

        Files that are as new as `started` or newer were made by the build. They get the time of the newest
        of the others: of the newest package. Raises what `archive` raises, ImageBuildError, InputError.
        """
        self._file = scratch.file()
        try:
            while piece := archive.read(_PIECE):
                self._write(piece)
            self.size = self._file.tell()
            self.epoch = self._settle(started)
            self._file.seek(0)
            self.digest = hashlib.file_digest(self._file, "sha256").hexdigest()  # type: ignore[arg-type]
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def read(self, path: str) -> bytes:
        """Return the content of the file at `path`, such as "usr/bin/true"; b"" if it is not there."""
        self._file.seek(0)
        with tarfile.open(fileobj=self._file, mode="r:") as tar:
            for name in (path, f"./{path}"):
                try:
                    found = tar.extractfile(name)
                except KeyError:
                    continue
                return found.read() if found else b""
        return b""

    def image(self, config: Mapping[str, Any], *, architecture: str) -> tuple[Readable, str]:
        """Return an archive for `docker load`, and the image's id: the digest of its configuration.

        `config` are the keys of `image_config`; `architecture` is Go's name. The archive is read once. The
        image has no name in it: Podman would have it in another place than `docker tag` puts names.
        """
        created = f"{datetime.fromtimestamp(self.epoch, UTC):%Y-%m-%dT%H:%M:%SZ}"
        whole = {
            "architecture": architecture,
            "config": config,
            "created": created,
            "history": [{"created": created, "created_by": "dinv image build"}],
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{self.digest}"]},
        }
        described = json.dumps(whole, sort_keys=True, separators=(",", ":")).encode()
        identity = hashlib.sha256(described).hexdigest()
        layer = f"{self.digest}/layer.tar"
        manifest = [{"Config": f"{identity}.json", "RepoTags": None, "Layers": [layer]}]
        self._file.seek(0)
        parts: list[IO[bytes] | bytes] = [
            _member(f"{identity}.json", described),
            _member("manifest.json", json.dumps(manifest).encode()),
            _header(layer, self.size),
            self._file,
            bytes(-self.size % _BLOCK) + bytes(2 * _BLOCK),
        ]
        return _Parts([io.BytesIO(part) if isinstance(part, bytes) else part for part in parts]), (
            f"sha256:{identity}"
        )

    def _write(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
            self._file.flush()
        except OSError as error:
            raise ImageBuildError(
                f"The image cannot be stored for the upload: {error.strerror}. "
                f"Set TMPDIR to a directory with more space."
            ) from error

    def _settle(self, started: int | None) -> int:
        """Set the times of what the build made, in the archive; return that of the newest file."""
        self._file.seek(0)
        made: list[int] = []
        newest = 0
        try:
            with tarfile.open(fileobj=self._file, mode="r:") as tar:
                for member in tar:
                    own = member.offset_data - _BLOCK
                    # Before it, attributes that it has no room for. GNU tar gives them a time of their own.
                    if member.offset < own:
                        made.append(member.offset)
                    if started is not None and member.mtime >= started:
                        made.append(own)
                    else:
                        newest = max(newest, int(member.mtime))
        except tarfile.TarError as error:
            raise ImageBuildError(f"The archive of the file system is not whole: {error}") from error
        for offset in made:
            self._file.seek(offset)
            header = bytearray(self._file.read(_BLOCK))
            # ustar: at 136 the time, at 148 the sum of all bytes, with blanks in place of itself
            header[136:148] = b"%011o\0" % newest
            header[148:156] = b" " * 8
            header[148:156] = b"%06o\0 " % sum(header)
            self._file.seek(offset)
            self._file.write(header)
        self._file.flush()
        return newest


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member.tobuf(tarfile.GNU_FORMAT)  # a layer may have more than 8 GB


def _member(name: str, data: bytes) -> bytes:
    return _header(name, len(data)) + data + bytes(-len(data) % _BLOCK)


class _Parts:
    """Several files, read as one."""

    def __init__(self, parts: list[IO[bytes]]) -> None:
        self._parts = parts

    def read(self, size: int, /) -> bytes:
        while self._parts:
            data = self._parts[0].read(size)
            if data:
                return data
            self._parts.pop(0)
        return b""

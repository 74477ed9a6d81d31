"""A server saved in one file, and brought back: the database, the secret and the certificates.

For SQLite. PostgreSQL has tools of its own (pg_dump), and beside them only the secret is to be kept. The copy
is of one moment, whatever the server does meanwhile (VACUUM INTO).
https://www.sqlite.org/lang_vacuum.html#vacuuminto
"""

from __future__ import annotations

import contextlib
import io
import os
import sqlite3
import tarfile
import tempfile
from urllib.parse import quote

from dinv.server.problems import Conflict, Invalid, Problem
from dinv.server.serving.assembling import default_path
from dinv.server.settings import Settings
from dinv.system import files

_DATABASE = "dinv.db"
_KEPT = ("secret", "tls/ca.pem", "tls/ca-key.pem", "tls/cert.pem", "tls/key.pem")
_LARGEST = 64 * 1024 * 1024 * 1024


def save(settings: Settings, path: str) -> None:
    """Write a backup to `path`, readable by its owner alone: it has all keys. Raises Problem."""
    source = default_path(settings)
    if settings.database:
        raise Invalid(
            "A backup of this kind is of the server's own SQLite. Save PostgreSQL with pg_dump, and the "
            "secret with it."
        )
    if not os.path.exists(source):
        raise Invalid(f"There is no database yet: {source}.")
    secret = settings.secret_file or os.path.join(settings.state, "secret")
    directory = os.path.dirname(os.path.abspath(path))
    try:
        with tempfile.TemporaryDirectory(prefix=".dinv-backup-", dir=directory) as scratch:
            copy = os.path.join(scratch, _DATABASE)
            with contextlib.closing(sqlite3.connect(f"file:{quote(source)}?mode=ro", uri=True)) as database:
                database.execute("VACUUM INTO ?", (copy,))
            written = os.path.join(scratch, "backup.tar")
            descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
                archive.add(copy, _DATABASE)
                for name in _KEPT:
                    there = secret if name == "secret" else os.path.join(settings.state, name)
                    if os.path.exists(there):
                        archive.add(there, name)
                archive.close()
                file.flush()
                os.fsync(file.fileno())
            os.replace(written, path)
    except (OSError, sqlite3.Error) as error:
        raise Problem(f"The backup cannot be written to {path}: {error}") from error


def restore(settings: Settings, path: str) -> None:
    """Bring a backup back into an empty directory. Raises Invalid, Conflict, and Problem."""
    if settings.database:
        raise Invalid("A backup is brought back into SQLite. Restore PostgreSQL with pg_restore.")
    target = default_path(settings)
    if os.path.exists(target):
        raise Conflict(
            f"There is a server's database already: {target}. Stop that server, and move "
            f"{settings.state} away."
        )
    os.makedirs(settings.state, mode=0o700, exist_ok=True)
    try:
        with tarfile.open(path) as archive:
            members = {each.name: each for each in archive}
            if _DATABASE not in members or set(members) - {_DATABASE, *_KEPT}:
                raise Invalid(f"{path} is not a backup of a server.")
            os.makedirs(os.path.join(settings.state, "tls"), mode=0o700, exist_ok=True)
            for name in _KEPT:
                if name in members:
                    _put(settings, name, _content(archive, members[name]).read(1024 * 1024))
            # The database last: with it the directory is a server's.
            with tempfile.NamedTemporaryFile(dir=settings.state, prefix=".restore-", delete=False) as file:
                content = _content(archive, members[_DATABASE])
                while piece := content.read(1024 * 1024):
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.replace(file.name, target)
    except (OSError, tarfile.TarError) as error:
        raise Problem(f"The backup {path} cannot be brought back: {error}") from error


def _put(settings: Settings, name: str, data: bytes) -> None:
    mode = 0o644 if name in ("tls/ca.pem", "tls/cert.pem") else 0o600
    files.write(os.path.join(settings.state, name), data, mode=mode)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> io.BufferedReader:
    found = archive.extractfile(member) if member.isreg() and member.size <= _LARGEST else None
    if found is None:
        raise Invalid(f"The backup has {member.name} as something that is not a file.")
    return found  # type: ignore[return-value]

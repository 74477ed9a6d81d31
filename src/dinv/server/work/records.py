"""Machines' directories in the database, encrypted: what lets any server take over from any other.

A machine's keys are worth as much as the machine, and the database is read by more programs than the server:
backups, replicas, consoles. So a record is encrypted (AES-256-GCM, tied to its machine) by a secret that is
in a file. Servers of one database have the same secret; one with another is refused at its start.
"""

from __future__ import annotations

import hashlib
import os
import zlib

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from dinv.server.database.database import Database
from dinv.server.database.schema import facts, records
from dinv.server.problems import Problem
from dinv.server.settings import Settings
from dinv.system import files

_BYTES = 32
_NONCE = 12
_FACT = "secret-fingerprint"
LARGEST = 32 * 1024 * 1024
"""Bytes of a directory, unpacked: `lifecycle.transfer` takes at most 100 files of a megabyte, and a log."""


class Secret:
    """The key of all records. `fingerprint` tells secrets apart and says nothing about them."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self.fingerprint = hashlib.sha256(b"dinv server secret " + key).hexdigest()[:32]

    @classmethod
    def opened(cls, settings: Settings) -> Secret:
        """Read the file, or make it if it is the default one and not there yet. Raises Problem."""
        path = settings.secret_file or os.path.join(settings.state, "secret")
        try:
            if not settings.secret_file and not os.path.exists(path):
                os.makedirs(settings.state, mode=0o700, exist_ok=True)
                files.write(path, os.urandom(_BYTES).hex().encode() + b"\n", mode=0o600)
            text = files.read(path, largest=1024).decode("ascii").strip()
            key = bytes.fromhex(text)
        except OSError as error:
            raise Problem(f"The server's secret cannot be read: {path}: {error.strerror}") from error
        except ValueError:
            key = b""
        if len(key) != _BYTES:
            raise Problem(
                f"The server's secret in {path} is not {_BYTES} bytes in hexadecimal digits. "
                f"One is made so: openssl rand -hex {_BYTES}"
            )
        return cls(key)

    def encrypted(self, data: bytes, purpose: str) -> bytes:
        """Return what `decrypted` takes; `purpose` ties it to what it is for."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, data, purpose.encode())

    def decrypted(self, data: bytes, purpose: str) -> bytes:
        """Raises Problem if it was changed, or encrypted by another secret or for another purpose."""
        try:
            return self._cipher.decrypt(data[:_NONCE], data[_NONCE:], purpose.encode())
        except (InvalidTag, ValueError) as error:
            raise Problem(
                "A machine's record in the database was not written with this secret, or is damaged."
            ) from error


class Records:
    """Versions count up from 1; each writer says which one it has seen."""

    def __init__(self, database: Database, secret: Secret) -> None:
        self._database = database
        self._secret = secret

    def check(self) -> None:
        """Raise Problem if the servers of this database have another secret."""

        def work(connection: sa.Connection) -> str:
            self._database.lock(connection, _FACT)
            known = connection.scalar(sa.select(facts.c.value).where(facts.c.name == _FACT))
            if known is None:
                connection.execute(facts.insert().values(name=_FACT, value=self._secret.fingerprint))
            return known or self._secret.fingerprint

        if self._database.write(work) != self._secret.fingerprint:
            raise Problem(
                "The servers of this database have another secret: without it their machines cannot be "
                "reached. Copy the secret file of one of them here, and name it in the settings."
            )

    @staticmethod
    def version(connection: sa.Connection, machine_id: str) -> int:
        """Return 0 if there is no record."""
        found = connection.scalar(sa.select(records.c.version).where(records.c.machine_id == machine_id))
        return found or 0

    def read(self, machine_id: str) -> tuple[int, bytes] | None:
        """Return the version, and what `Hosts.pack` returned. Raises Problem."""
        with self._database.read() as connection:
            row = connection.execute(
                sa.select(records.c.version, records.c.content).where(records.c.machine_id == machine_id)
            ).first()
        if row is None:
            return None
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(self._secret.decrypted(row.content, machine_id), LARGEST)
        return row.version, data

    def sealed(self, machine_id: str, data: bytes) -> bytes:
        """Return the content for `write`: the slow part, done before a transaction."""
        return self._secret.encrypted(zlib.compress(data), machine_id)

    @staticmethod
    def write(connection: sa.Connection, machine_id: str, content: bytes, *, seen: int) -> bool:
        """Write version `seen` + 1; return False, with nothing done, if another was written meanwhile."""
        if seen:
            done = connection.execute(
                records.update()
                .where(records.c.machine_id == machine_id, records.c.version == seen)
                .values(version=seen + 1, content=content)
            )
            return done.rowcount == 1
        if Records.version(connection, machine_id):
            return False
        connection.execute(records.insert().values(machine_id=machine_id, version=1, content=content))
        return True

    @staticmethod
    def remove(connection: sa.Connection, machine_id: str) -> None:
        connection.execute(records.delete().where(records.c.machine_id == machine_id))

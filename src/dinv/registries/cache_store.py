"""The registry caches of a store, on disk: `caches/NAME/`, locked as machines are.

A cache's directory holds its record, config.json, and the files of a machine's own CA (`ca.pem`,
`ca-key.pem`), which signs for the cache's server and for the machines that use it.
"""

from __future__ import annotations

import contextlib
import os
import re

from dinv.errors import (
    CacheBusy,
    CacheNotFound,
    ConfigError,
    InputError,
    MachineBusy,
    MachineNotFound,
    StoreError,
)
from dinv.formats import json_text
from dinv.registries.cache_record import CacheRecord
from dinv.store import claims
from dinv.store.layout import NAME, Layout, writing
from dinv.system import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_NAME = 63
"""`dinv-cache-NAME-data` may have at most 80 characters (vSphere), with one spare."""


class CacheStore(Layout):
    """The caches in the store at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.machines_directory = os.path.join(self.path, "caches")

    def load(self, name: str) -> CacheRecord:
        """Read a cache's record. Raises CacheNotFound, ConfigError; CacheBusy if it is not written yet."""
        path = os.path.join(self.directory(name), "config.json")
        try:
            with self._of_caches(name):
                document = json_text.parse(self.content(name))
        except OSError as error:
            raise ConfigError(name, path, error.strerror or str(error), _forget(name)) from error
        except ValueError as error:
            raise ConfigError(name, path, f"not valid JSON ({error})", _forget(name)) from error
        return CacheRecord.read(document, name=name, path=path)

    def save(self, record: CacheRecord) -> None:
        """Replace a cache's record. The caller must hold its lock. Raises StoreNotWritable."""
        import json

        directory = self.directory(record.name)
        with writing(directory):
            files.sweep(directory)
            content = json.dumps(record.document, indent=4).encode()
            files.write(os.path.join(directory, "config.json"), content, mode=0o600)
            files.sync_directory(directory)

    @contextlib.contextmanager
    def lock(self, name: str, doing: str) -> Iterator[None]:
        """Hold the lock of an existing cache. Raises CacheNotFound, CacheBusy."""
        with contextlib.ExitStack() as stack:
            with self._of_caches(name):
                stack.enter_context(claims.locked(self, name, doing))
            yield

    @contextlib.contextmanager
    def claim(self, name: str, doing: str) -> Iterator[bool]:
        """Hold the lock of a cache that may not exist yet; yield whether there is anything of it.

        Raises CacheBusy, StoreNotWritable, LocksNotKept.
        """
        with contextlib.ExitStack() as stack:
            with self._of_caches(name):
                found = stack.enter_context(claims.claimed(self, name, doing, whole=lambda: False))
            yield found

    @contextlib.contextmanager
    def _of_caches(self, name: str) -> Iterator[None]:
        """Have the errors of a lock speak of a cache."""
        try:
            yield
        except MachineNotFound as error:
            raise self.not_found(name) from error
        except MachineBusy as error:
            raise CacheBusy(name, error.holder) from error

    def not_found(self, name: str) -> CacheNotFound:
        """Return the error that there is no cache of this name; it suggests a similar one."""
        from dinv.suggestions import closest

        try:
            return CacheNotFound(name, closest(name, self.names()))
        except StoreError:
            return CacheNotFound(name)


def _forget(name: str) -> str:
    from dinv.wording import command

    return "Restore the file from a backup, or forget the cache: " + command("cache", "rm", "--force", name)


def check_name(name: str) -> None:
    """Raise InputError unless `name` is valid for a cache: as a machine's, but shorter."""
    if not re.fullmatch(NAME, name) or len(name) > LONGEST_NAME:
        raise InputError(
            f'"{name}" is not a name for a registry cache: letters, digits, dots and hyphens, at most '
            f"{LONGEST_NAME}, and a letter or digit first."
        )

"""Pools on disk: `pools/NAME/` in the store, with its record, its locks and its unclaimed machines.

config.json      what the pool is to be; replaced under `.lock`, which is never held for long
state.json       what failed last, and of which image machines are; written by whoever holds `.reconcile`, the
                 lock of the one reconciler
places/          who is making machines of a pool that has a maximum (`dinv.pools.places`)
machines/KEY/    the machines, as in the store itself (`Store(path, within=...)`)
"""

from __future__ import annotations

import contextlib
import os

from dinv.errors import (
    ConfigError,
    InputError,
    MachineBusy,
    MachineNotFound,
    PoolBusy,
    PoolNotFound,
    StoreError,
    StoreNotWritable,
)
from dinv.formats import json_text, kinds
from dinv.store import claims
from dinv.store.layout import Layout, check_name, writing
from dinv.store.store import Store
from dinv.system import files, locks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

DIRECTORY = "pools"
VERSION = 1
LONGEST_NAME = 48
"""A machine's name in its pool is the pool's with a number of eight digits, and has at most 68 characters."""
RECORD_SECONDS = 5.0
"""How long a change of a pool's record waits for another."""
_RECONCILER = ".reconcile"


class PoolRecord:
    """What a pool is to be; see docs/pools.md for each."""

    __slots__ = (
        "applied",
        "created",
        "generation",
        "max_age",
        "maximum",
        "name",
        "one_at_a_time",
        "options",
        "parallel",
        "parked",
        "paused",
        "removing",
        "size",
    )

    def __init__(self, name: str, document: Mapping[str, Any]) -> None:
        self.name = name
        self.size: int = document["Size"]
        self.maximum: int = document["Max"]
        self.one_at_a_time: bool = document["OneAtATime"]
        self.parked: int = document["Parked"]
        self.max_age: int = document["MaxAge"]
        self.parallel: int = document["Parallel"]
        self.paused: bool = document["Paused"]
        self.removing: bool = document["Removing"]
        self.options: dict[str, Any] = dict(document["Options"])
        self.generation: str = document["Generation"]
        self.created: str = document["Created"]
        self.applied: dict[str, Any] = dict(document.get("Applied") or {})
        """Of a pool that a file declares (`dinv.declared`): File, Generation, Options."""

    def document(self) -> dict[str, Any]:
        """Return it as it is written."""
        return {
            "Version": VERSION,
            "Name": self.name,
            "Size": self.size,
            "Max": self.maximum,
            "OneAtATime": self.one_at_a_time,
            "Parked": self.parked,
            "MaxAge": self.max_age,
            "Parallel": self.parallel,
            "Paused": self.paused,
            "Removing": self.removing,
            "Options": self.options,
            "Generation": self.generation,
            "Created": self.created,
            **({"Applied": self.applied} if self.applied else {}),
        }


_KINDS: kinds.Kinds = {
    **dict.fromkeys(("Size", "Max", "Parked", "MaxAge", "Parallel"), kinds.is_version),
    **dict.fromkeys(("OneAtATime", "Paused", "Removing"), bool),
    "Options": dict,
    "Generation": str,
    "Created": str,
}


class PoolStore(Layout):
    """The pools of the store at `path`."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.machines_directory = os.path.join(self.path, DIRECTORY)

    def machines(self, name: str) -> Store:
        """Return the store of a pool's machines, for one thread."""
        return Store(self.path, within=os.path.join(DIRECTORY, name))

    def load(self, name: str) -> PoolRecord:
        """Read a pool's record. Raises PoolNotFound, ConfigError."""
        path = os.path.join(self.directory(name), "config.json")
        if not self.exists(name):
            raise self.not_found(name)
        try:
            document = json_text.parse(files.read(path))
        except FileNotFoundError as error:  # a create that was killed
            raise self.not_found(name) from error
        except OSError as error:
            raise ConfigError(name, path, error.strerror or str(error)) from error
        except ValueError as error:
            raise ConfigError(name, path, f"not valid JSON ({error})") from error
        if not isinstance(document, dict):
            raise ConfigError(name, path, "not a JSON object")
        if not kinds.is_version(document.get("Version")) or document["Version"] > VERSION:
            raise ConfigError(name, path, "it is of a newer dinv")
        absent = next((key for key in _KINDS if document.get(key) is None), "")
        known = {**_KINDS, "Applied": dict}
        reason = f"{absent} is missing" if absent else kinds.wrong(document, known, "Pool")
        if reason:
            raise ConfigError(name, path, reason)
        return PoolRecord(name, document)

    def save(self, record: PoolRecord) -> None:
        """Replace a pool's record. The caller must hold its lock. Raises StoreNotWritable."""
        self._write(record.name, "config.json", record.document())

    @contextlib.contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lock of an existing pool's record. Raises PoolNotFound, PoolBusy."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(claims.locked(self, name, "changing it", patience=RECORD_SECONDS))
            except MachineNotFound as error:
                raise self.not_found(name) from error
            except MachineBusy as error:
                raise PoolBusy(name, error.holder) from error
            yield

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Hold the lock of a pool's record; yield whether there is a pool of this name. Raises PoolBusy."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(claims.claimed(self, name, "creating it", whole=lambda: False))
            except MachineBusy as error:
                raise PoolBusy(name, error.holder) from error
            yield os.path.exists(os.path.join(self.directory(name), "config.json"))

    @contextlib.contextmanager
    def reconciling(self, name: str, doing: str) -> Iterator[None]:
        """Be the one reconciler of a pool. Raises PoolNotFound, PoolBusy at once, StoreNotWritable."""
        if not self.exists(name):
            raise self.not_found(name)
        path = os.path.join(self.directory(name), _RECONCILER)
        with contextlib.ExitStack() as stack:
            try:
                descriptor = stack.enter_context(locks.held(path, wait=locks.past_lookers(path)))
            except BlockingIOError as error:
                raise PoolBusy(name, self.reconciler(name)) from error
            except OSError as error:
                raise StoreNotWritable(path, error.strerror or str(error)) from error
            with writing(path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"{doing}, process {os.getpid()}\n".encode(), 0)
            try:
                yield
            finally:
                # Words that stay would pass for a holder's while somebody looks, as this process may live on.
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, 0)

    def reconciler(self, name: str) -> str:
        """Return what the process that reconciles a pool now says of itself; "" if there is none."""
        descriptor = locks.is_held(os.path.join(self.directory(name), _RECONCILER))
        if descriptor is None:
            return ""
        try:
            return locks.said(descriptor)
        finally:
            os.close(descriptor)

    def failures(self, name: str) -> tuple[int, float, str]:
        """Return how many creates have failed in a row, when the last did, and what it said."""
        document = self._state(name)
        try:
            return int(document["Failures"]), float(document["Last"]), str(document["Said"])
        except (ValueError, TypeError, KeyError):
            return 0, 0.0, ""

    def keep_failures(self, name: str, count: int, last: float, said: str) -> None:
        """Write that down. The caller must be the reconciler."""
        state = {"Failures": count, "Last": last, "Said": said}
        self._write(name, "state.json", {**self._state(name), **state})

    def image(self, name: str, generation: str) -> str:
        """Return the ID of the image that a reconciler last found for this generation; "" if none has."""
        state = self._state(name)
        return str(state.get("Image") or "") if state.get("Generation") == generation else ""

    def keep_image(self, name: str, generation: str, image: str) -> None:
        """Write that down. The caller must be the reconciler."""
        if image != self.image(name, generation):
            found = {"Generation": generation, "Image": image}
            self._write(name, "state.json", {**self._state(name), **found})

    def _state(self, name: str) -> dict[str, Any]:
        try:
            found = json_text.parse(files.read(os.path.join(self.directory(name), "state.json")))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, name: str, file: str, document: Mapping[str, Any]) -> None:
        import json

        directory = self.directory(name)
        with writing(directory):
            files.write(os.path.join(directory, file), json.dumps(document, indent=4).encode(), mode=0o600)
            files.sync_directory(directory)

    def not_found(self, name: str) -> PoolNotFound:
        """Return the error that there is no pool of this name; it suggests a similar one."""
        from dinv.suggestions import closest

        try:
            return PoolNotFound(name, closest(name, self.names()))
        except StoreError:
            return PoolNotFound(name)


def check_pool_name(name: str) -> None:
    """Raise InputError unless `name` is valid for a pool: as a machine's, but shorter."""
    check_name(name)
    if len(name) > LONGEST_NAME:
        raise InputError(
            f'The name "{name}" of a pool has {len(name)} characters; at most {LONGEST_NAME} are allowed.'
        )

"""Pools of a store, for users of the library (`Machines.pools`)."""

from __future__ import annotations

import contextlib
import os
import time

from dinv.errors import (
    DinvError,
    InputError,
    Interrupted,
    OptionError,
    PoolBusy,
    PoolExists,
    PoolNotFound,
    ReconcileFailed,
)
from dinv.pki.validity import rfc3339
from dinv.pools import members, options, places, planning
from dinv.pools.reconciling import Reconciler, remove_all, spec_of
from dinv.pools.records import PoolRecord, PoolStore, check_pool_name
from dinv.progress import Progress
from dinv.store.settings import Defaults
from dinv.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dinv.lifecycle.host import Host
    from dinv.pools.members import PoolMachine

PARALLEL = 4
"""How many machines are made at the same time by default."""
LARGEST = 1000
INTERVAL_SECONDS = 15.0
_BUSY_SECONDS = 30.0
"""How long the removal of a pool waits for its reconciler."""


class PoolStatus:
    """What is known of a pool: its record, and its machines as their records have them.

    `ready`, `creating`, `failed`, `parked` and `claimed` are numbers. `image` is the ID of the image that
    its name stands for, as the last reconciler has found it, or ""; `stale` is how many of the ready ones are
    of another generation or another image. `next_attempt` is when machines are made again after a failure,
    RFC 3339 or "", and `said` what failed. `reconciler` is what the process that reconciles it now says of
    itself, or "". `directory` is the store of its unclaimed machines (`MACHINE_STORAGE_PATH`, `-s`).
    """

    def __init__(self, pool: PoolRecord, machines: builtins.list[PoolMachine], store: PoolStore) -> None:
        self.pool = pool
        self.machines = machines
        count, last, self.said = store.failures(pool.name)
        self.image = store.image(pool.name, pool.generation)
        self.failures = count
        retry = planning.not_before(spec_of(pool), planning.Failures(count, last), time.time())
        self.next_attempt = rfc3339(retry) if retry else ""
        self.reconciler = store.reconciler(pool.name)
        self.directory = store.directory(pool.name)

    def __repr__(self) -> str:
        return f"<PoolStatus {self.pool.name}>"

    @property
    def name(self) -> str:
        return self.pool.name

    def count(self, *states: str) -> int:
        """Return how many machines are in one of these states."""
        return sum(each.state in states for each in self.machines)

    @property
    def ready(self) -> int:
        return self.count(planning.READY)

    @property
    def creating(self) -> int:
        return self.count(planning.CREATING)

    @property
    def failed(self) -> int:
        """How many have failed, or were left half made, and are not parked yet."""
        return self.count(planning.FAILED, members.LEFT)

    @property
    def parked(self) -> int:
        return self.count(planning.PARKED)

    @property
    def claimed(self) -> int:
        return self.count(planning.CLAIMED)

    @property
    def stale(self) -> int:
        return sum(
            each.state == planning.READY and not each.is_of(self.pool.generation, self.image)
            for each in self.machines
        )

    @property
    def state(self) -> str:
        """A word for it: "removing", "paused", "waiting" (after a failure), "short", or "ready"."""
        if self.pool.removing:
            return "removing"
        if self.pool.paused:
            return "paused"
        if self.ready < self.pool.size and self.next_attempt:
            return "waiting"
        return "ready" if self.ready >= self.pool.size else "short"


class Pools:
    """The pools of the store at `path`. Nothing is read until a method needs it."""

    def __init__(self, path: str, *, trace: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._trace = trace

    def names(self) -> builtins.list[str]:
        """Return the names of all pools, in natural order. Raises StoreError."""
        return PoolStore(self._path).names()

    def create(
        self,
        name: str,
        *,
        size: int,
        maximum: int = 0,
        one_at_a_time: bool = False,
        parked: int = planning.PARKED_KEPT,
        max_age: float | str | None = None,
        parallel: int = PARALLEL,
        applied: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        **given: object,
    ) -> PoolStatus:
        """Create a pool of `size` machines that nobody has claimed; `reconcile` makes them.

        `maximum` bounds them and the claimed ones together (0: no bound). `one_at_a_time`: at most one
        machine is replaced at a time when options change. `parked` is how many failed machines are kept for
        inspection, `max_age` after how long an unclaimed one is replaced ("7d", or seconds), `parallel` how
        many are made at once. `applied` is recorded of the file that declares it
        (`dinv.declared`). The other keywords are those of `Machines.create`; variables and config.toml
        count now, and not when a machine is made.

        Raises PoolExists, InputError, OptionError, PoolBusy, StoreNotWritable, and the errors of reaching the
        endpoint.
        """
        check_pool_name(name)
        store = PoolStore(self._path)
        if store.exists(name) and name in self._whole():
            raise PoolExists(name)
        document = {
            "Size": _number("size", size, 0, LARGEST),
            "Max": _number("max", maximum, 0, 100 * LARGEST),
            "OneAtATime": bool(one_at_a_time),
            "Parked": _number("parked", parked, 0, LARGEST),
            "MaxAge": _age(max_age),
            "Parallel": _number("parallel", parallel, 1, 64),
            "Paused": False,
            "Removing": False,
            "Options": options.recorded(given, os.environ, Defaults.of(self._path)),
            "Generation": "",
            "Created": rfc3339(time.time()),
            "Applied": dict(applied or {}),
        }
        pool = PoolRecord(name, document)
        _check_bounds(pool.size, pool.maximum)
        pool.options = options.placed(Store(self._path), name, pool.options, self._trace)
        pool.generation = options.generation_of(pool.options)
        os.makedirs(os.path.join(self._path, "machines"), mode=0o700, exist_ok=True)
        with store.claim(name) as there:
            if there:
                raise PoolExists(name)
            store.save(pool)
        return self.get(name)

    def set(
        self,
        name: str,
        *,
        size: int | None = None,
        maximum: int | None = None,
        one_at_a_time: bool | None = None,
        parked: int | None = None,
        max_age: float | str | None = None,
        parallel: int | None = None,
        applied: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
        **given: object,
    ) -> PoolStatus:
        """Change a pool; `reconcile` brings it there. Machines that are claimed are not touched.

        What is None stays as it is. Other options than the pool has make another generation: unclaimed
        machines are replaced. Raises PoolNotFound, InputError, OptionError, PoolBusy, StoreNotWritable.
        """
        store = PoolStore(self._path)
        wanted = {key: value for key, value in given.items() if value is not None}
        numbers = {
            "size": None if size is None else _number("size", size, 0, LARGEST),
            "maximum": None if maximum is None else _number("max", maximum, 0, 100 * LARGEST),
            "one_at_a_time": one_at_a_time,
            "parked": None if parked is None else _number("parked", parked, 0, LARGEST),
            "max_age": None if max_age is None else _age(max_age),
            "parallel": None if parallel is None else _number("parallel", parallel, 1, 64),
            "applied": None if applied is None else dict(applied),
        }
        while True:
            before = store.load(name).options
            changed = self._changed(name, before, wanted) if wanted else before
            with store.lock(name):
                pool = store.load(name)
                if pool.options != before:  # somebody has changed them while the endpoint was asked
                    continue
                for key, value in numbers.items():
                    if value is not None:
                        setattr(pool, key, value)
                if wanted:
                    pool.options = changed
                    pool.generation = options.generation_of(changed)
                _check_bounds(pool.size, pool.maximum)
                store.save(pool)
            return self.get(name)

    def _changed(self, name: str, before: Mapping[str, Any], wanted: Mapping[str, object]) -> dict[str, Any]:
        """Return a pool's options with these, as they are recorded."""
        recorded = options.recorded({**before, **wanted}, {}, Defaults())
        # An option that was set back to what it has by default is not recorded.
        changed = {key: value for key, value in {**before, **recorded}.items() if key in recorded}
        return options.placed(Store(self._path), name, changed, self._trace)

    def get(self, name: str) -> PoolStatus:
        """Return what is known of a pool. Raises PoolNotFound, ConfigError."""
        store = PoolStore(self._path)
        pool = store.load(name)
        return PoolStatus(pool, places.found(store, Store(self._path), pool), store)

    def pause(self, name: str) -> None:
        """Have nothing be made, replaced or removed in a pool until `resume`; claims go on.

        Raises PoolNotFound, PoolBusy.
        """
        self._pause(name, paused=True)

    def resume(self, name: str) -> None:
        """End a pause. What failed before counts no more. Raises PoolNotFound, PoolBusy."""
        self._pause(name, paused=False)

    def _pause(self, name: str, *, paused: bool) -> None:
        store = PoolStore(self._path)
        with store.lock(name):
            pool = store.load(name)
            was, pool.paused = pool.paused, paused
            store.save(pool)
        if was and not paused:
            try:
                with store.reconciling(name, "resuming it"):
                    store.keep_failures(name, 0, 0.0, "")
            except PoolBusy:
                pass  # whoever is at work has begun after the pause, and counts anew

    def reconcile(
        self, names: Iterable[str] | None = None, *, progress: Callable[[str], Progress] | None = None
    ) -> builtins.list[PoolStatus]:
        """Bring pools to what they are to be, one after the other: of these names, or all.

        One that another process reconciles is passed over, where all are asked for: cron begins anew while
        the last time is at it. Raises PoolNotFound; PoolBusy of one that was named; ReconcileFailed if
        machines could not be made. With several pools all are seen to first.
        """
        chosen = self._whole() if names is None else list(names)
        problem: Exception | None = None
        for name in chosen:
            about = progress(name) if progress is not None else Progress()
            try:
                Reconciler(Store(self._path), PoolStore(self._path), name, about, self._trace).run()
            except Exception as error:
                if names is None and isinstance(error, (PoolBusy, PoolNotFound)):
                    if isinstance(error, PoolBusy):
                        about.note(error.text)
                    continue
                if len(chosen) == 1 or isinstance(error, Interrupted):
                    raise
                if problem is not None:
                    about.warn(str(problem))
                problem = error
        if problem is not None:
            raise problem
        return self._statuses(chosen)

    def watch(
        self,
        names: Iterable[str] | None = None,
        *,
        interval: float = INTERVAL_SECONDS,
        progress: Callable[[str], Progress] | None = None,
    ) -> None:
        """Reconcile again and again, until the process is interrupted; all that fails is told to `progress`.

        `interval`, in seconds, is from the end of one time to the next. Without names it is all pools, also
        those that are created meanwhile. Another reconciler of a pool is not waited for.
        """
        chosen = None if names is None else list(names)
        for name in chosen or ():
            self.get(name)
        told: dict[str, str] = {}
        while True:
            for name in self._whole() if chosen is None else chosen:
                about = progress(name) if progress is not None else Progress()
                said = ""
                reconciler = Reconciler(Store(self._path), PoolStore(self._path), name, about, self._trace)
                reconciler.notes = not told.get(name)
                try:
                    reconciler.run()
                except Interrupted:
                    raise
                except DinvError as error:
                    if chosen is None and isinstance(error, PoolNotFound):  # removed since its name was read
                        continue
                    # How long it still waits is another each time.
                    said = error.said if isinstance(error, ReconcileFailed) else error.text
                    if told.get(name) != said:  # a pool that waits says so once
                        about.warn(error.text)
                told[name] = said
            time.sleep(interval)

    def remove(
        self, name: str, *, force: bool = False, progress: Progress | None = None
    ) -> builtins.list[str]:
        """Remove a pool and its unclaimed machines; claimed ones stay, as machines of their owners.

        With `force` records are removed even if an endpoint does not answer. Returns a line for each thing
        that is left. Raises PoolNotFound, PoolBusy, PoolError.
        """
        progress = progress or Progress()
        store = PoolStore(self._path)
        with store.lock(name):
            pool = store.load(name)
            pool.removing = True
            store.save(pool)
        end = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                with store.reconciling(name, "removing it"):
                    return remove_all(store, name, progress, self._trace, force=force)
            except PoolBusy:
                if time.monotonic() >= end:
                    raise
                time.sleep(0.1)

    def claim(
        self,
        pool: str,
        name: str,
        *,
        context: bool | None = None,
        labels: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Host | None:
        """Claim a machine as `name` (`Machines.create` with `pool`); None if none is ready.

        Raises PoolNotFound, MachineExists, HookRefused, CertificateError, StoreNotWritable.
        """
        from dinv.pools import claiming

        store = PoolStore(self._path)
        return claiming.take(
            store,
            store.load(pool),
            claiming.Wanted(Store(self._path), name, context=context is not False, labels=labels),
            progress or Progress(),
            trace=self._trace,
        )

    def _whole(self) -> builtins.list[str]:
        """Return the names of pools with a record: a create that was killed has left none."""
        store = PoolStore(self._path)
        return [
            name
            for name in store.names()
            if os.path.exists(os.path.join(store.directory(name), "config.json"))
        ]

    # Last, because within the class body `list` means this method from here on

    def list(self) -> builtins.list[PoolStatus]:
        """Return all pools, in natural order. Raises ConfigError."""
        return self._statuses(self._whole())

    def _statuses(self, names: Iterable[str]) -> builtins.list[PoolStatus]:
        """Return the pools of these names that are still there."""
        found = []
        for name in names:
            with contextlib.suppress(PoolNotFound):
                found.append(self.get(name))
        return found


def check_numbers(
    *,
    size: object,
    maximum: object,
    parked: object,
    parallel: object,
    max_age: float | str | None,
    **_: object,
) -> None:
    """Raise OptionError, InputError for numbers that a pool cannot have, as `Pools.create` does."""
    least = _number("size", size, 0, LARGEST)
    _check_bounds(least, _number("max", maximum, 0, 100 * LARGEST))
    _number("parked", parked, 0, LARGEST)
    _number("parallel", parallel, 1, 64)
    _age(max_age)


def _number(name: str, value: object, least: int, most: int) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if isinstance(value, bool) or not least <= number <= most:
        raise OptionError(f"is not a whole number from {least} to {most}", option=name, value=value)
    return number


def _age(value: float | str | None) -> int:
    from dinv.formats.durations import parse_duration

    if value in (None, "", 0, "0"):
        return 0
    try:
        seconds = parse_duration(value) if isinstance(value, str) else int(value or 0)
    except ValueError as error:
        raise OptionError(str(error), option="max-age", value=value) from error
    if seconds < 60:
        raise OptionError("is less than a minute", option="max-age", value=value)
    return seconds


def _check_bounds(size: int, maximum: int) -> None:
    if maximum and maximum < size:
        raise InputError(f"A pool of {size} machines cannot have at most {maximum}: claimed ones count, too.")

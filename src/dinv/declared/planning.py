"""What would be done so that there is what files ask for, and nothing is changed by asking.

What a file has made carries its name (`Dinv.Applied` in a machine's record). Only that is changed, and only
that is removed, where it is asked for no more and removing was asked for.
"""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from dinv.declared import differing, pooled
from dinv.declared.changes import CHANGE, CREATE, FAIL, NOTHING, REMOVE, REPLACE, Change
from dinv.declared.wanted import CACHE, MACHINE, POOL
from dinv.drivers import Difference
from dinv.errors import (
    CacheBusy,
    CacheNotFound,
    DeclarationError,
    DinvError,
    MachineBusy,
    MachineNotFound,
    PoolNotFound,
    StoreError,
)
from dinv.pools.records import PoolStore
from dinv.registries.cache_record import KEPT, PUSH, CacheRecord
from dinv.registries.cache_store import CacheStore
from dinv.states import at_work
from dinv.store.record import MachineConfig
from dinv.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Any

    from dinv.declared.wanted import Wanted
    from dinv.pools.records import PoolRecord
    from dinv.progress import Progress

    _Record = MachineConfig | CacheRecord | PoolRecord

PARALLEL = 4
"""How many things are looked at, or changed, at the same time."""


class Planner:
    """Compares a store with what is wanted."""

    def __init__(
        self,
        path: str,
        *,
        take_over: bool = False,
        parallel: int = PARALLEL,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.path = path
        self.take_over = take_over
        self.parallel = parallel
        self.trace = trace

    def changes(self, wanted: Sequence[Wanted], progress: Progress) -> list[Change]:
        """Return what would be done about each, in this order.

        An endpoint that does not answer, and the like, is the `error` of a change. Raises DeclarationError
        for names that something else has already.
        """
        self._check_owners(wanted)
        caches = CacheStore(self.path)
        coming = {each.name for each in wanted if each.kind == CACHE and not caches.exists(each.name)}
        with ThreadPoolExecutor(self.parallel) as pool:
            return list(pool.map(partial(self.change, progress=progress, coming=coming), wanted))

    def change(
        self, wanted: Wanted, progress: Progress, *, finish: bool = False, coming: Collection[str] = ()
    ) -> Change:
        """Return what would be done about one thing; with `finish` what was killed is settled first.

        `coming` are the caches that are not there yet, and will be before it.
        """
        try:
            if wanted.kind == CACHE:
                return self._cache(wanted)
            if wanted.kind == POOL:
                return pooled.compare(self.path, wanted)
            return self._machine(wanted, progress, finish=finish, coming=coming)
        except DinvError as error:
            return Change(wanted.kind, wanted.name, FAIL, wanted=wanted, error=error)

    def removals(self, files: Iterable[str], wanted: Iterable[Wanted] = ()) -> list[Change]:
        """Return removals of what these files have made and do not want: pools, machines, then caches."""
        files, kept = set(files), {(each.kind, each.name) for each in wanted}
        found = []
        for kind in (POOL, MACHINE, CACHE):
            for name in self._store(kind).names():
                record = None if (kind, name) in kept else self._record(kind, name)
                if record is not None and record.applied.get("File") in files:
                    machine = record if isinstance(record, MachineConfig) else None
                    found.append(Change(kind, name, REMOVE, record=machine))
        return found

    def _record(self, kind: str, name: str) -> _Record | None:
        """Return the record of a thing; None if it is not there, or not readable."""
        with contextlib.suppress(DinvError):
            return self._store(kind).load(name)
        return None

    def _store(self, kind: str) -> Store | CacheStore | PoolStore:
        if kind == CACHE:
            return CacheStore(self.path)
        return PoolStore(self.path) if kind == POOL else Store(self.path)

    def _check_owners(self, wanted: Iterable[Wanted]) -> None:
        """Raise DeclarationError for names of things that were not made by the file that asks for them."""
        problems: dict[str, list[Any]] = {}
        for each in wanted:
            owner = self._owner(each)
            if owner is None or owner == each.file:
                continue
            if self.take_over:
                continue
            whose = f'the file "{owner}" has made it' if owner else "it was not made by a file"
            said = f"is there already, and {whose}. Choose another name, or have the file take it over"
            problems.setdefault(each.document.source, []).append(each.document.problem(each.path, said))
        if problems:
            source, found = next(iter(problems.items()))
            raise DeclarationError(found, source)

    def _owner(self, wanted: Wanted) -> str | None:
        """Return the file that has made what has this name, "" if none has; None if nothing has it."""
        try:
            found, _ = self._load(wanted)
        except StoreError:
            return ""
        if found is None or (isinstance(found, CacheRecord) and found["Phase"] == KEPT):
            return None  # of a cache only what it had stored is there
        return str(found.applied.get("File") or "")

    def _load(self, wanted: Wanted) -> tuple[_Record | None, list[str]]:
        """Return the record of what has its name, None if there is none yet; and notes about who makes it.

        Raises ConfigError.
        """
        store = self._store(wanted.kind)
        try:
            return store.load(wanted.name), []
        except (MachineNotFound, CacheNotFound, PoolNotFound):
            return None, []
        except (MachineBusy, CacheBusy) as error:  # perhaps by the same file
            return None, [at_work(error.holder)]
        except StoreError:
            if store.has_record(wanted.name):
                raise
            return None, []  # killed before there was one

    def _machine(
        self, wanted: Wanted, progress: Progress, *, finish: bool, coming: Collection[str]
    ) -> Change:
        store = Store(self.path)
        config, notes = self._load(wanted)
        if not isinstance(config, MachineConfig):
            return Change(MACHINE, wanted.name, CREATE, wanted=wanted, notes=notes)
        holder = store.holder(wanted.name) if config.unfinished or config.unsettled else None
        note = differing.interrupted(config) if holder is None else at_work(holder)
        if config.unfinished:
            return Change(MACHINE, wanted.name, CREATE, wanted=wanted, notes=[note])
        if config.unsettled and not finish:
            return Change(MACHINE, wanted.name, CHANGE, wanted=wanted, notes=[note])
        return differing.compare(
            store, config, wanted, progress, finish=finish, coming=coming, trace=self.trace
        )

    def _cache(self, wanted: Wanted) -> Change:
        record, notes = self._load(wanted)
        if not isinstance(record, CacheRecord) or record["Phase"] != "ready":
            return Change(CACHE, wanted.name, CREATE, wanted=wanted, notes=notes)
        differences = list(_differences(record, wanted))
        action = REPLACE if differences else NOTHING
        return Change(CACHE, wanted.name, action, wanted=wanted, differences=differences)


def _differences(record: CacheRecord, wanted: Wanted) -> Iterable[Difference]:
    """Return what of a cache is not as its file says; what the file does not say is left."""
    from dinv.caches import upstreams

    options = wanted.options
    if options.get("upstream") or "push" in options:
        push = bool(options.get("push"))
        asked = upstreams.registries(options.get("upstream") or (), push=push)
        before = {each.name: each.upstream for each in record.registries}
        after = {each.name: each.upstream for each in asked}
        if before != after:
            yield _difference("upstream", _shown(before), _shown(after))
    for key, recorded in (("network", "Network"), ("image", "Image")):
        if options.get(key) and str(options[key]) != record[recorded]:
            yield _difference(key, str(record[recorded]), str(options[key]))


def _shown(registries: Mapping[str, str]) -> list[str]:
    return [name if name == PUSH else f"{name}={url}" for name, url in registries.items()]


def _difference(option: str, before: str | list[str], after: str | list[str]) -> Difference:
    found = Difference(option, before, after, (option,))
    found.means = differing.REPLACED
    return found


def order(wanted: Sequence[Wanted]) -> dict[tuple[str, str], set[tuple[str, str]]]:
    """Return what has to be there before each thing: its cache, the machine that it joins, or is made on."""
    known = {(each.kind, each.name) for each in wanted}
    found: dict[tuple[str, str], set[tuple[str, str]]] = {}
    joined: dict[str, tuple[str, str]] = {}
    for each in wanted:
        this = (each.kind, each.name)
        needs = found.setdefault(this, set())
        cache = (CACHE, str(each.options.get("registry_cache") or ""))
        if cache in known:
            needs.add(cache)
        for key in ("join", "endpoint"):
            other = (MACHINE, str(each.options.get(key) or ""))
            if each.kind != CACHE and other in known and other != this:
                needs.add(other)
                if key == "join":
                    # Members of a cluster join one after the other.
                    needs.add(joined.get(other[1], other))
                    joined[other[1]] = this
    return found

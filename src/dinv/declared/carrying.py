"""Changes are carried out: several at a time, each after what it needs, and one that fails stops no other.

Each thing is looked at anew before it is changed, so this can be done again after whatever has killed it.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from dinv.caches.registry_caches import RegistryCaches
from dinv.declared import pooled
from dinv.declared.changes import CHANGE, CREATE, FAIL, NOTHING, REMOVE, REPLACE, Done
from dinv.declared.planning import order
from dinv.declared.wanted import CACHE, POOL, values
from dinv.errors import CacheNotFound, DinvError, Interrupted, MachineNotFound, PoolNotFound
from dinv.leases.altering import alter
from dinv.lifecycle.change import operation
from dinv.lifecycle.create import CreateOptions, create
from dinv.lifecycle.host import Host
from dinv.lifecycle.remove import remove, rounds
from dinv.lifecycle.renew import renew
from dinv.lifecycle.upgrade import upgrade
from dinv.registries.cache_store import CacheStore
from dinv.store.store import Store
from dinv.timeouts import SERVE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from typing import Any

    from dinv.declared.changes import Change
    from dinv.declared.planning import Planner
    from dinv.declared.wanted import Wanted
    from dinv.progress import Progress

_Key = tuple[str, str]


class Carrier:
    """Carries changes out in a store. `progress` returns the Progress for one thing, by its name."""

    def __init__(
        self, planner: Planner, progress: Callable[[str], Progress], *, timeout: float = SERVE_SECONDS
    ) -> None:
        self.planner = planner
        self.path = planner.path
        self.trace = planner.trace
        self.progress = progress
        self.timeout = timeout
        self._stop = threading.Event()
        self._begun: dict[Change, Done | None] = {}
        """What became of what was begun; None while it is under way."""

    def carry_out(self, changes: Sequence[Change]) -> list[Done]:
        """Do all of it; return what became of each change. What is nothing to be done is among them.

        KeyboardInterrupt, and Interrupted, let what is under way come to its end; a second one breaks it off.
        They are raised with notes (PEP 678) of what was done.
        """
        removals = [change for change in changes if change.action == REMOVE]
        others = [change for change in changes if change.action != REMOVE]
        wanted = [change.wanted for change in others if change.wanted is not None]
        try:
            found = self._in_order(others, order(wanted))
            return [*found, *self._remove(removals)]
        except (KeyboardInterrupt, Interrupted) as error:
            for note in self._became([change for change in changes if change.action not in (NOTHING, FAIL)]):
                error.add_note(note)
            raise

    @contextlib.contextmanager
    def _workers(self) -> Iterator[ThreadPoolExecutor]:
        self._stop.clear()
        pool = ThreadPoolExecutor(self.planner.parallel, thread_name_prefix="dinv-apply")
        try:
            yield pool
        except (KeyboardInterrupt, Interrupted):
            self._stop.set()
            self.progress("").warn("Finishing what is under way. Once more to break it off")
            raise
        finally:
            self._stop.set()
            pool.shutdown(cancel_futures=True)

    def _became(self, changes: Sequence[Change]) -> list[str]:
        """Return what an interruption has left of changes, as lines."""
        said: dict[str, list[str]] = {}
        failed = []
        for change in changes:
            done = self._begun.get(change)
            if done is not None and done.error is not None:
                failed.append(f"Failed: {change.kind} {change.name}: " + done.error.text)
                continue
            state = "Not begun" if change not in self._begun else "Broken off" if done is None else "Done"
            said.setdefault(state, []).append(f"{change.kind} {change.name}")
        states = [state for state in ("Done", "Broken off", "Not begun") if state in said]
        again = ["The same command goes on where this one has ended."] if failed or states != ["Done"] else []
        return failed + [f"{state}: {', '.join(said[state])}" for state in states] + again

    def _in_order(self, changes: Sequence[Change], needs: dict[_Key, set[_Key]]) -> list[Done]:
        left = {(change.kind, change.name): change for change in changes}
        done: dict[_Key, Done] = {}
        running: dict[Future[Done], _Key] = {}
        with self._workers() as pool:
            while left or running:
                for key, change in list(left.items()):
                    before = needs.get(key, set()) & ({*left, *running.values()} - {key})
                    failed = [other for other in needs.get(key, ()) if other in done and done[other].error]
                    if failed:
                        del left[key]
                        done[key] = Done(change, _skipped(change, failed[0]))
                    elif not before:
                        del left[key]
                        running[pool.submit(self._attempt, change, self._do)] = key
                if not running:
                    for key, change in left.items():  # each needs another of them
                        done[key] = Done(change, _skipped(change, next(iter(needs[key]))))
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    key = running.pop(future)
                    done[key] = future.result()
        return [done[change.kind, change.name] for change in changes]

    def _attempt(self, change: Change, work: Callable[[Change], list[str]]) -> Done:
        if self._stop.is_set():
            return Done(change, Interrupted(2))
        if change.action == FAIL:
            return Done(change, change.error)
        self._begun[change] = None
        try:
            done = Done(change, None, work(change))
        except DinvError as error:
            error.about = change.name
            done = Done(change, error)
        self._begun[change] = done
        return done

    def _do(self, change: Change) -> list[str]:
        """Do one change that is not a removal; return what stays."""
        wanted, progress = change.wanted, self.progress(change.name)
        assert wanted is not None  # noqa: S101  (only removals have none)
        if change.kind == CACHE:
            return self._cache(change, wanted, progress)
        if change.kind == POOL:
            return pooled.carry_out(self.path, change, progress, self.trace)
        left: list[str] = []
        if change.action == REPLACE:
            with contextlib.suppress(MachineNotFound):  # somebody has removed it already
                left = self._remove_machine(change, progress)
        if change.action in (CREATE, REPLACE):
            self._create(wanted, progress)
        elif change.action == CHANGE:
            self._change(wanted, change, progress)
        self._mark(wanted)
        return left

    def _create(self, wanted: Wanted, progress: Progress) -> None:
        options = CreateOptions.of(values(wanted, self.path))
        options.applied = wanted.applied()
        create(Store(self.path), wanted.name, options, progress, trace=self.trace).close()

    def _change(self, wanted: Wanted, planned: Change, progress: Progress) -> None:
        """Give a machine what differs now: it may have changed since, or a kill may have left something."""
        now = self.planner.change(wanted, progress, finish=True)
        if now.error is not None:
            raise now.error
        if now.action == REPLACE and planned.action != REPLACE:
            # It was said that it stays: what is needed now is told by the next plan.
            raise DinvError(f'Machine "{wanted.name}" would have to be made anew by now. Begin again.')
        store, name = Store(self.path), wanted.name
        more: dict[str, Any] = {"trace": self.trace, "timeout": self.timeout}
        if now.settings:
            operation.change(
                store, name, progress, options=now.settings, force=planned.stops or not now.stops, **more
            )
        if now.lease is not None:
            with Host(store.load(name), store, trace=self.trace) as host:
                alter(host, now.lease[0], progress)
        if now.image:
            upgrade(store, name, progress, image=now.image, **more)
        if now.certificates:
            renewed: dict[str, Any] = {"tls_sans": (), "cert_lifetime": None, "ca_lifetime": None}
            renewed |= now.certificates
            renewed["tls_sans"] = tuple(renewed["tls_sans"])
            renew(store, name, progress, clients=False, cuts_told=False, **renewed, **more)

    def _mark(self, wanted: Wanted) -> None:
        """Record what the file says now with the machine."""
        store, applied = Store(self.path), wanted.applied()
        if store.load(wanted.name).applied == applied:
            return
        with store.lock(wanted.name, "recording its file"):
            config = store.load(wanted.name)
            config.applied = applied
            store.save(config)

    def _cache(self, change: Change, wanted: Wanted, progress: Progress) -> list[str]:
        caches, options, applied = (
            RegistryCaches(self.path, trace=self.trace),
            wanted.options,
            wanted.applied(),
        )
        if change.action == NOTHING and CacheStore(self.path).load(change.name).applied == applied:
            return []
        if change.action == REPLACE:
            caches.remove(change.name, keep_data=True, force=True, progress=progress)
        caches.create(
            change.name,
            upstreams=options.get("upstream") or (),
            push=bool(options.get("push")),
            endpoint=options.get("endpoint"),
            cert_path=options.get("endpoint_cert_path"),
            network=str(options.get("network") or ""),
            image=str(options.get("image") or ""),
            credentials=options.get("credentials"),
            applied=applied,
            progress=progress,
        )
        return []

    def _remove(self, changes: Sequence[Change]) -> list[Done]:
        """Remove pools, machines, of a cluster one after the other, and then caches."""
        found: dict[_Key, Done] = {}
        machines = {change.name: change for change in changes if change.kind not in (CACHE, POOL)}
        batches = [[change for change in changes if change.kind == POOL]]
        batches += [[machines[name] for name in names] for names in rounds(Store(self.path), list(machines))]
        batches.append([change for change in changes if change.kind == CACHE])
        with self._workers() as pool:
            for batch in batches:
                for done in pool.map(lambda change: self._attempt(change, self._removed), batch):
                    found[done.change.kind, done.change.name] = done
        return [found[change.kind, change.name] for change in changes]

    def _removed(self, change: Change) -> list[str]:
        """Remove one thing, which may be gone already; return what stays."""
        with contextlib.suppress(MachineNotFound, CacheNotFound, PoolNotFound):
            return self._remove_one(change, self.progress(change.name))
        return []

    def _remove_one(self, change: Change, progress: Progress) -> list[str]:
        if change.kind == CACHE:
            return RegistryCaches(self.path, trace=self.trace).remove(change.name, progress=progress)
        if change.kind == POOL:
            return pooled.carry_out(self.path, change, progress, self.trace)
        return self._remove_machine(change, progress)

    def _remove_machine(self, change: Change, progress: Progress) -> list[str]:
        """Remove a machine, if it is still the one that the change was decided for; return what stays."""
        planned = change.record

        def check(found: Host) -> None:
            now = found.config
            if planned is None or (now.identity, now.applied.get("File")) != (
                planned.identity,
                planned.applied.get("File"),
            ):
                raise DinvError(
                    f'Machine "{change.name}" was left: since this was planned, another was made under its '
                    "name, or another file has taken it over. Begin again."
                )

        return remove(Store(self.path), change.name, progress=progress, trace=self.trace, check=check)


def _skipped(change: Change, other: _Key) -> DinvError:
    error = DinvError(
        f'{change.kind.capitalize()} "{change.name}" was left: it needs {other[0]} "{other[1]}".'
    )
    error.about = change.name
    return error

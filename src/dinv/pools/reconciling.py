"""Bringing a pool to its size: what a killed reconciler has left is removed, what `planning` says is done.

One process reconciles a pool at a time. A kill at any moment leaves machines half made, or half removed, and
nobody at work on them: the next reconciler removes these. Claims go on meanwhile, and a pause is seen before
each machine that is made.
"""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

from dinv import drivers
from dinv.errors import (
    DinvError,
    MachineBusy,
    MachineNotFound,
    PoolError,
    PoolFull,
    ReconcileFailed,
    StoreError,
)
from dinv.lifecycle.host import Host
from dinv.lifecycle.remove import remove
from dinv.pools import making, members, places
from dinv.pools.members import LEFT
from dinv.pools.planning import READY, Failures, Spec, not_before, plan
from dinv.states import ERROR, PAUSED, RUNNING, STARTING
from dinv.timeouts import STATE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future
    from typing import Any

    from dinv.pools.members import PoolMachine
    from dinv.pools.planning import Actions
    from dinv.pools.records import PoolRecord, PoolStore
    from dinv.progress import Progress
    from dinv.store.store import Store

MOST_ROUNDS = 1000
"""More than any pool needs: planning comes to rest."""


def spec_of(pool: PoolRecord) -> Spec:
    """Return what planning has to know of a pool."""
    return Spec(
        size=pool.size,
        maximum=pool.maximum,
        generation=pool.generation,
        one_at_a_time=pool.one_at_a_time,
        parked=pool.parked,
        max_age=float(pool.max_age),
    )


class Reconciler:
    """Brings one pool of a store to what it is to be."""

    def __init__(
        self,
        store: Store,
        pools: PoolStore,
        name: str,
        progress: Progress,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._pools = pools
        self._name = name
        self._progress = progress
        self._trace = trace
        self._stopping = threading.Event()
        self.notes = True
        """Whether to tell why nothing is done though something is missing."""
        self._said = ""
        self._full = False
        """Whether others have taken the last places meanwhile."""
        self._lock = threading.Lock()

    def run(self) -> None:
        """Reconcile once; it is at its size then, or cannot be now.

        Raises PoolNotFound, PoolBusy, ReconcileFailed, StoreError.
        """
        with self._pools.reconciling(self._name, "reconciling it"):
            pool = self._pools.load(self._name)
            if pool.removing:
                remove_all(self._pools, self._name, self._progress, self._trace)
                return
            self._clear_up()
            self._look()
            for _ in range(MOST_ROUNDS):
                if not self._round():
                    break
            pool = self._pools.load(self._name)
            retry = not_before(spec_of(pool), self._failures(), time.time())
            if retry and self._said and not pool.paused:
                raise ReconcileFailed(self._name, self._said, retry - time.time())

    def _machines(self) -> Store:
        return self._pools.machines(self._name)

    def _failures(self) -> Failures:
        count, last, self._said = self._pools.failures(self._name)
        return Failures(count, last)

    def _round(self) -> bool:
        """Plan, do it, and return whether there was anything to do."""
        pool = self._pools.load(self._name)
        found = places.found(self._pools, self._store, pool)
        image = self._image(pool, found)
        actions = plan(
            spec_of(pool),
            [each.member(pool.generation, image) for each in found if each.state != LEFT],
            self._failures(),
            time.time(),
            paused=pool.paused or pool.removing,
        )
        if self._trace is not None:
            self._trace(f"pool {self._name}: {actions}")
        if actions.nothing:
            for why in actions.why if self.notes and (actions.not_before or pool.paused) else ():
                self._progress.note(f"Pool {self._name}: {why}")
            return False
        self._do(pool, actions)
        return not self._full

    def _image(self, pool: PoolRecord, found: Iterable[PoolMachine]) -> str:
        """Return the ID of the image that machines are made from now; "" if that is not known.

        What it was last is kept for claims, and for `pool ls`, which ask no endpoint.
        """
        for each in found:
            if each.state == READY and each.image and each.generation == pool.generation and each.config:
                with (
                    contextlib.suppress(DinvError, OSError),
                    Host(each.config, self._machines(), trace=self._trace) as host,
                ):
                    image = host.driver.image_id()
                    if image:
                        self._pools.keep_image(self._name, pool.generation, image)
                    return image
                break  # of one generation, they are all on one endpoint
        return ""

    def _do(self, pool: PoolRecord, actions: Actions) -> None:
        """Do what was planned, some at a time; after a failure, or a pause, nothing more is made."""
        tasks: list[Callable[[], None]] = [self._task(self._park, key) for key in actions.park]
        tasks += [self._task(self._remove, key) for key in actions.remove]
        tasks += [self._make] * actions.create
        self._stopping.clear()
        with self._workers(pool.parallel) as workers:
            left: set[Future[Any]] = {workers.submit(task) for task in tasks}
            while left:
                done, left = wait(left, return_when=FIRST_COMPLETED)
                for each in done:
                    each.result()

    @contextlib.contextmanager
    def _workers(self, count: int) -> Any:
        workers = ThreadPoolExecutor(max_workers=max(1, count), thread_name_prefix=f"pool-{self._name}")
        try:
            yield workers
        except BaseException:
            # What is being made is finished: broken off, it would be made again by the next reconciler.
            self._stopping.set()
            self._progress.note(
                "Finishing what is being made; what is not there yet is left to the next time"
            )
            raise
        finally:
            workers.shutdown(wait=True, cancel_futures=True)

    def _task(self, work: Callable[[str], None], key: str) -> Callable[[], None]:
        return lambda: work(key)

    def _make(self) -> None:
        if self._stopping.is_set():
            return
        pool = self._pools.load(self._name)
        if pool.paused or pool.removing:
            self._stopping.set()
            return
        key = making.new_key(self._name)
        try:
            with places.taken(self._pools, self._store, self._name, places.POOLS, key) as pool:
                making.make(self._machines(), key, pool, self._silent(), self._trace)
        except PoolFull:  # those who found none ready make the last ones themselves
            self._full = True
            self._stopping.set()
        except DinvError as error:
            self._stopping.set()
            with self._lock:
                count, _, _ = self._pools.failures(self._name)
                self._pools.keep_failures(self._name, count + 1, time.time(), error.text)
            self._progress.warn(f"Pool {self._name}: a machine could not be made: {error.text}")
        else:
            with self._lock:
                self._pools.keep_failures(self._name, 0, 0.0, "")
            self._progress.line("Pool", f"{self._name}: {key}", "ready")

    def _silent(self) -> Progress:
        from dinv.progress import Progress

        return Progress()

    def _remove(self, key: str) -> None:
        with contextlib.suppress(MachineNotFound, MachineBusy):  # it is being claimed, or is
            if remove_unclaimed(self._machines(), key, self._trace):
                self._progress.line("Pool", f"{self._name}: {key}", "removed")

    def _park(self, key: str) -> None:
        with contextlib.suppress(MachineNotFound, MachineBusy):
            making.park(self._machines(), key, self._trace)
            self._progress.line("Pool", f"{self._name}: {key}", "parked")

    def _clear_up(self) -> None:
        """Remove what a killed reconciler has left half made or half removed."""
        machines = self._machines()
        with contextlib.suppress(OSError):
            machines.sweep_removed()
        for each in members.unclaimed(machines):
            if each.state == LEFT:
                with contextlib.suppress(MachineNotFound, MachineBusy):
                    remove(machines, each.key, force=each.config is None, trace=self._trace)
                    self._progress.note(
                        f"Pool {self._name}: {each.key}, which was left half made, is removed"
                    )

    def _look(self) -> None:
        """Find out which unclaimed machines do not run any more, as their endpoints see them."""
        ready = [each for each in members.unclaimed(self._machines()) if each.state == READY]
        for each, why in dead(self._machines(), ready, self._trace):
            with contextlib.suppress(MachineNotFound, MachineBusy):
                making.failed(self._machines(), each.key, self._name, each.generation, why, unless_ready=True)
                self._progress.warn(f"Pool {self._name}: {each.key} {why}")


def dead(
    machines: Store, found: Iterable[PoolMachine], trace: Callable[[str], None] | None
) -> list[tuple[PoolMachine, str]]:
    """Return those of the machines that do not run, with what is the matter, to follow the name.

    Each endpoint is asked once. Of one that does not answer nothing is said. Raises nothing.
    """
    groups: dict[object, list[PoolMachine]] = {}
    for each in found:
        if each.config is not None:
            with contextlib.suppress(DinvError):
                driver = drivers.of(each.config)
                groups.setdefault((driver, driver.group_key(each.config)), []).append(each)
    dead = []
    for group in groups.values():
        configs = [each.config for each in group if each.config is not None]
        try:
            states = drivers.of(configs[0]).states(configs, machines, timeout=STATE_SECONDS, trace=trace)
        except (DinvError, OSError):
            continue
        for each in group:
            status = states.get(each.key)
            if status is None or status.state == STARTING or (status.state == RUNNING and not status.error):
                continue
            what = "is gone" if status.state == ERROR else "is paused" if status.state == PAUSED else ""
            dead.append((each, what or status.error or f"is {status.state.lower()}"))
    return dead


def remove_unclaimed(machines: Store, key: str, trace: Callable[[str], None] | None) -> bool:
    """Remove a machine of a pool, unless it has just been claimed; return whether it was.

    Raises MachineNotFound, MachineBusy, and what `remove` raises.
    """
    remove(machines, key, trace=trace)
    return True


def remove_all(
    pools: PoolStore,
    name: str,
    progress: Progress,
    trace: Callable[[str], None] | None,
    *,
    force: bool = False,
) -> list[str]:
    """Remove a pool, all its unclaimed machines first; return a line for each thing that is left.

    The caller must be its reconciler, and has marked it: it is not claimed from any more. What a kill leaves
    is removed by the next one. Raises PoolError if a machine cannot be removed.
    """
    machines = pools.machines(name)
    left: list[str] = []
    problems: list[str] = []

    def one(key: str) -> None:
        try:
            left.extend(remove(machines, key, force=force, trace=trace))
            progress.line("Pool", f"{name}: {key}", "removed")
        except MachineNotFound:
            pass
        except (DinvError, StoreError) as error:
            problems.append(f"{key}: {error.text}")

    with ThreadPoolExecutor(max_workers=max(1, pools.load(name).parallel)) as workers:
        list(workers.map(one, machines.names()))
    if problems:
        raise PoolError(name, f'Pool "{name}" is not removed: ' + "; ".join(problems))
    with pools.lock(name):
        pools.remove(name)
    return left

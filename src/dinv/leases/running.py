"""`dinv run`: a machine around one command, which is gone afterwards whatever happens.

The machine has a short lease, which this process extends for as long as it lives, and a lock (`runs.py`): if
the process is killed, the next run of the store removes the machine, or any dinv that has the endpoint once
the lease is over. Each run begins by removing what earlier ones have left.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading

from dinv import drivers
from dinv.errors import (
    CommandMissing,
    CommandNotExecutable,
    DinvError,
    InputError,
    Interrupted,
    MachineBusy,
    MachineNotFound,
    RunLeft,
)
from dinv.leases import runs
from dinv.leases.extending import extend
from dinv.lifecycle.host import Host
from dinv.lifecycle.remove import remove
from dinv.progress import Progress
from dinv.store.lease import Lease
from dinv.store.store import Store
from dinv.system import foreground
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from dinv.options import Table
    from dinv.store.record import MachineConfig

    Trace = Callable[[str], None] | None

WITHOUT_MEANING = ("idle_ttl", "on_expiry", "keep_cache_on_expiry", "keep_on_failure")
"""Options of a create that a machine for one command cannot have."""
LEASE_SECONDS = 600
"""The lease of a run's machine, unless the user says otherwise: extended when a third of it has gone by."""
AGAIN_SECONDS = 15.0
"""After an extension that failed."""
CACHE_WAIT_SECONDS = 3600
"""For the run that has the same cache."""
OWN_FAILURE = 125
"""The exit status of a command line whose own part has failed, and not the command: `docker run` has it."""
_STOP_SECONDS = 30.0
_LONGEST_CACHE = 60
_CACHE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


class Wanted:
    """What a run is to be.

    `argv` is the command. `name` is its machine's name. `cache` is the name of the cache that it keeps, ""
    for none, and `cache_wait` the seconds to wait for another run that has it. `signals`: those that would
    end this process are the command's (`dinv.system.foreground`); only the main thread can have them.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        name: str = "",
        cache: str = "",
        cache_wait: float = CACHE_WAIT_SECONDS,
        signals: bool = False,
    ) -> None:
        if not argv:
            raise InputError("There is no command to run a machine for: give one, after --")
        if cache and (
            len(cache) > _LONGEST_CACHE or not _CACHE_LETTERS.issuperset(cache) or cache[0] in "_.-"
        ):
            raise InputError(
                f"{cache!r} is not a name for a cache: letters, digits, _, . and -, {_LONGEST_CACHE} at most"
            )
        self.argv = list(argv)
        self.name = name or f"run-{os.urandom(4).hex()}"
        self.cache = cache
        self.cache_wait = cache_wait
        self.signals = signals
        self.program = foreground.find(self.argv[0])


@contextlib.contextmanager
def failing() -> Iterator[None]:
    """Give errors the exit status that `docker run` has for its own: 125, apart from 126 and 127.

    So a caller can tell them from the command's. An interruption has its own.
    """
    try:
        yield
    except (CommandMissing, CommandNotExecutable, Interrupted):
        raise
    except DinvError as error:
        error.exit_code = OWN_FAILURE
        raise


def volume(cache: str) -> str:
    """Return the name of the volume of a cache that runs keep."""
    return f"dinv-cache-{cache}"


def adjusted(wanted: Wanted, options: Mapping[str, Any], *, pool: str = "") -> dict[str, Any]:
    """Return the options of the create of a run's machine, given the user's own. Raises InputError.

    Or of the claim of one that is ready in a pool.
    """
    for key in WITHOUT_MEANING:
        if options.get(key):
            named = option(key.replace("_", "-"))
            raise InputError(named + " has no meaning for a machine that is there for one command")
    found = {"context": False, **options, "ttl": options.get("ttl") or LEASE_SECONDS}
    if wanted.cache:
        if pool:
            raise InputError(
                "Machines of a pool have caches of their own: of "
                + option("keep-cache")
                + " and "
                + option("pool")
                + " give one."
            )
        if options.get("cache_volume"):
            raise InputError("Of " + option("keep-cache") + " and " + option("cache-volume") + " give one.")
        found["cache_volume"] = volume(wanted.cache)
    return found


def lease(wanted: Wanted, asked: Lease | None) -> Lease:
    """Return the lease of a run's machine, without its end: of what is asked for only the time counts."""
    return Lease(ttl=asked.ttl if asked is not None else LEASE_SECONDS, keep_cache=bool(wanted.cache))


def check(wanted: Wanted, table: Table) -> None:
    """Raise InputError if the chosen driver makes no machines for commands, or none that keep caches."""
    driver = drivers.find(table.driver)
    if not (driver.provisioned or driver.ends_machines):
        raise InputError(f'The driver "{table.driver}" makes no machines, and a run needs one of its own')
    if wanted.cache and all(each.key != "cache_volume" for each in table):
        raise InputError(
            option("keep-cache")
            + f' has no meaning with the driver "{table.driver}": it has no cache volumes'
        )


def run(
    store: Store,
    wanted: Wanted,
    make: Callable[[], Host],
    progress: Progress,
    *,
    where: str = "",
    trace: Trace = None,
) -> int:
    """Have a machine made, run the command with it, remove it; return the command's exit status.

    `make` makes the machine `wanted.name`, whose record says that it is a run's (`MachineConfig.run`) and has
    a lease. `where` is the endpoint as it was given, whose caches are others than those of another. 128 + N
    is returned if signal N has ended it. Raises what `make` raises, CacheOfRunBusy, MachineBusy,
    CommandNotExecutable; the machine is removed then, too.
    """
    remove_left(store, progress, trace=trace)
    with contextlib.ExitStack() as stack:
        if wanted.cache:
            stack.enter_context(runs.cache(store, wanted.cache, where, progress, wait=wanted.cache_wait))
        stack.enter_context(runs.looked_after(store, wanted.name))
        host = make()
        begun = host.config.lease
        ttl = begun.ttl if begun is not None and begun.ttl else LEASE_SECONDS
        try:
            with host, _Kept(host, ttl):
                return foreground.run(
                    [wanted.program, *wanted.argv[1:]],
                    environment(host),
                    signals=wanted.signals,
                    name=wanted.argv[0],
                )
        finally:
            _remove(host, wanted, progress)


def environment(host: Host, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the environment of the command: as `dinv env` sets it, and DINV_MACHINE, the machine's name."""
    from dinv import provisioners

    # Those of another machine's provisioner would lead the command there.
    others = {"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_MACHINE_NAME"}
    own = dict(provisioners.of(host.config).credentials(host.config))
    machines = os.path.join(os.path.dirname(host.directory), "")
    kept = {
        key: value
        for key, value in environ.items()
        if key not in others and not (key == "KUBECONFIG" and value.startswith(machines))
    }
    return {**kept, **own, "DINV_MACHINE": host.name}


def remove_left(store: Store, progress: Progress, *, trace: Trace = None) -> list[str]:
    """Remove the machines that earlier runs of this store have left; return their names.

    What is in the way is told as a warning, and left to the next run.
    """
    gone = []
    for name in runs.left(store):
        try:
            config = store.load(name)
            if not runs.is_left(store, config):  # another run's by now, which had removed this one
                continue
            keep = config.lease is not None and config.lease.keep_cache
            check = functools.partial(_check_same, config)
            remove(Store(store.path), name, keep_cache=keep, trace=trace, check=check)
        except (MachineBusy, MachineNotFound):  # another run is at it, or has just done it
            continue
        except DinvError as error:
            progress.warn(
                f'Machine "{name}", which a run that was killed has left, stays for now: ' + error.text
            )
        else:
            progress.note(f'Removed machine "{name}", left by a run that was killed')
            gone.append(name)
    return gone


def _check_same(config: MachineConfig, found: Host) -> None:
    """Raise MachineNotFound if somebody has removed it since, and made another of the same name."""
    if found.config.identity != config.identity:
        raise MachineNotFound(found.name)


def _remove(host: Host, wanted: Wanted, progress: Progress) -> None:
    """Remove the machine; if that fails, say so and what removes it: the command's exit status stands."""
    name = host.name
    said = "Removing the machine. Once more to leave that to the next run"
    try:
        with (
            foreground.patient(lambda: progress.warn(said)) if wanted.signals else contextlib.nullcontext(),
            progress.working("Machine", f"removing {name}"),
        ):
            remove(
                Store(host.store.path),
                name,
                keep_cache=bool(wanted.cache),
                trace=host.trace,
                check=functools.partial(_check_same, host.config),
            )
    except MachineNotFound:  # the command has removed it
        return
    except KeyboardInterrupt:
        progress.warn(RunLeft(name, "its removal was interrupted").text)
    except DinvError as error:
        progress.warn(RunLeft(name, error.text).text)
    else:
        progress.line("Machine", name, "removed")


class _Kept:
    """Extends a machine's lease for the length of a with-statement, in a thread."""

    def __init__(self, host: Host, ttl: int) -> None:
        self._host = Host(host.config, Store(host.store.path), trace=host.trace)
        self._ttl = ttl
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(_STOP_SECONDS)
        self._host.close()

    def _keep(self) -> None:
        pause = self._ttl / 3
        while not self._over.wait(pause):
            try:
                extend(self._host, self._ttl, Progress())
                pause = self._ttl / 3
            except MachineNotFound:  # the command has removed it
                return
            except DinvError:
                # The endpoint is away, or another command holds the machine's lock. If that lasts, the lease
                # ends, and any dinv with the endpoint may remove it: which is what a lease is for.
                pause = min(AGAIN_SECONDS, self._ttl / 10)

"""Removing machines, whatever their state: complete, half made, gone, unreadable."""

from __future__ import annotations

import contextlib

from dinv.errors import (
    ClusterError,
    ConfigError,
    ConfigTooNew,
    DeadlineExceeded,
    DinvServerError,
    EndpointError,
    PluginBroken,
    PluginNotFound,
    StoreError,
)
from dinv.lifecycle.host import Host, cluster, context, telling
from dinv.progress import Progress
from dinv.store import forwards, twins
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.store.store import Store

_KEYS = ("key.pem", "server-key.pem", "ca-key.pem")


def remove(
    store: Store,
    name: str,
    *,
    keep_cache: bool = False,
    force: bool = False,
    progress: Progress | None = None,
    trace: Callable[[str], None] | None = None,
    check: Callable[[Host], None] | None = None,
) -> list[str]:
    """Remove a machine from its endpoint, its docker context, and the store, in this order.

    What is already gone is not an error. `check` is called first, with the machine's lock held, and may
    raise. Returns a line for each thing that stays. Raises MachineNotFound, MachineBusy, HookRefused, and
    without `force` the error if the endpoint cannot be reached or is not known.
    """
    progress = progress or Progress()
    with store.lock(name, "removing it"):
        try:
            machine = Host(store.load(name), store, trace=trace)
        except ConfigError as error:
            left = _unreadable(store, name, error, force=force)
            _forget(store, name)
            return left
        if check is not None:
            check(machine)
        with machine, twins.kept_by(store, machine.config) as other:
            if other:
                left = [f'The machine is kept: "{other}" is another record of it. Only this one is removed.']
            else:
                telling.ask(machine, "pre-remove", progress, keep_cache=keep_cache)
                left = _unmake_if_possible(machine, progress, keep_cache=keep_cache, force=force)
            _forget(store, name)
    if not other:
        telling.tell(machine, "removed", progress, keep_cache=keep_cache, left=list(left))
    return left


def rounds(store: Store, names: list[str]) -> list[list[str]]:
    """Return `names` in rounds: of each cluster's members one a round, the latest first."""
    found: list[list[str]] = [[]]
    clusters: dict[str, list[tuple[str, str]]] = {}
    for name in dict.fromkeys(names):
        try:
            config = store.load(name)
        except StoreError:
            found[0].append(name)
            continue
        cluster = str(config.membership.get("Cluster") or "")
        if cluster:
            clusters.setdefault(cluster, []).append((config.created, name))
        else:
            found[0].append(name)
    for members in clusters.values():
        for number, (_, name) in enumerate(sorted(members, reverse=True)):
            if number == len(found):
                found.append([])
            found[number].append(name)
    return [each for each in found if each]


def _unreadable(store: Store, name: str, error: ConfigError, *, force: bool) -> list[str]:
    """Return what is left of one whose record cannot be read; raise without `force`, if it may be one."""
    if isinstance(error, ConfigTooNew):
        if not force:
            error.add_note(_forcing(name))
            raise error
        return [_traces(name)]
    if not _may_be_one(store, name):
        return []
    if not force:
        raise _damaged(error) from error
    return [f"{error.path}: {error.reason}, so its endpoint is not known.", _traces(name)]


def _forget(store: Store, name: str) -> None:
    with contextlib.suppress(StoreError):  # the forward ends anyway once its record is gone
        forwards.stop(store.directory(name))
    store.remove(name)


def _unmake_if_possible(machine: Host, progress: Progress, *, keep_cache: bool, force: bool) -> list[str]:
    try:
        driver = machine.driver
    except (PluginBroken, PluginNotFound) as error:
        if not force:
            error.add_note(_forcing(machine.name))
            raise
        context.remove(machine.config)
        return [error.text, f"What it created for {machine.name} is left on its endpoint."]
    if not force:
        driver.check_removal()
        cluster.check_leave(machine)
    try:
        return unmake(machine, progress, keep_cache=keep_cache, force=force)
    except ClusterError as error:
        if ["rm", "-f", machine.name] not in error.hints:
            error.add_note(_forcing(machine.name))
        raise
    except (EndpointError, DinvServerError, DeadlineExceeded) as error:
        if not force:
            error.add_note(_forcing(machine.name))
            raise
        context.remove(machine.config)
        if isinstance(error, DinvServerError):
            there = f"If the machine is still on {error.url}, remove it on its page, or let its time run out."
            return [error.text, there]
        return [error.text, _traces(machine.name)]


def unmake(machine: Host, progress: Progress, *, keep_cache: bool = False, force: bool = False) -> list[str]:
    """Remove all but its directory; return a line per thing left. The caller must hold the lock.

    It leaves its cluster first: with `force`, whatever is in the way of that.
    """
    left = cluster.leave(machine, progress, force=force)
    if machine.config.claim:  # which may have given its container another name
        machine.driver.take_name()
    left += machine.driver.remove(keep_cache=keep_cache)
    context.remove(machine.config)
    return left


def _may_be_one(store: Store, name: str) -> bool:
    """Return whether a directory without a readable record may be a machine's.

    A create that was killed before its first record has created nothing, not even keys.
    """
    import os

    directory = store.directory(name)
    return any(os.path.lexists(os.path.join(directory, file)) for file in ("config.json", *_KEYS))


def _damaged(error: ConfigError) -> StoreError:
    return StoreError(
        f'{error.path}: {error.reason}. So the endpoint of machine "{error.machine}" is unknown, and the '
        "machine is kept, with its keys. Restore the file from a backup. " + _forcing(error.machine)
    )


def _forcing(name: str) -> str:
    return "To forget the machine anyway: " + command("rm", "-f", name)


def _traces(name: str) -> str:
    return (
        f"If the machine is still on its endpoint, remove it there: docker rm -f dinv-{name}; "
        f"docker volume rm dinv-{name}-cache; and if no other machine is there: docker network rm dinv. "
        f"Its docker context: docker context rm -f {name}"
    )

"""Removing a cache: its container, its volume unless that is to stay, and its record, in this order."""

from __future__ import annotations

import contextlib
import time

from dinv.caches.site import CHANGE_SECONDS, CacheSite
from dinv.endpoints import own_network
from dinv.errors import (
    CacheInUse,
    ConfigError,
    Conflict,
    DeadlineExceeded,
    DinvError,
    EndpointError,
    NotDone,
    NotFound,
)
from dinv.labels import LABEL_CACHE
from dinv.registries.cache_record import KEPT, REMOVING
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.registries.cache_record import CacheRecord
    from dinv.registries.cache_store import CacheStore
    from dinv.store.store import Store

_GONE_SECONDS = 10.0


def users(store: Store, name: str) -> tuple[str, ...]:
    """Return the names of the machines of a store that use the cache."""
    found = []
    for machine in store.names():
        with contextlib.suppress(DinvError):
            if store.load(machine).registry_cache == name:
                found.append(machine)
    return tuple(found)


def remove(
    store: CacheStore,
    name: str,
    used_by: Callable[[], tuple[str, ...]],
    *,
    keep_data: bool = False,
    force: bool = False,
    trace: Callable[[str], None] | None = None,
) -> list[str]:
    """Remove a cache; with `keep_data` its volume stays. Return a line for each thing that stays.

    Raises CacheNotFound, CacheBusy, without `force` CacheInUse, and the error if the endpoint cannot be
    reached.
    """
    with store.lock(name, "removing it"):
        machines = used_by()
        if machines and not force:
            raise CacheInUse(name, machines)
        left = [f"{machine} pulls from the registries themselves from now on" for machine in machines]
        try:
            record = store.load(name)
        except ConfigError as error:
            if not force:
                raise
            left.append(f"{error.path}: {error.reason}, so its endpoint is not known. {_traces(name)}")
        else:
            record["Phase"] = REMOVING
            record["KeepData"] = keep_data
            store.save(record)
            try:
                unmake(record, keep_data=keep_data, trace=trace)
            except (EndpointError, DeadlineExceeded) as error:
                if not force:
                    error.add_note("To forget the cache anyway: " + command("cache", "rm", "--force", name))
                    raise
                left.append(f"{error.text} {_traces(name)}")
            else:
                if keep_data:
                    left.append(f"Volume {record.volume} is kept, for the next cache of this name")
                    # With its CA, and where it was: the machines that use it can go on with the next one.
                    record["Phase"] = KEPT
                    record["Logins"] = []
                    store.save(record)
                    return left
        store.remove(name)
    return left


def unmake(record: CacheRecord, *, keep_data: bool, trace: Callable[[str], None] | None) -> None:
    """Remove what a cache has on its endpoint. What is already gone is not an error."""
    with CacheSite(record, trace=trace) as site:
        end = time.monotonic() + _GONE_SECONDS
        while site.container() is not None:
            with contextlib.suppress(NotFound, Conflict):  # it is gone, or its removal is in progress
                site.engine.containers.remove(
                    record.container, force=True, volumes=True, timeout=CHANGE_SECONDS
                )
            if time.monotonic() >= end:
                raise NotDone(str(site.endpoint), f"removed container {record.container}", "still has it")
        if not keep_data:
            _remove_volume(site)
        own_network.remove_unused(site.engine)


def _remove_volume(site: CacheSite) -> None:
    end = time.monotonic() + _GONE_SECONDS
    while site.volume() is not None:
        try:
            site.engine.volumes.remove(site.record.volume, timeout=CHANGE_SECONDS)
        except NotFound:
            return
        except Conflict:
            if time.monotonic() >= end:
                raise
            time.sleep(0.1)


def _traces(name: str) -> str:
    return (
        f"If it is still there: docker rm -f dinv-cache-{name}; docker volume rm dinv-cache-{name}-data; its "
        f"label is {LABEL_CACHE}."
    )

"""What a cache is doing: its state, what it has stored, who uses it."""

from __future__ import annotations

from dataclasses import dataclass

from dinv import states
from dinv.caches.site import CacheSite, running
from dinv.errors import DinvError
from dinv.formats import json_text
from dinv.registries.cache_record import CREATING, KEPT, PUSH, READY, REMOVING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from dinv.registries.cache_record import CacheRecord

ONLINE = "online"
OFFLINE = "offline"
STARTING = "starting"
UNFINISHED = "Unfinished"
REMOVED = "Removed"


@dataclass(frozen=True, slots=True)
class RegistryUsage:
    """One registry of a cache.

    `name` is the registry as in references to images, or "push"; `upstream` its URL, "" for the one that
    takes pushes; `address` where machines reach it, HOST:PORT. `state` is "online", "offline" (the upstream
    does not answer, and what is stored is served) or "starting". `size` is in bytes. `requests` and `hits`
    count blobs and manifests since the registry's start, as docker-registry counts them; `pulled` is the
    bytes that it says came from the upstream.
    """

    name: str
    upstream: str
    address: str
    state: str
    size: int
    requests: int
    hits: int
    pulled: int


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """One cache.

    `state` is one of `dinv.states`, or "Unfinished" for one that a kill has left half made, or "Removed" for
    one of which the volume was kept. `size` is the bytes that its registries have stored, None if it could
    not be asked; `machines` are the names of the machines that use it; `error` says what is wrong, "" if
    nothing is known to be.
    """

    name: str
    endpoint: str
    host: str
    state: str
    size: int | None
    registries: tuple[RegistryUsage, ...]
    machines: tuple[str, ...]
    error: str = ""


def status(
    record: CacheRecord,
    machines: tuple[str, ...],
    *,
    holder: Callable[[], str | None] = lambda: None,
    trace: Callable[[str], None] | None = None,
) -> CacheStatus:
    """Ask a cache's endpoint about it. Nothing is raised: what is wrong is in `error`.

    `holder` is `CacheStore.holder`: it is asked who makes or removes a cache that is not all there.
    """
    found: list[RegistryUsage] = []
    state, error, size, gone = states.ERROR, "", None, False
    if record["Phase"] == KEPT:
        return _status(record, machines, REMOVED)
    try:
        with CacheSite(record, trace=trace) as site:
            container = site.container()
            if container is None:
                gone = True
                error = f"its container {record.container} is gone"
            elif running(container):
                state = states.RUNNING
                found = reports(site)
                size = sum(each.size for each in found)
            else:
                state = states.STOPPED
    except DinvError as problem:
        error = str(problem)
    who = holder() if gone or record["Phase"] != READY else None
    if who is not None:
        state = {CREATING: states.STARTING, REMOVING: states.STOPPING}.get(record["Phase"], state)
        error = states.at_work(who)
    elif record["Phase"] != READY:
        state = UNFINISHED
        error = error or ("its removal" if record["Phase"] == REMOVING else "its create") + " was interrupted"
    return _status(record, machines, state, found=found, size=size, error=error)


def _status(
    record: CacheRecord,
    machines: tuple[str, ...],
    state: str,
    *,
    found: Iterable[RegistryUsage] = (),
    size: int | None = None,
    error: str = "",
) -> CacheStatus:
    return CacheStatus(
        name=record.name,
        endpoint=str(record["Endpoint"].get("URL") or ""),
        host=record["Host"],
        state=state,
        size=size,
        registries=tuple(found) or tuple(map(_unknown(record), record.registries)),
        machines=machines,
        error=error,
    )


def _unknown(record: CacheRecord) -> Callable[[Any], RegistryUsage]:
    def of(registry: Any) -> RegistryUsage:
        return RegistryUsage(registry.name, registry.upstream, record.address(registry), "", 0, 0, 0, 0)

    return of


def reports(site: CacheSite) -> list[RegistryUsage]:
    """Ask the running cache about its registries. Raises CacheNotReady and the errors of an endpoint."""
    said = parse(site.output("/usr/local/lib/dinv-cache/report"))
    found = []
    for registry in site.record.registries:
        state, size, counters = said.get(registry.name, (STARTING, 0, {}))
        requests, hits, pulled = _counted(counters)
        found.append(
            RegistryUsage(
                name=registry.name,
                upstream=registry.upstream,
                address=site.record.address(registry),
                state=state,
                size=size,
                requests=requests,
                hits=hits,
                pulled=pulled,
            )
        )
    return found


def parse(text: str) -> dict[str, tuple[str, int, dict[str, Any]]]:
    """Return state, bytes and counters by registry, from lines of NAME, STATE, KiB and JSON, with tabs."""
    found: dict[str, tuple[str, int, dict[str, Any]]] = {}
    for line in text.splitlines():
        name, _, rest = line.partition("\t")
        state, _, rest = rest.partition("\t")
        size, _, counters = rest.partition("\t")
        if state not in (ONLINE, OFFLINE, STARTING) or not (size.isascii() and size.isdecimal()):
            continue
        try:
            counted = json_text.parse(counters or "{}")
        except ValueError:
            counted = {}
        found[name] = state, int(size) * 1024, counted if isinstance(counted, dict) else {}
    return found


def _counted(counters: dict[str, Any]) -> tuple[int, int, int]:
    """Return requests, hits and bytes from the upstream, of the expvar `registry` of docker-registry 2.8."""
    proxy = counters.get("proxy")
    totals = {"Requests": 0, "Hits": 0, "BytesPulled": 0}
    for kind in ("blobs", "manifests"):
        counted = proxy.get(kind) if isinstance(proxy, dict) else None
        for key in totals:
            value = counted.get(key) if isinstance(counted, dict) else None
            totals[key] += value if isinstance(value, int) else 0
    return totals["Requests"], totals["Hits"], totals["BytesPulled"]


__all__ = ["OFFLINE", "ONLINE", "PUSH", "STARTING", "CacheStatus", "RegistryUsage", "reports", "status"]

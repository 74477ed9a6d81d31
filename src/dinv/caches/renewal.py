"""Renewing the certificates of a whole store that are due, those of registry caches' own servers too.

A cache's CA stays: the machines that use the cache trust it, and it signs for them too.
"""

from __future__ import annotations

from functools import partial

from dinv.caches import configuration
from dinv.caches.creation import serial, wait_until_served
from dinv.caches.site import CacheSite, running
from dinv.drivers import clock
from dinv.errors import CacheBusy, CacheNotFound, CertificateError, DinvError, MachineNotFound
from dinv.lifecycle.renew import when_due
from dinv.lifecycle.renew.when_due import CACHE, SERVER, Renewed
from dinv.pki.validity import Certificates, in_directory, rfc3339
from dinv.registries import cache_ca
from dinv.registries.cache_record import READY
from dinv.registries.cache_store import CacheStore
from dinv.states import at_work
from dinv.store.store import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dinv.lifecycle.renew.when_due import Terms
    from dinv.progress import Progress
    from dinv.registries.cache_record import CacheRecord


def renew_store(
    path: str,
    progress: Callable[[str], Progress],
    terms: Terms,
    *,
    names: Iterable[str] | None,
    spread: float,
    trace: Callable[[str], None] | None = None,
) -> list[Renewed]:
    """Renew what is due of the machines called `names` of a store; without, of all and of its caches.

    `progress` returns the Progress for one machine, and for "" one for a cache. Each machine has a Store,
    which tracks the locks it holds. `spread` is in seconds: see `when_due.renew_all`.
    """
    todo: dict[str, Callable[[], Renewed]] = {
        name: partial(when_due.renew_due, Store(path), name, progress(name), terms, trace=trace)
        for name in (Store(path).names() if names is None else names)
    }
    if names is not None:
        return when_due.renew_all(todo, spread=spread)
    todo |= of_all(path, progress, terms, trace=trace)
    return [each for each in when_due.renew_all(todo, spread=spread) if not _is_gone(each)]


def _is_gone(renewed: Renewed) -> bool:
    """Whether it was removed since the names were listed, which with a spread may be hours ago."""
    error = renewed.error
    if isinstance(error, CacheNotFound):
        return renewed.kind == CACHE and error.cache == renewed.name
    return isinstance(error, MachineNotFound) and error.machine == renewed.name


def of_all(
    path: str,
    progress: Callable[[str], Progress],
    terms: Terms,
    *,
    trace: Callable[[str], None] | None = None,
) -> dict[str, Callable[[], Renewed]]:
    """Return what is to be done for each cache of the store at `path`, by keys that name no machine."""
    return {
        f"cache {name}": partial(renew_due, CacheStore(path), name, progress(""), terms, trace=trace)
        for name in CacheStore(path).names()
    }


def renew_due(
    store: CacheStore,
    name: str,
    progress: Progress,
    terms: Terms,
    *,
    trace: Callable[[str], None] | None = None,
) -> Renewed:
    """Renew the certificate of a cache's server if it is due. A failure is in the result's `error`.

    The endpoint is asked only if it is due. A cache that does not run is left to `cache create`.
    """
    try:
        try:
            record = store.load(name)
        except CacheBusy as error:  # it is just being made, with a new certificate
            return Renewed(name, reason=at_work(error.holder), kind=CACHE)
        if terms.dry_run or _left_alone(store, record, terms):
            return _planned(store, record, terms, trace)
        with store.lock(name, "renewing its certificate"):
            return _renew(store, store.load(name), progress, terms, trace)
    except DinvError as error:
        error.add_note(f"The certificate of registry cache {name} was not renewed")
        return Renewed(name, error=error, kind=CACHE)


def _renew(
    store: CacheStore,
    record: CacheRecord,
    progress: Progress,
    terms: Terms,
    trace: Callable[[str], None] | None,
) -> Renewed:
    """Renew it; the cache is locked. After a kill it is due, until its registries use what was issued."""
    planned = _planned(store, record, terms, trace)
    if not planned.roles:
        return planned
    with CacheSite(record, trace=trace) as site:
        directory = store.directory(record.name)
        dates = in_directory(directory)
        if said := clock.compared(dates, directory, site.system_time, whose="the cache", harmless=True):
            raise CertificateError(
                f'Nothing of registry cache "{record.name}" was renewed: {said}. {clock.ADVICE}.'
            )
        cache_ca.server(record.name, directory, record.names, anew=True)
        site.channel().put(configuration.tls_files(directory))
        site.reload()
        wait_until_served(site, progress)
    record["Given"] = serial(directory)
    store.save(record)
    progress.line("Certificates", f"server of cache {record.name}", "renewed")
    return _result(store, record, terms, SERVER)


def _planned(
    store: CacheStore, record: CacheRecord, terms: Terms, trace: Callable[[str], None] | None
) -> Renewed:
    """Return what is to be done, or why nothing is."""
    reason = _left_alone(store, record, terms)
    if reason:
        return _result(store, record, terms, reason=reason)
    with CacheSite(record, trace=trace) as site:
        if running(site.container()):
            return _result(store, record, terms, SERVER)
    return _result(store, record, terms, later=SERVER)


def _left_alone(store: CacheStore, record: CacheRecord, terms: Terms) -> str:
    """Return why nothing is to be done, as far as the store knows."""
    if record["Phase"] != READY:
        return "the cache is not there now"
    directory = store.directory(record.name)
    found = in_directory(directory)
    killed = bool(record.given) and record.given != serial(directory)
    due = killed or found.due(found.server, record.identity, before=terms.before)
    return "" if due else "nothing is due"


def _result(
    store: CacheStore, record: CacheRecord, terms: Terms, *roles: str, later: str = "", reason: str = ""
) -> Renewed:
    found = in_directory(store.directory(record.name))
    return Renewed(
        record.name,
        roles,
        later=(later,) if later else (),
        reason=reason,
        remark=_about_ca(record, found, terms),
        certificates=Certificates(found.ca, found.server),
        kind=CACHE,
    )


def _about_ca(record: CacheRecord, found: Certificates, terms: Terms) -> str:
    """Return what to do about a CA that is near its end, if that is soon or within the time asked about."""
    if found.ca is None or not terms.warns_of(found.ca):
        return ""
    return (
        f"Its CA expires on {rfc3339(found.ca.end)[:10]}, and its certificates with it. A new CA takes a new "
        "cache, which has nothing stored: " + cache_ca.anew(record.name)
    )

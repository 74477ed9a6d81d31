"""The registry caches of a store, for users of the library: `Machines.caches`."""

from __future__ import annotations

import dataclasses
import os

from dinv.caches import creation, removal
from dinv.caches import status as state
from dinv.caches import upstreams as _upstreams
from dinv.caches.site import CacheSite, running
from dinv.errors import CacheBusy, CacheError, CacheNotFound, ConfigError, InputError
from dinv.progress import Progress
from dinv.registries.cache_record import PUSH, READY
from dinv.registries.cache_store import CacheStore
from dinv.states import ERROR, STARTING, at_work
from dinv.store.store import Store
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Mapping

    from dinv.caches.status import CacheStatus, RegistryUsage
    from dinv.endpoints.resolve import Endpoint
    from dinv.registries.cache_record import CacheRecord


class RegistryCaches:
    """The registry caches of a store: create, list, measure, prune and remove them."""

    def __init__(self, path: str, *, trace: Callable[[str], None] | None = None) -> None:
        self._path = path
        self._trace = trace

    def names(self) -> builtins.list[str]:
        """Return the names of all caches, in natural order, also of those whose data were kept."""
        return CacheStore(self._path).names()

    def create(
        self,
        name: str,
        *,
        upstreams: Iterable[str] = (),
        push: bool = False,
        endpoint: str | None = None,
        cert_path: str | None = None,
        network: str = "",
        image: str = "",
        credentials: str | None = None,
        applied: Mapping[str, object] | None = None,
        progress: Progress | None = None,
    ) -> CacheStatus:
        """Create a cache and wait until it serves; or start an existing one, and bring it up to date.

        `upstreams` are registries ("docker.io", the default), their URLs, or REGISTRY=URL. With `push` there
        is one more registry, which takes pushes. `endpoint` and `cert_path` are as for `Machines.create`;
        `network` is one of the endpoint's, `image` that of the cache (default: dinv's own, which is built).
        `credentials` is the path of a file like docker's config.json with the upstreams' users and passwords;
        without it $DINV_CACHE_AUTH_CONFIG may hold the same. `applied` is what is recorded of the file that
        declares it (`dinv.declared`).

        Raises InputError, CacheExists, CacheBusy, PreCreateCheckFailed, ImageMissing, ImageBuildError,
        CacheNotReady, and the errors of reaching the endpoint.
        """
        progress = progress or Progress()
        given = tuple(upstreams)
        registries = _upstreams.registries(given, push=push)
        store = CacheStore(self._path)
        wanted = creation.Wanted(
            endpoint=lambda: self._endpoint(endpoint, cert_path, progress),
            registries=registries,
            given=bool(given) or push,
            endpoint_named=bool(endpoint),
            logins=_upstreams.logins(credentials, registries, os.environ),
            network=network,
            image=image,
            applied=applied,
        )
        record = creation.create(store, name, wanted, progress, trace=self._trace)
        return self._status(record)

    def get(self, name: str) -> CacheStatus:
        """Return what is known of one cache, asking its endpoint.

        Raises CacheNotFound, ConfigError; CacheBusy if it is just being made and has no record yet.
        """
        return self._status(CacheStore(self._path).load(name))

    def usage(self, name: str) -> builtins.list[RegistryUsage]:
        """Return what each registry of a cache has stored and served.

        Raises CacheNotFound, CacheError if it does not run, and the errors of reaching the endpoint.
        """
        with self._running(CacheStore(self._path).load(name)) as site:
            return state.reports(site)

    def prune(
        self, name: str, *, upstreams: Iterable[str] = (), progress: Progress | None = None
    ) -> builtins.list[RegistryUsage]:
        """Throw away what the cache has stored of `upstreams`, by default of all; return what that was.

        What was pushed to it stays. Its registries are started anew, so a pull that is under way fails.
        Raises CacheNotFound, CacheBusy, InputError, CacheError if it does not run.
        """
        progress = progress or Progress()
        store = CacheStore(self._path)
        with store.lock(name, "pruning it"):
            record = store.load(name)
            known = [registry.name for registry in record.registries if registry.upstream]
            chosen = [*upstreams] or known
            for each in chosen:
                if each == PUSH:
                    raise InputError(
                        "What was pushed is kept: it may exist nowhere else. It goes with the cache: "
                        + command("cache", "rm", name)
                    )
                if each not in known:
                    raise InputError(f'Cache "{name}" has no upstream {each}. It has: {", ".join(known)}')
            with self._running(record) as site:
                before = {each.name: each for each in state.reports(site)}
                if chosen:
                    site.output("/usr/local/lib/dinv-cache/prune", *chosen)
                    creation.wait_until_served(site, progress)
            return [before[each] for each in chosen]

    def remove(
        self, name: str, *, keep_data: bool = False, force: bool = False, progress: Progress | None = None
    ) -> builtins.list[str]:
        """Remove a cache; with `keep_data` the volume stays, for a cache of this name. Return what stays.

        Raises CacheNotFound, CacheBusy, and without `force` CacheInUse if machines use it, and the error if
        its endpoint cannot be reached.
        """
        progress = progress or Progress()
        with progress.working("Cache", f"removing {name}"):
            return removal.remove(
                CacheStore(self._path),
                name,
                lambda: removal.users(Store(self._path), name),
                keep_data=keep_data,
                force=force,
                trace=self._trace,
            )

    def _running(self, record: CacheRecord) -> CacheSite:
        if record["Phase"] != READY:
            raise CacheError(
                record.name,
                f'Registry cache "{record.name}" is not there now. This makes it: '
                + command("cache", "create", record.name),
            )
        site = CacheSite(record, trace=self._trace)
        try:
            runs = running(site.container())
        except BaseException:
            site.engine.close()
            raise
        if runs:
            return site
        site.engine.close()
        raise CacheError(
            record.name,
            f'Registry cache "{record.name}" does not run. Start it: '
            + command("cache", "create", record.name),
        )

    def _status(self, record: CacheRecord) -> CacheStatus:
        """Return its status; raise as `CacheStore.load` does if it is another now, or none."""
        store = CacheStore(self._path)
        found = self._asked(store, record)
        if found.error and store.holder(record.name) is None:
            # Whoever was making or removing it may have finished between the looks.
            now = store.load(record.name)
            if now.document != record.document:
                return self._asked(store, now)
        return found

    def _asked(self, store: CacheStore, record: CacheRecord) -> CacheStatus:
        machines = removal.users(Store(self._path), record.name)
        found = state.status(record, machines, holder=lambda: store.holder(record.name), trace=self._trace)
        if found.error or record["Phase"] != READY:
            return found
        from dinv.pki import validity

        _, said = validity.in_directory(store.directory(record.name)).remark(soon=True)
        if not said:
            return found
        advice = command("cache", "create", record.name) + " renews it"
        return dataclasses.replace(found, error=f"{said}: {advice}")

    def _endpoint(self, named: str | None, cert_path: str | None, progress: Progress) -> Endpoint:
        from dinv.drivers.machine_urls import machine_urls
        from dinv.endpoints.resolve import resolve

        return resolve(
            named or os.environ.get("DINV_ENDPOINT"),
            Store(self._path),
            machine_urls=machine_urls,
            cert_path=cert_path or os.environ.get("DINV_ENDPOINT_CERT_PATH"),
            note=progress.note,
            trace=self._trace,
        )

    # Last, because within the class body `list` means this method from here on

    def list(self) -> list[CacheStatus]:
        """Return all caches, in natural order, asking their endpoints. What is wrong is in `error`."""
        store = CacheStore(self._path)
        found = []
        for name in store.names():
            try:
                found.append(self._status(store.load(name)))
            except CacheNotFound:
                continue  # removed since its name was read
            except CacheBusy as error:
                found.append(_unknown(name, STARTING, at_work(error.holder)))
            except ConfigError as error:
                found.append(_unknown(name, ERROR, f"{error.path}: {error.reason}"))
        return found


def _unknown(name: str, shown: str, said: str) -> CacheStatus:
    """Return the status of a cache without a record that could be read."""
    return state.CacheStatus(name, "", "", shown, None, (), (), said)

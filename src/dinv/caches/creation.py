"""Creating a cache, and bringing an existing one up to date: the same steps, each of which may be repeated.

    claim -> record -> image -> volume -> network -> container -> start -> certificates -> files -> served

The record is written before anything is made on the endpoint: after a kill -9, the same `cache create` goes
on where it was, and `cache rm` removes what is there. An error undoes a create whose record was not there
before it.
"""

from __future__ import annotations

import contextlib
import os
import time

import dinv
from dinv.caches import configuration, networking, removal
from dinv.caches.site import CHANGE_SECONDS, CacheSite, running
from dinv.caches.status import OFFLINE, STARTING, reports
from dinv.drivers.docker import image as images
from dinv.drivers.docker.flavours.specification import ServiceSpec
from dinv.endpoints.resolve import canonical
from dinv.errors import (
    CacheError,
    CacheExists,
    CacheNotReady,
    Conflict,
    DinvError,
    EngineError,
    NotFound,
    PreCreateCheckFailed,
)
from dinv.image_building import registry_cache as cache_image
from dinv.labels import LABEL_CACHE, LABEL_CACHE_ID, LABEL_CACHE_IMAGE, LABEL_ROLE, LABEL_VERSION
from dinv.pki import validity
from dinv.registries import cache_ca
from dinv.registries.cache_record import CREATING, KEPT, READY, REMOVING, CacheRecord
from dinv.registries.cache_store import check_name
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from dinv.endpoints.resolve import Endpoint
    from dinv.engine.credentials import Credentials
    from dinv.progress import Progress
    from dinv.registries.cache_record import Registry
    from dinv.registries.cache_store import CacheStore

ROLE = "registry-cache"
ROLE_DATA = "registry-cache-data"
SERVE_SECONDS = 60.0
_POLL_SECONDS = 0.1
_ADDRESSES_TO_TRY = 8
_MOST_CARRIED = 1024 * 1024
"""Bytes. A few hundred for each registry, and three certificates."""


class Wanted:
    """What a cache is to be; None for what was not said, which an existing cache then decides.

    `image` is "" for dinv's own, `network` "" for the endpoint's default.
    """

    def __init__(
        self,
        *,
        endpoint: Callable[[], Endpoint],
        registries: Sequence[Registry],
        given: bool,
        logins: Mapping[str, Credentials],
        endpoint_named: bool = False,
        network: str = "",
        image: str = "",
        applied: Mapping[str, Any] | None = None,
    ) -> None:
        self.applied = dict(applied or {})
        """What the record is to have of the file that declares the cache; nothing, and it stays as it is."""
        self.endpoint = endpoint
        self.endpoint_named = endpoint_named
        """Whether the endpoint was named: an existing cache has one."""
        self.registries = registries
        self.given = given
        """Whether the registries were named, and are not just the default."""
        self.logins = logins
        self.network = network
        self.image = image


def create(
    store: CacheStore,
    name: str,
    wanted: Wanted,
    progress: Progress,
    *,
    trace: Callable[[str], None] | None = None,
) -> CacheRecord:
    """Create the cache `name`, or bring it up to date and start it; return its record.

    Raises InputError, CacheBusy, CacheExists, PreCreateCheckFailed, ImageMissing, ImageBuildError,
    CacheNotReady, and the errors of reaching the endpoint.
    """
    check_name(name)
    with store.claim(name, "creating it") as found:
        record = store.load(name) if found and os.path.exists(_path(store, name)) else None
        if record is not None and record["Phase"] == REMOVING:
            progress.note(f"Finishing the interrupted removal of cache {name}")
            removal.unmake(record, keep_data=bool(record["KeepData"]), trace=trace)
            record["Phase"] = KEPT
            record = record if record["KeepData"] else None
        before = record["Phase"] if record is not None else ""
        if record is None:
            store.empty(name)
            record = _new(name, wanted)
        else:
            _compare(record, wanted)
        if wanted.applied:
            record["Applied"] = wanted.applied
        try:
            with CacheSite(record, trace=trace) as site:
                Creation(store, site, wanted, progress, new=not before).run()
        except BaseException as error:
            if before in ("", KEPT):
                _undo(store, record, error, trace, kept=bool(before))
            raise
    return record


def _path(store: CacheStore, name: str) -> str:
    return os.path.join(store.directory(name), "config.json")


def _new(name: str, wanted: Wanted) -> CacheRecord:
    record = CacheRecord.new(
        name,
        identity=os.urandom(16).hex(),
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        endpoint=wanted.endpoint().record(),
        registries=list(wanted.registries),
    )
    record["Image"] = wanted.image or cache_image.IMAGE
    record["Network"] = wanted.network
    return record


def _compare(record: CacheRecord, wanted: Wanted) -> None:
    """Raise CacheExists if what was asked for is not what the cache is.

    One of which only the volume was kept may get other registries, and another image.
    """
    if wanted.endpoint_named:
        url = str(record["Endpoint"].get("URL") or "")
        if canonical(wanted.endpoint().url) != canonical(url):
            raise CacheExists(record.name, "endpoint")
    if record["Phase"] == KEPT:
        record["Phase"] = CREATING
        record["Image"] = wanted.image or cache_image.IMAGE
        if wanted.given:
            record.change(wanted.registries)
        return
    if wanted.given:
        asked = {(each.name, each.upstream) for each in wanted.registries}
        if asked != {(each.name, each.upstream) for each in record.registries}:
            raise CacheExists(record.name, "list of upstreams")
    if wanted.network and wanted.network != record["Network"]:
        raise CacheExists(record.name, "network")
    if wanted.image and wanted.image != record["Image"]:
        raise CacheExists(record.name, "image")


def _undo(
    store: CacheStore,
    record: CacheRecord,
    error: BaseException,
    trace: Callable[[str], None] | None,
    *,
    kept: bool,
) -> None:
    try:
        if os.path.exists(_path(store, record.name)):
            removal.unmake(record, keep_data=kept or bool(record.document.get("Volume")), trace=trace)
        if kept:
            record["Phase"] = KEPT
            store.save(record)
        else:
            store.remove(record.name)
    except DinvError as failure:
        error.add_note(
            f"What was made could not all be removed ({failure.text}). Finish it: "
            + command("cache", "rm", record.name)
        )


class Creation:
    """One create; the cache is claimed."""

    def __init__(
        self, store: CacheStore, site: CacheSite, wanted: Wanted, progress: Progress, *, new: bool
    ) -> None:
        self.store = store
        self.site = site
        self.record = site.record
        self.wanted = wanted
        self.progress = progress
        self.new = new
        self.changed = False
        """Whether the registries have to be started anew to take what they were given."""
        self.image_id = ""
        self.certificate = ""
        self.carried = b""
        """A tar of what a container that is replaced was given: its credentials are nowhere else."""

    def run(self) -> None:
        """Do all the steps."""
        self._check()
        self._save()
        self._image()
        self._volume()
        self._container()
        self._start()
        self._certificates()
        self._files()
        wait_until_served(self.site, self.progress)
        self.record["Given"] = self.certificate
        self.record["Phase"] = READY
        self._save()

    def _save(self) -> None:
        self.store.save(self.record)

    def _check(self) -> None:
        """The names on the endpoint are free, or the cache's own."""
        site, record = self.site, self.record
        flavour = site.flavour
        record["Flavour"] = flavour.name
        self.progress.line("Endpoint", f"{site.endpoint} ({flavour.title} {flavour.version})")
        if site.container() is None:
            with contextlib.suppress(NotFound):
                site.engine.containers.inspect(record.container)
                raise PreCreateCheckFailed(
                    f"{site.endpoint} has a container {record.container} already, which is not this cache. "
                    f"Choose another name, or remove it: docker rm -f {record.container}"
                )
        with contextlib.suppress(NotFound):
            site.engine.volumes.inspect(record.volume)
            if site.volume() is None:
                raise PreCreateCheckFailed(
                    f"{site.endpoint} has a volume {record.volume} already, and it is no registry cache's. "
                    f"Choose another name, or remove it: docker volume rm {record.volume}"
                )
            if self.new:
                # It is not ours to remove if this create fails.
                record["Volume"] = "found"
                self.progress.note(f"Volume {record.volume} of an earlier cache is used, with what it holds")
        networking.settle(site)

    def _image(self) -> None:
        """The image is on the endpoint: ours is built there, any other is pulled."""
        engine, name = self.site.engine, self.record["Image"]
        found = images.present(engine, name)
        ours = name == cache_image.IMAGE and self.site.flavour.builds_images
        if ours and _label(found, LABEL_VERSION) != dinv.__version__:
            with self.progress.working("Image", f"building {name}"):
                cache_image.build(engine, tag=name, report=self.progress.update)
            self.progress.line("Image", name, "built")
            found = images.present(engine, name)
        if found is None:
            advice = (
                "An endpoint that cannot build takes the image from a registry: make a cache on an engine, "
                f"push its image {cache_image.IMAGE} (docker tag, docker push), and name it with "
                + option("image")
                + "."
            )
            found = images.ensure(engine, name, self.progress, advice=advice)
        self.image_id = str(found.get("Id") or "").removeprefix("sha256:")
        if not _label(found, LABEL_CACHE_IMAGE):
            raise PreCreateCheckFailed(
                f"Image {name} is not one for registry caches: it has no label {LABEL_CACHE_IMAGE}."
            )

    def _labels(self, role: str) -> dict[str, str]:
        record = self.record
        return {LABEL_CACHE: record.name, LABEL_CACHE_ID: record.identity, LABEL_ROLE: role}

    def _volume(self) -> None:
        if self.site.volume() is None:
            self.site.engine.volumes.create(
                self.record.volume,
                labels=self._labels(ROLE_DATA),
                driver="local",
                driver_opts=self.site.flavour.volume_options(self.site.flavour.default_cache, ""),
                timeout=CHANGE_SECONDS,
            )

    def _container(self) -> None:
        """The container exists: made anew if its image is another by now."""
        found = self.site.container()
        if found is not None:
            image = str(found.get("Image") or "").removeprefix("sha256:")
            if image == self.image_id or not self.site.flavour.builds_images:
                return
            self.progress.note(f"Cache {self.record.name} is made anew from the image that there is now")
            self._take_away()
        self._make()

    def _take_away(self) -> None:
        """Remove the container, and remember what it was given."""
        channel = self.site.channel()
        if channel.stat(f"{configuration.ETC}/ready") is not None:
            with channel.get_archive(configuration.ETC) as archive:
                self.carried = archive.read(_MOST_CARRIED)
        self.site.engine.containers.remove(self.record.container, force=True, timeout=CHANGE_SECONDS)

    def _make(self) -> None:
        lost = self.record.document.get("Logins") and not (self.wanted.logins or self.carried)
        if self.record["Phase"] == READY and lost:
            raise PreCreateCheckFailed(
                f"The container of cache {self.record.name} has to be made anew, and with the old one the "
                f"credentials for {', '.join(self.record['Logins'])} are gone, which nothing else keeps. "
                "Give them again: " + option("credentials", "FILE")
            )
        self.changed = True
        networking.prepare(self.site)
        self._save()
        record, engine = self.record, self.site.engine
        spec = ServiceSpec(
            hostname=record.container[:63].rstrip(".-"),
            image=record["Image"],
            labels=self._labels(ROLE),
            mounts=[(record.volume, configuration.DATA)],
            ports=[registry.port for registry in record.registries],
            network=record["Network"] or networking.own(record),
            ip=record["Address"],
            publish_address=record["Publish"],
        )
        body = self.site.flavour.service_body(spec)
        try:
            engine.containers.create(record.container, body, timeout=CHANGE_SECONDS)
        except Conflict as error:
            raise CacheError(
                record.name,
                f"{self.site.endpoint} has just got a container {record.container}: {error.message}",
            ) from error

    def _start(self) -> None:
        """It runs, at its address."""
        for _ in range(_ADDRESSES_TO_TRY):
            found = self.site.container()
            if running(found):
                break
            self.changed = True
            try:
                with self.progress.working("Cache", f"starting {self.record.name}"):
                    self.site.engine.containers.start(
                        self.record.container,
                        timeout=max(CHANGE_SECONDS, self.site.flavour.start_seconds),
                    )
            except NotFound:
                pass  # its network is gone
            except EngineError as error:
                if not self.site.flavour.address_taken(error.message):
                    raise
                networking.move(self.site)
            else:
                continue
            # Made anew on a network that is there, at an address that is free. Its files go in again.
            self._remake()
        else:
            raise CacheError(
                self.record.name,
                f"{_ADDRESSES_TO_TRY} addresses in a row were taken on {self.site.endpoint}.",
            )
        before = self.record["Host"], self.record.document.get("Served")
        networking.learn(self.site)
        ports = [registry.port for registry in self.record.registries]
        self.record["Served"] = ports
        if before[0] and before != (self.record["Host"], ports):
            self.progress.warn(
                f"Cache {self.record.name} is at {self.record['Host']} now. Machines that use it are told by "
                + command("provision", "NAME")
            )
        self._save()

    def _remake(self) -> None:
        self._take_away()
        self._make()

    def _certificates(self) -> None:
        record = self.record
        directory = self.store.directory(record.name)
        issued = cache_ca.server(record.name, directory, record.names)
        self.certificate = serial(directory)
        if issued or self.certificate != record.given:  # a renewal was killed
            self.changed = True
        if issued:
            self.progress.line("Certificates", "CA, server (ECDSA P-256)", "issued")

    def _files(self) -> None:
        """It has its certificates and configuration, and what was given last is in use."""
        channel = self.site.channel()
        if self.carried:
            channel.put_archive(os.path.dirname(configuration.ETC), self.carried)
        there = channel.stat(f"{configuration.ETC}/ready") is not None
        fresh = self.changed or not there
        put = configuration.tls_files(self.store.directory(self.record.name)) if fresh else []
        if not there or self.wanted.logins:
            # An existing configuration is kept where no credentials are given: it may hold some.
            put += configuration.configuration_files(self.record, self.wanted.logins)
        if put:
            channel.put([*put, configuration.ready()])
            if self.wanted.logins:
                self.record["Logins"] = sorted(self.wanted.logins)
                self._save()
        if there and put:
            self.site.reload()


def _label(image: Mapping[str, Any] | None, label: str) -> str:
    return str((((image or {}).get("Config") or {}).get("Labels") or {}).get(label) or "")


def serial(directory: str) -> str:
    """Return the serial number of the server's certificate in a cache's directory; "" if there is none."""
    found = validity.in_directory(directory).server
    return found.serial if found is not None else ""


def wait_until_served(site: CacheSite, progress: Progress) -> None:
    """Wait until all registries of a cache serve; those whose upstream is silent serve what they have stored.

    Raises CacheNotReady.
    """
    end = time.monotonic() + SERVE_SECONDS
    name = site.record.name
    with progress.working("Cache", f"starting the registries of {name}"):
        while True:
            found = reports(site)
            starting = [each.name for each in found if each.state == STARTING]
            if not starting:
                break
            if time.monotonic() >= end or not running(site.container()):
                raise CacheNotReady(name, f"{', '.join(starting)} did not start", site.log())
            time.sleep(_POLL_SECONDS)
    for each in found:
        if each.state == OFFLINE:
            progress.warn(
                f"The upstream of {each.name} does not answer: until it does, only what is stored is served"
            )
    progress.line("Cache", f"{name} serves {', '.join(each.name for each in found)}", "ready")

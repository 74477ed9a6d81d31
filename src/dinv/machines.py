"""The machines of one store: the entry point of the library, which the command line uses as well."""

from __future__ import annotations

import os

from dinv.store.layout import DEFAULT_NAME
from dinv.store.store import Store
from dinv.timeouts import LIST_SECONDS, SERVE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from typing import BinaryIO

    from dinv.cache_volumes import CacheVolumes
    from dinv.caches.registry_caches import RegistryCaches
    from dinv.declared.declarations import Declarations
    from dinv.drivers.server.team_server import TeamServer
    from dinv.endpoints.local.engine import LocalEngine
    from dinv.engine import Engine
    from dinv.image_building.check.report import Finding, ImageReport
    from dinv.image_building.machine_images import MachineImages
    from dinv.leases.reaped import Reaped
    from dinv.leases.running import Wanted as WantedRun
    from dinv.lifecycle.change.plan import Plan
    from dinv.lifecycle.host import Host
    from dinv.lifecycle.hosts import Hosts
    from dinv.lifecycle.renew.when_due import Renewed
    from dinv.listing.filters import Filters
    from dinv.listing.status import MachineStatus
    from dinv.machine import Machine
    from dinv.options import Table, Values
    from dinv.plugins import Plugin
    from dinv.pools.pools import Pools
    from dinv.progress import Progress

    Filter = Iterable[str] | Mapping[str, str | Iterable[str]]


def open_machines(path: str | None = None, *, trace: Callable[[str], None] | None = None) -> Machines:
    """`dinv.open`: open the store at `path`, else `$MACHINE_STORAGE_PATH`, else ~/.docker/machine.

    `trace` is called with a line for each API call, with its duration and never a secret. Nothing is created
    or read yet.
    """
    return Machines(path, trace=trace)


class Machines:
    """The machines of a store: create, get and list them.

    Nothing is read until a method needs it, and nothing is cached, so threads may share one object.
    """

    def __init__(self, path: str | None = None, *, trace: Callable[[str], None] | None = None) -> None:
        """`path` and `trace` are as for `dinv.open`."""
        self._store = Store(path)
        self._trace = trace

    @property
    def path(self) -> str:
        """The directory of the store, absolute, whether or not it exists yet."""
        return self._store.path

    # Look them up

    def names(
        self,
        *,
        filters: Filter = (),
        unreadable: bool = True,
        timeout: float = LIST_SECONDS,
    ) -> list[str]:
        """Return all names in natural order; `unreadable=False` leaves out those with an unreadable record.

        `filters` are as for `list`. Endpoints are asked only if a filter names a state; `timeout`, in
        seconds, then applies to each endpoint.
        """
        if not filters and unreadable:
            return self._store.names()
        from dinv.listing import records

        chosen = _filters(filters)
        if chosen is None or not chosen.need_state:
            return records.names(self._store, chosen, unreadable=unreadable)
        found = self.list(filters=filters, timeout=timeout)
        return [machine.name for machine in found if unreadable or machine.config is not None]

    def get(self, name: str = DEFAULT_NAME) -> Machine:
        """Return the machine called `name`. Raises MachineNotFound, ConfigError.

        One that is not in the store, but on the server that the store is logged in to, is taken from there.
        """
        from dinv.errors import MachineNotFound
        from dinv.machine import Machine

        store = self._own_store()
        try:
            return Machine.recorded(store.load(name), store, trace=self._trace)
        except MachineNotFound:
            from dinv.store import login

            if not login.exists(self.path):
                raise
        from dinv.options import DRIVER

        options = {DRIVER.key: login.DRIVER, "existing": True, "context": False}
        return self._create(name, options, None)

    def __iter__(self) -> Iterator[Machine]:
        return (self.get(name) for name in self.names())

    def __contains__(self, name: object) -> bool:
        """Whether a machine of this name exists, even if it or its record is damaged."""
        return isinstance(name, str) and self._store.exists(name)

    def active(self, *, timeout: float = LIST_SECONDS) -> Machine | None:
        """Return the running machine that the docker CLI uses here, or None.

        DOCKER_HOST decides, else the docker context. `timeout` in seconds. Raises DinvError if the endpoint
        does not answer.
        """
        from dinv.listing.active import active

        config = active(self._store, timeout=timeout, trace=self._trace)
        return self.get(config.name) if config is not None else None

    @property
    def server(self) -> TeamServer:
        """The dinv server that machines are asked from, if the store is logged in to one (`dinv login`)."""
        from dinv.drivers.server.team_server import TeamServer

        return TeamServer(self._store)

    # Create

    def create(
        self,
        name: str,
        *,
        driver: str | None = None,
        provisioner: str | None = None,
        authority: str | None = None,
        timeout: float | None = None,
        keep_on_failure: bool | None = None,
        context: bool | None = None,
        pool: str | None = None,
        progress: Progress | None = None,
        **options: object,
    ) -> Machine:
        """Create a machine and wait until it answers.

        With `pool` it is one that is ready in that pool (`Machines.pools`), with a client certificate of its
        own; where none is ready, one is made with the pool's options. `context` and `label` may be given with
        it; an option that differs from the pool's raises PoolsMachine. Raises PoolNotFound, PoolFull, too.

        The keywords are the flags of `dinv create`: `memory="2g"` is --memory 2g. One that is missing or None
        is taken from its environment variable, else from `[create]` in the store's config.toml, as on the
        command line. `timeout` is in seconds. Sizes are
        bytes, or strings such as "2g". An option that may be repeated takes a list; one of KEY=VALUE pairs
        takes a mapping or a list: `label={"team": "red"}` is `label=["team=red"]`.

        Which `options` exist depends on the driver (default "docker"), the provisioner, the authority and the
        image contract, any of which may come from a plugin. docs/create.md lists the built-in ones, and
        `dinv create -d DRIVER --help-all` shows all for a given choice. They are checked before anything is
        created: an unknown option raises InputError, which names its owner or a likely alternative, and an
        unusable value raises OptionError. Also raises whatever `dinv.lifecycle.create.create` raises.
        """
        options |= {
            "driver": driver,
            "provisioner": provisioner,
            "authority": authority,
            "timeout": timeout,
            "keep_on_failure": keep_on_failure,
            "context": context,
        }
        if pool:
            from dinv.machine import Machine
            from dinv.pools.obtaining import obtain

            return Machine(obtain(self.path, pool, name, options, _silent(progress), trace=self._trace))
        return self._create(name, options, progress)

    def _create(self, name: str, options: Mapping[str, object], progress: Progress | None) -> Machine:
        from dinv.lifecycle.create import CreateOptions, create
        from dinv.machine import Machine

        values = CreateOptions.of(self._values(options))
        return Machine(create(self._own_store(), name, values, _silent(progress), trace=self._trace))

    def _table(self, options: Mapping[str, object]) -> Table:
        """Return the table of options for these of a create, variables, and what the store says."""
        from dinv.options import Table
        from dinv.store.settings import Defaults

        return Table.chosen(options, os.environ, Defaults.of(self.path))

    def _values(self, options: Mapping[str, object]) -> Values:
        """Return the effective values of the options of a create: given, or of a variable, or the store's."""
        return self._table(options).values(options, os.environ)

    def adopt(
        self,
        container: str,
        name: str = "",
        *,
        endpoint: str | None = None,
        cert_path: str | None = None,
        context: bool = True,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Machine:
        """Turn a running container into a machine; see `dinv.lifecycle.adopt.adopt`. `timeout` in seconds."""
        from dinv.lifecycle.adopt import adopt
        from dinv.machine import Machine

        host = adopt(
            self._own_store(),
            container,
            _silent(progress),
            name=name,
            endpoint=endpoint or os.environ.get("DINV_ENDPOINT"),
            cert_path=cert_path or os.environ.get("DINV_ENDPOINT_CERT_PATH"),
            context=context,
            timeout=timeout or SERVE_SECONDS,
            trace=self._trace,
        )
        return Machine(host)

    def temporary(
        self,
        name: str | None = None,
        *,
        context: bool = False,
        progress: Progress | None = None,
        **options: object,
    ) -> Temporary:
        """Return a context manager: a machine that is removed when the with-block ends, however it ends.

        Without a name it gets an unused one. A docker context is written only if `context` is set. `options`
        are those of `create`, including `driver` and the like.
        """
        name = name or f"tmp-{os.urandom(4).hex()}"
        return Temporary(self, lambda: self._create(name, {**options, "context": context}, progress))

    def run(
        self,
        command: Sequence[str],
        *,
        name: str | None = None,
        keep_cache: str | None = None,
        cache_wait: float | timedelta | str | None = None,
        signals: bool = False,
        pool: str | None = None,
        progress: Progress | None = None,
        **options: object,
    ) -> int:
        """Run a command of this computer with a machine of its own; return the command's exit status.

        The machine is made for it, of the `options` of `create`, and removed afterwards, however it ends; if
        this process is killed, the next run does that. The command has this process's standard streams, the
        variables of `Machine.environment`, and DINV_MACHINE. 128 + N is returned if signal N has ended it.

        With `keep_cache` the machine's images stay in a volume of that name, for the next run with it; while
        another run has it, this one waits for `cache_wait`, in seconds, or such as "10m" (an hour). With
        `pool` the machine is one that is ready there, as with `create`. With `signals`, which is for main
        threads only, SIGTERM and the like are passed on to the command. Raises CommandMissing,
        CommandNotExecutable, CacheOfRunBusy, and what `create` raises.
        """
        from dinv.leases import running
        from dinv.options import CACHE_WAIT

        with running.failing():
            wanted = running.Wanted(
                command,
                name=name or "",
                cache=keep_cache or "",
                cache_wait=CACHE_WAIT.value(cache_wait, {}),
                signals=signals,
            )
            given, told = running.adjusted(wanted, options, pool=pool or ""), _silent(progress)
            make, where = self._maker_for_run(wanted, given, pool or "", told)
            return running.run(self._own_store(), wanted, make, told, where=where, trace=self._trace)

    def _maker_for_run(
        self, wanted: WantedRun, given: Mapping[str, object], pool: str, progress: Progress
    ) -> tuple[Callable[[], Host], str]:
        """Return what makes the machine of a run, and the endpoint that was named for it, or ""."""
        name, trace = wanted.name, self._trace
        if pool:
            from dinv.pools.obtaining import obtain

            return lambda: obtain(self.path, pool, name, given, progress, run=True, trace=trace), ""
        from dinv.leases import running
        from dinv.lifecycle.create import CreateOptions, create

        table = self._table(given)
        running.check(wanted, table)
        made = CreateOptions.of(table.values(given, os.environ), run=True)
        made.lease = running.lease(wanted, made.lease)
        where = str((made.driver_values or {}).get("endpoint") or "")
        return lambda: create(self._own_store(), name, made, progress, trace=trace), where

    # Shortcuts for methods of Machine

    def remove(
        self, name: str, *, keep_cache: bool = False, force: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """`Machine.remove`, but also for a machine that is half created or has an unreadable record."""
        from dinv.lifecycle.remove import remove

        with _silent(progress).working("Machine", f"removing {name}"):
            return remove(
                self._own_store(),
                name,
                keep_cache=keep_cache,
                force=force,
                progress=progress,
                trace=self._trace,
            )

    def upgrade(
        self,
        name: str,
        *,
        image: str = "",
        force: bool = False,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> bool:
        """`Machine.upgrade`."""
        with self.get(name) as machine:
            return machine.upgrade(
                image=image, force=force, timeout=timeout or SERVE_SECONDS, progress=progress
            )

    def change(
        self,
        name: str,
        *,
        force: bool = False,
        timeout: float | None = None,
        progress: Progress | None = None,
        **options: object,
    ) -> Plan:
        """`Machine.change`."""
        with self.get(name) as machine:
            return machine.change(force=force, timeout=timeout or SERVE_SECONDS, progress=progress, **options)

    def renew_certificates(
        self,
        name: str,
        *,
        clients: bool = False,
        tls_sans: Iterable[str] = (),
        cert_lifetime: float | timedelta | str | None = None,
        ca_lifetime: float | timedelta | str | None = None,
        cuts_told: bool = False,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        """`Machine.renew_certificates`."""
        with self.get(name) as machine:
            machine.renew_certificates(
                clients=clients,
                tls_sans=tls_sans,
                cert_lifetime=cert_lifetime,
                ca_lifetime=ca_lifetime,
                cuts_told=cuts_told,
                timeout=timeout or SERVE_SECONDS,
                progress=progress,
            )

    def renew(
        self,
        names: Iterable[str] | None = None,
        *,
        before: float | timedelta | str | None = None,
        ca: bool = False,
        dry_run: bool = False,
        spread: float | timedelta | str | None = None,
        timeout: float | None = None,
        progress: Callable[[str], Progress] | None = None,
    ) -> list[Renewed]:
        """Renew the certificates that are due, of these machines or of the store; return a Renewed for each.

        Due is what has a third of its life left, or with `before` what expires within that time: "30d", a
        timedelta, or seconds. Of a machine that does not run only the client's certificate is renewed. A CA
        that is due is renewed only with `ca`: everybody who has a certificate of the old one is refused then.
        Without `names` it is all machines, and after them the registry caches, whose own certificates are
        renewed if they run; their registries start anew then.

        A failure is in the result's `error`; the others go on, four at a time, begun over `spread`.
        `progress` returns the Progress for one machine, and for "" one for a cache. `timeout`, in seconds, is
        for each daemon to use its new certificates. With `dry_run` nothing is changed. Raises OptionError.
        """
        from dinv.caches import renewal
        from dinv.lifecycle.renew import when_due

        terms = when_due.Terms(
            before=when_due.BEFORE.value(before, {}),
            ca=ca,
            dry_run=dry_run,
            timeout=timeout or SERVE_SECONDS,
        )
        return renewal.renew_store(
            self.path,
            progress or (lambda _name: _silent(None)),
            terms,
            names=names,
            spread=when_due.SPREAD.value(spread, {}) or 0,
            trace=self._trace,
        )

    def reap(
        self,
        *,
        endpoint: str | None = None,
        cert_path: str | None = None,
        warn_before: float | timedelta | str | None = None,
        dry_run: bool = False,
        progress: Callable[[str], Progress] | None = None,
    ) -> list[Reaped]:
        """Stop or remove the machines whose lease is over or that nobody uses; return a Reaped for each.

        Those of this store; with `endpoint` those on that endpoint, and those of any other dinv there, which
        their labels tell. Hooks are told of an end that comes within `warn_before`, in seconds or such as
        "30m" (an hour, or a quarter of the lease). With `dry_run` nothing is done. A failure is in the
        result's `error`. Raises OptionError, NoEndpoint, EndpointError.
        """
        from dinv.leases import reaping, strangers
        from dinv.leases.reaped import Terms
        from dinv.leases.watching import Watch, identities
        from dinv.options import WARN_BEFORE

        terms = Terms(dry_run=dry_run, warn_before=WARN_BEFORE.value(warn_before, {}))
        told = progress or (lambda _name: _silent(None))
        store = self._own_store()
        watch = Watch(store)
        if endpoint is None:
            return reaping.reap(store, terms, watch, told, trace=self._trace)
        with self.endpoint(endpoint, cert_path=cert_path) as engine:
            at = str(engine.address)
            found = reaping.reap(store, terms, watch, told, endpoint=at, trace=self._trace)
            now = watch.believed(engine, at, told(""))
            if now is None:
                return found
            own = identities(store)
            return [*found, *strangers.reap(engine, now, own, terms, told)]

    def removal_rounds(self, names: Iterable[str]) -> list[list[str]]:
        """Return machines in the order in which they are best removed: those of a list can go at once.

        Of a cluster's members one goes after another, the latest first: the one that began it is the last.
        """
        from dinv.lifecycle.remove import rounds

        return rounds(self._store, list(names))

    def provision(
        self,
        name: str,
        *,
        force_new_cluster: bool = False,
        cluster_image: str = "",
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        """`Machine.provision`."""
        with self.get(name) as machine:
            machine.provision(
                force_new_cluster=force_new_cluster,
                cluster_image=cluster_image,
                timeout=timeout or SERVE_SECONDS,
                progress=progress,
            )

    def export(self, name: str, out: BinaryIO) -> None:
        """`Machine.export`."""
        with self.get(name) as machine:
            machine.export(out)

    def hooks(self) -> list[Plugin]:
        """Return the hooks of the store and of installed packages, each with its name, place and problem.

        Files that were meant as hooks and are skipped are among them.
        """
        from dinv.hooks import finding

        return finding.installed(self._store.path)

    def plugins(self) -> list[Plugin]:
        """Return all drivers, provisioners, authorities, image contracts and hooks, each with its problem.

        Those of packages are loaded, to see if that works. One whose `problem` is not "" cannot be used.
        """
        from dinv.options import installed

        return [*installed(), *self.hooks()]

    # Between machines and this computer

    def ssh_config(self, names: Iterable[str] | None = None) -> str:
        """Return what plain ssh has to know of machines, for ~/.ssh/config; makes no calls.

        Without names of all that have an SSH server that clients reach, and a comment for each of the others.
        Of a name, raises MachineNotFound, and NotSupported for one that has none.
        """
        from dinv.access import system_ssh

        hosts = self._hosts()
        if names is None:
            return system_ssh.configurations(hosts.get(name) for name in self.names())
        return "\n".join(system_ssh.configuration(hosts.get(name)) for name in names)

    def copy(
        self,
        source: str,
        target: str,
        *,
        recursive: bool = False,
        quiet: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Copy a file, or with `recursive` a directory, as `dinv scp` does.

        `source` and `target` are `NAME:PATH` or paths on this computer; at least one is in a machine, which
        may be stopped. `quiet` applies to the system's scp, used for machines that docker-machine made.
        Raises CopyError, InputError, MachineNotFound.
        """
        from dinv.access.copying.scp import copy
        from dinv.access.place import Place

        copy(
            Place.parse(source),
            Place.parse(target),
            recursive=recursive,
            quiet=quiet,
            hosts=self._hosts(),
            progress=progress,
        )

    def rsync_command(
        self, source: str, target: str, *, recursive: bool = False, quiet: bool = False
    ) -> list[str]:
        """Return a command line of the system's rsync that copies only what differs, e.g. for `subprocess`.

        `source` and `target` are as for `copy`; one of them is a path on this computer. Raises InputError,
        ProgramMissing, MachineNotFound, MachineNotRunning, and MachineError if the machine has no rsync.
        """
        from dinv.access.copying.rsync import rsync_command
        from dinv.access.place import Place

        return rsync_command(
            Place.parse(source), Place.parse(target), recursive=recursive, quiet=quiet, hosts=self._hosts()
        )

    def import_(
        self,
        source: str | BinaryIO,
        *,
        name: str = "",
        context: bool = True,
        key: str | None = None,
        progress: Progress | None = None,
    ) -> str:
        """Import a machine from an archive or a directory (`transfer.import_`). Returns its name.

        Or one that somebody else has shared (`Machine.share`): `key` is the path of the private key, for a
        share that was made for a signing request.
        """
        from dinv.lifecycle.transfer import import_
        from dinv.pki import pem

        found = pem.read(key) if key is not None else None
        return import_(self._own_store(), source, _silent(progress), name=name, context=context, key=found)

    # Endpoints

    def endpoint(
        self,
        named: str | None = None,
        *,
        cert_path: str | None = None,
        progress: Progress | None = None,
    ) -> Engine:
        """Return a client of the endpoint that `create` would use; `named` is its `endpoint` option.

        Raises NoEndpoint, InputError.
        """
        from dinv.drivers.machine_urls import machine_urls
        from dinv.endpoints.resolve import resolve

        endpoint = resolve(
            named or os.environ.get("DINV_ENDPOINT"),
            self._store,
            machine_urls=machine_urls,
            cert_path=cert_path or os.environ.get("DINV_ENDPOINT_CERT_PATH"),
            note=_silent(progress).note,
            trace=self._trace,
        )
        return endpoint.engine(trace=self._trace)

    def images(
        self,
        endpoint: str | None = None,
        *,
        cert_path: str | None = None,
        progress: Progress | None = None,
    ) -> MachineImages:
        """Return the machine images of an endpoint: to list, build and push. The arguments are `endpoint`'s.

        Raises NoEndpoint, InputError.
        """
        from dinv.image_building.machine_images import MachineImages

        return MachineImages(self.endpoint(endpoint, cert_path=cert_path, progress=progress))

    def virtual_machine(
        self,
        name: str,
        url: str,
        disk: str,
        *,
        format: str = "certificates",  # noqa: A002 - the option's name
        names: Iterable[str] = (),
        context: bool | None = None,
        progress: Progress | None = None,
    ) -> Machine:
        """Make certificates for a virtual machine, write its own to the file `disk`, and record the machine.

        The machine runs a disk of `MachineImages.export`, with `disk` beside it, and its daemon is reached at
        `url`, such as tcp://127.0.0.1:23760. `names` are further names and addresses in its certificate. In
        the store it has the driver none. With `format="userdata"` the file is not a disk but user data, for
        LinuxKit. Raises InputError, ProgramMissing, CertificateError,
        ImageExportError, and what `create` raises.
        """
        from dinv.image_building.vm import certificates

        with certificates.made(disk, name, url, format=format, names=names) as made:
            machine = self.create(
                name, driver="none", url=url, url_cert_path=made.client, context=context, progress=progress
            )
            try:
                made.place()
            except BaseException:
                machine.remove()
                raise
        return machine

    @staticmethod
    def write_image_source(
        directory: str, *, base: str | None = None, features: Sequence[str] = (), overwrite: bool = False
    ) -> list[str]:
        """Write the source of a machine image of one's own, for `images().build`; return the paths written.

        `features` are names, or NAME=FILE: "sshd", "registry-ca", "preloaded=app.tar". Without `base` the
        image is made of the endpoint's machine image; with one ("photon", "debian" or an image's name) the
        whole sources are written, to be changed at will. Nothing is written over without `overwrite`, and no
        endpoint is asked. Raises InputError, ImageBuildError.
        """
        from dinv.image_building import sources

        return sources.init(directory, base=base, chosen=features, overwrite=overwrite)

    def check_image(
        self,
        reference: str,
        *,
        endpoint: str | None = None,
        cert_path: str | None = None,
        timeout: float | None = None,
        report: Callable[[Finding], object] = lambda _finding: None,
        progress: Progress | None = None,
    ) -> ImageReport:
        """Try whether an image keeps its contract, on a machine that is made of it, and removed again.

        `report` is called with each finding as it is made; whatever is found raises nothing. `timeout`, in
        seconds, is for the machine to answer. Raises ImageMissing, ImageCheckBusy, NoEndpoint, InputError.
        """
        from dinv.image_building.check import check

        progress = _silent(progress)
        with self.endpoint(endpoint, cert_path=cert_path, progress=progress) as engine:
            return check(
                self._own_store(),
                engine,
                reference,
                progress,
                endpoint=endpoint or os.environ.get("DINV_ENDPOINT"),
                cert_path=cert_path or os.environ.get("DINV_ENDPOINT_CERT_PATH"),
                timeout=timeout or SERVE_SECONDS,
                report=report,
                trace=self._trace,
            )

    @property
    def caches(self) -> RegistryCaches:
        """The registry caches of this store (`dinv cache`)."""
        from dinv.caches.registry_caches import RegistryCaches

        return RegistryCaches(self._store.path, trace=self._trace)

    @property
    def declared(self) -> Declarations:
        """What files declare, such as a dinv.yaml, compared with this store and made so (`dinv apply`).

        Raises InputError if PyYAML is not installed, which every dinv but the one-file program brings.
        """
        try:
            from dinv.declared.declarations import Declarations
        except ModuleNotFoundError as error:
            if error.name != "yaml":
                raise
            from dinv.errors import InputError

            advice = "Install it: pip install pyyaml, or apt install python3-yaml."
            raise InputError(
                f"Files of machines are read by PyYAML, which is not installed. {advice}"
            ) from error
        return Declarations(self._store.path, trace=self._trace)

    @property
    def pools(self) -> Pools:
        """The pools of this store (`dinv pool`)."""
        from dinv.pools.pools import Pools

        return Pools(self._store.path, trace=self._trace)

    def volumes(
        self,
        endpoint: str | None = None,
        *,
        cert_path: str | None = None,
        progress: Progress | None = None,
    ) -> CacheVolumes:
        """Return the volumes of machines: to list, copy and remove.

        They are those of `endpoint`, or else of all endpoints that machines of the store are on, and of the
        one that `create` would use. Raises NoEndpoint if there is none at all, InputError.
        """
        from dinv.cache_volumes import CacheVolumes

        store = self._own_store()
        if endpoint:
            named = self.endpoint(endpoint, cert_path=cert_path, progress=progress)
            return CacheVolumes(store, [(named, True)], trace=self._trace)
        return CacheVolumes.of_store(
            store, lambda: self.endpoint(cert_path=cert_path, progress=progress), trace=self._trace
        )

    def local_engine(self) -> LocalEngine:
        """Return the private engine of this store (`dinv engine`), whether or not it is running."""
        from dinv.endpoints.local.engine import LocalEngine

        return LocalEngine(self._store, trace=self._trace)

    def tend(self, found: Iterable[MachineStatus]) -> None:
        """`Machine.tend` for the machines of a list, in one process."""
        due = [
            each.config
            for each in found
            if each.config is not None
            and each.certificates is not None
            and each.certificates.due(each.certificates.client, each.config.identity)
        ]
        if due:
            from dinv.lifecycle.host import Host, by_itself

            by_itself.start([Host(config, self._store) for config in due])

    def _own_store(self) -> Store:
        """A new Store for one machine: a Store tracks the locks it holds, so threads must not share one."""
        return Store(self._store.path)

    def _hosts(self) -> Hosts:
        from dinv.lifecycle.hosts import Hosts

        return Hosts(self._own_store(), trace=self._trace)

    # Last, because within the class body `list` means this method from here on

    def list(self, *, filters: Filter = (), timeout: float = LIST_SECONDS) -> list[MachineStatus]:
        """Return what `dinv ls` shows: one MachineStatus per machine, in natural order.

        Each endpoint is asked once, all of them in parallel, for at most `timeout` seconds; machines whose
        endpoint did not answer are in the state Timeout. A machine's problem is in its `error` and raises
        nothing. `filters` are those of `ls --filter`: `["driver=docker", "state=Running"]` or
        `{"driver": "docker", "state": "Running"}`; a key may have several values. Raises InputError for an
        invalid filter.
        """
        from dinv.listing.asking import statuses

        return statuses(self._store, timeout=timeout, trace=self._trace, filters=_filters(filters))


class Temporary:
    """Context manager that creates a machine on entry and removes it on exit."""

    def __init__(self, machines: Machines, create: Callable[[], Machine]) -> None:
        self._machines = machines
        self._create = create
        self._machine: Machine | None = None

    def __enter__(self) -> Machine:
        self._machine = self._create()
        return self._machine

    def __exit__(self, *exc: object) -> None:
        import contextlib

        from dinv.errors import MachineNotFound

        machine, self._machine = self._machine, None
        if machine is None:
            return
        machine.close()
        with contextlib.suppress(MachineNotFound):  # removed already
            self._machines.remove(machine.name)


def _filters(given: Filter) -> Filters | None:
    if not given:
        return None
    from dinv.listing.filters import Filters

    return Filters.of(given)


def _silent(progress: Progress | None) -> Progress:
    from dinv.progress import Progress as Silent

    return progress or Silent()

"""The machines of one user: the front door of the library, and all the command line goes through."""

from __future__ import annotations

import contextlib
import os

from dinv.errors import DinvError, InputError, MachineNotFound, NoEndpoint
from dinv.lifecycle.host import Host
from dinv.machine import Machine
from dinv.progress import Progress
from dinv.store.store import DEFAULT_NAME, Store
from dinv.timeouts import SERVE_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any, BinaryIO, TypedDict, Unpack

    from dinv.engine import Engine

    class MachineOptions(TypedDict, total=False):
        """What `create` takes; as the flags of `dinv create`, and as optional."""

        driver: str
        endpoint: str
        endpoint_cert_path: str
        image: str
        cpus: float | str
        memory: str
        cache_size: str
        cache_volume: str
        network: str
        ip: str
        publish: str
        label: Iterable[str]
        isolation: str
        volume_store: str
        dns: Iterable[str]
        url: str
        url_cert_path: str
        image_contract: str
        tls_san: Iterable[str]
        tls_ca_cert: str
        tls_ca_key: str
        tls_client_cert: str
        tls_client_key: str
        registry_ca: Iterable[str]
        engine_opt: Iterable[str]
        engine_label: Iterable[str]
        engine_env: Iterable[str]
        engine_registry_mirror: Iterable[str]
        engine_insecure_registry: Iterable[str]
        engine_storage_driver: str
        swarm: bool
        swarm_master: bool
        swarm_discovery: str
        swarm_image: str
        swarm_strategy: str
        swarm_host: str
        swarm_addr: str
        swarm_opt: Iterable[str]
        swarm_join_opt: Iterable[str]
        swarm_experimental: bool
        timeout: float
        keep_on_failure: bool
        context: bool


def open(path: str | None = None, *, trace: Callable[[str], None] | None = None) -> Machines:  # noqa: A001
    """The machines of the store at `path`, of `$MACHINE_STORAGE_PATH`, or of ~/.docker/machine.

    `trace` is given a line for each API call, with its time and never a secret. Nothing is made or read yet.
    """
    return Machines(Store(path), trace=trace)


class Machines:
    """A store's machines: make one, get one, go through all."""

    def __init__(self, store: Store, *, trace: Callable[[str], None] | None = None) -> None:
        self.store = store
        self._trace = trace

    def names(self) -> list[str]:
        """All names, in natural order, also of machines whose config cannot be read."""
        return self.store.names()

    def get(self, name: str = DEFAULT_NAME) -> Machine:
        """The machine of this name. Raises MachineNotFound, ConfigError."""
        return Machine(self._host(name))

    def _host(self, name: str) -> Host:
        return Host(self.store.load(name), self.store, trace=self._trace)

    def __iter__(self) -> Iterator[Machine]:
        return (self.get(name) for name in self.names())

    def create(
        self, name: str, *, progress: Progress | None = None, **options: Unpack[MachineOptions]
    ) -> Machine:
        """Make a machine and wait until it answers.

        Options are the flags of `dinv create`: sizes as text ("2g"), `timeout` in seconds, what may be
        given several times as a sequence. Raises what `dinv.lifecycle.create.create` raises.
        """
        from dinv.lifecycle.create import create

        return Machine(
            create(
                self.store, name, _create_options(dict(options)), progress or Progress(), trace=self._trace
            )
        )

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
        """Make a machine of a container that runs; see `dinv.lifecycle.adopt.adopt`. `timeout` in seconds."""
        from dinv.lifecycle.adopt import adopt

        host = adopt(
            self.store,
            container,
            progress or Progress(),
            name=name,
            endpoint=endpoint or os.environ.get("DINV_ENDPOINT"),
            cert_path=cert_path or os.environ.get("DINV_ENDPOINT_CERT_PATH"),
            context=context,
            timeout=timeout or SERVE_SECONDS,
            trace=self._trace,
        )
        return Machine(host)

    def remove(self, name: str, *, keep_cache: bool = False, force: bool = False) -> list[str]:
        """Remove a machine, whatever state it is in, half made or with a config that cannot be read.

        With `force` it is forgotten even if its endpoint does not answer. Returns a line for each thing
        left, on purpose or not. Raises MachineNotFound, MachineBusy, EndpointError.
        """
        from dinv.lifecycle.remove import remove

        return remove(self.store, name, keep_cache=keep_cache, force=force, trace=self._trace)

    def upgrade(
        self,
        name: str,
        *,
        progress: Progress | None = None,
        image: str = "",
        force: bool = False,
        timeout: float | None = None,
    ) -> bool:
        """Make a machine anew from a newer image (`lifecycle.upgrade.upgrade`). `timeout` in seconds."""
        from dinv.lifecycle.upgrade import upgrade

        return upgrade(
            self.store,
            name,
            progress or Progress(),
            image=image,
            force=force,
            timeout=timeout or SERVE_SECONDS,
            trace=self._trace,
        )

    def renew_certificates(
        self,
        name: str,
        *,
        progress: Progress | None = None,
        clients: bool = False,
        timeout: float | None = None,
    ) -> None:
        """Give a machine new certificates; see `dinv.lifecycle.renew.renew`. `timeout` in seconds."""
        from dinv.lifecycle.renew import renew

        renew(
            self.store,
            name,
            progress or Progress(),
            clients=clients,
            timeout=timeout or SERVE_SECONDS,
            trace=self._trace,
        )

    def provision(self, name: str, *, progress: Progress | None = None, timeout: float | None = None) -> None:
        """Finish or repair a machine; see `dinv.lifecycle.renew.provision`. `timeout` in seconds."""
        from dinv.lifecycle.renew import provision

        provision(
            self.store, name, progress or Progress(), timeout=timeout or SERVE_SECONDS, trace=self._trace
        )

    def load_images(
        self,
        name: str,
        images: Sequence[str] = (),
        *,
        source: str | None = None,
        archive: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Take images into a machine; see `dinv.access.load`.

        `source` is an endpoint as `create` takes it; without one they are looked for on the engine that the
        docker CLI uses here, then on the machine's endpoint. `archive` is the path of what `docker save`
        wrote, "-" standard input.
        Raises InputError, ImageError, MachineNotRunning.
        """
        from dinv.access import load

        progress = progress or Progress()
        if bool(images) == bool(archive):
            raise InputError(
                "Name the images to load, or an archive with --input FILE"
                if not images
                else "Images and --input at once: it is one or the other"
            )
        with self._host(name) as machine, contextlib.ExitStack() as stack:
            if archive:
                load.load_archive(machine, stack.enter_context(_open_archive(archive)), progress)
                return
            engines = [stack.enter_context(engine) for engine in self._image_sources(machine, source)]
            load.load(machine, images, engines, progress)

    def _image_sources(self, machine: Host, named: str | None) -> Iterator[Engine]:
        """The engines that may have an image, in the order in which they are asked."""
        if named:
            yield self.endpoint(named)
            return
        from dinv.drivers.machine_urls import machine_urls
        from dinv.endpoints.resolve import resolve

        with contextlib.suppress(NoEndpoint):
            endpoint = resolve(None, self.store, machine_urls=machine_urls, trace=self._trace)
            yield endpoint.engine(trace=self._trace)
        if machine.driver.provisioned:
            from dinv.endpoints.resolve import Endpoint

            yield Endpoint.recorded(machine.config.driver.get("Endpoint") or {}).engine(trace=self._trace)

    def forward(
        self,
        name: str,
        ports: Sequence[str],
        *,
        detach: bool = False,
        progress: Progress | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> int:
        """Let ports of this computer lead to ports of a machine; see `dinv.access.forward`.

        `ports` are as `8080`, `8080:80`, `127.0.0.1:8080:80`; a port here of 0 is one that is free. Goes on
        until `wanted` says no; or, with `detach`, in a process of its own, whose pid it returns. Raises
        InputError, MachineNotRunning.
        """
        from dinv.access import background_forwards, forward

        if not ports:
            raise InputError("Name the ports to forward, such as 8080 or 8080:80")
        wishes = [forward.Forward.parse(port) for port in ports]
        progress = progress or Progress()
        with self._host(name) as machine:
            forward.check(machine)
        directory, identity = machine.directory, machine.config.identity

        def there() -> bool:
            # Another machine of this name is not the one that was meant.
            with contextlib.suppress(DinvError):
                return self.store.load(name).identity == identity
            return False

        with forward.listening(wishes) as listeners:
            pid = 0
            if detach:
                pid = background_forwards.detach(
                    directory,
                    listeners,
                    lambda recorded: forward.serve(
                        lambda: self._host(name), listeners, Progress(), wanted=lambda: recorded() and there()
                    ),
                )
            for listener in listeners:
                progress.line("Forward", str(listener.forward), f"process {pid}" if pid else "Ctrl-C ends it")
            if not pid:
                forward.serve(
                    lambda: self._host(name), listeners, progress, wanted=lambda: wanted() and there()
                )
        return pid

    def forwards(self, name: str) -> list[str]:
        """What of a machine is forwarded in the background, such as "127.0.0.1:8080 -> 80 (process 7)"."""
        from dinv.store import forwards

        return [
            f"{text} (process {detached.pid})"
            for detached in forwards.found(self.get(name).directory)
            for text in detached.forwards
        ]

    def stop_forwards(self, name: str, *, progress: Progress | None = None) -> None:
        """End what of a machine is forwarded in the background."""
        from dinv.store import forwards

        ended = forwards.stop(self.get(name).directory)
        (progress or Progress()).line("Forward", f"{ended} ended" if ended else "there was none")

    def export(self, name: str, out: BinaryIO) -> None:
        """Write a machine, with its private keys, to `out` as a tar archive (`lifecycle.transfer.export`)."""
        from dinv.lifecycle.transfer import export

        export(self.store, name, out)

    def import_(
        self,
        source: str | BinaryIO,
        *,
        name: str = "",
        context: bool = True,
        progress: Progress | None = None,
    ) -> str:
        """Take in a machine from an archive or a directory (`transfer.import_`). Returns its name."""
        from dinv.lifecycle.transfer import import_

        return import_(self.store, source, progress or Progress(), name=name, context=context)

    def endpoint(
        self,
        named: str | None = None,
        *,
        cert_path: str | None = None,
        progress: Progress | None = None,
    ) -> Engine:
        """A client of the endpoint that `create` would use; `named` as its `endpoint` option.

        Raises NoEndpoint, InputError.
        """
        from dinv.drivers.machine_urls import machine_urls
        from dinv.endpoints.resolve import resolve

        endpoint = resolve(
            named or os.environ.get("DINV_ENDPOINT"),
            self.store,
            machine_urls=machine_urls,
            cert_path=cert_path or os.environ.get("DINV_ENDPOINT_CERT_PATH"),
            note=(progress or Progress()).note,
            trace=self._trace,
        )
        return endpoint.engine(trace=self._trace)

    @contextlib.contextmanager
    def temporary(
        self, name: str | None = None, *, progress: Progress | None = None, **options: Unpack[MachineOptions]
    ) -> Iterator[Machine]:
        """A machine for the length of a with-statement, removed at its end, however it ends.

        Without a name it gets one that is not in use. It has no docker context unless asked for.
        """
        options.setdefault("context", False)
        machine = self.create(name or f"tmp-{os.urandom(4).hex()}", progress=progress, **options)
        try:
            yield machine
        finally:
            machine.close()
            with contextlib.suppress(MachineNotFound):  # removed already
                self.remove(machine.name)


@contextlib.contextmanager
def _open_archive(path: str) -> Iterator[BinaryIO]:
    import builtins
    import sys

    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = builtins.open(path, "rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    with file:
        yield file


_SHARED = ("driver", "timeout", "keep_on_failure", "context")
_ENGINE = "engine_"
_SWARM = "swarm"


def _create_options(options: dict[str, Any]) -> Any:
    """CreateOptions from the flags as keywords. Raises InputError for one that the driver does not have."""
    from dinv import drivers
    from dinv.authorities.shared import OPTIONS as SHARED
    from dinv.lifecycle.create import CreateOptions
    from dinv.provisioners.classic_swarm import swarm_options
    from dinv.provisioners.docker import engine_options
    from dinv.registries import ca as registry_ca

    driver = options.get("driver") or "docker"
    flags = {flag.key: flag for flag in drivers.find(driver).create_flags()}
    shared = {key: options.pop(key) for key in _SHARED if key in options} | {"driver": driver}
    tls_sans = options.pop("tls_san", ())
    registry_cas = registry_ca.read(options.pop("registry_ca", None) or ())
    certificates = {flag.key: options.pop(flag.key) for flag in SHARED if options.get(flag.key)}
    engine = {key.removeprefix(_ENGINE): options.pop(key) for key in list(options) if key.startswith(_ENGINE)}
    swarm = {key: options.pop(key) for key in list(options) if key.startswith(_SWARM)}
    unknown = sorted(set(options) - set(flags))
    unknown += sorted(_ENGINE + key for key in engine.keys() - (engine_options.__kwdefaults__ or {}).keys())
    unknown += sorted(swarm.keys() - (swarm_options.__kwdefaults__ or {}).keys())
    if unknown:
        raise InputError(f'The driver "{driver}" has no option {", ".join(unknown)}')
    values = {key: flag.value(options.get(key), os.environ) for key, flag in flags.items()}
    return CreateOptions(
        driver_values=values,
        engine_options=engine_options(**engine),
        swarm_options=swarm_options(**swarm),
        tls_sans=tls_sans,
        registry_cas=registry_cas,
        authority="shared" if certificates else "",
        authority_options=certificates,
        **shared,
    )

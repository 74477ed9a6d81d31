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
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from dinv.engine import Engine


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
        self,
        name: str,
        *,
        driver: str | None = None,
        provisioner: str | None = None,
        authority: str | None = None,
        timeout: float | None = None,
        keep_on_failure: bool | None = None,
        context: bool | None = None,
        progress: Progress | None = None,
        **options: object,
    ) -> Machine:
        """Make a machine and wait until it answers.

        The keywords are the flags of `dinv create`: `memory="2g"` is --memory 2g. What is not given, or
        None, is taken from its variable, as there. `timeout` is in seconds; sizes are bytes, or texts such as
        "2g"; what may be given several times is a list, and what is KEY=VALUE a mapping or a list:
        `label={"team": "red"}` is `label=["team=red"]`.

        Which `options` there are depends on the driver ("docker" without one), on the provisioner, the
        authority and the image contract, which may be a plugin's: docs/create.md lists those that are built
        in, and `dinv create -d DRIVER --help-all` shows all for a choice. They are checked before anything
        is made: one that there is not raises InputError, which says whose it is or which may be meant, and a
        value that cannot be used OptionError. Raises also what `dinv.lifecycle.create.create` raises.
        """
        options |= {
            "driver": driver,
            "provisioner": provisioner,
            "authority": authority,
            "timeout": timeout,
            "keep_on_failure": keep_on_failure,
            "context": context,
        }
        return self._create(name, options, progress)

    def _create(self, name: str, options: Mapping[str, object], progress: Progress | None) -> Machine:
        from dinv.lifecycle.create import CreateOptions, create
        from dinv.options import Table

        values = Table.chosen(options, os.environ).values(options, os.environ)
        return Machine(
            create(self.store, name, CreateOptions.of(values), progress or Progress(), trace=self._trace)
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
        self,
        name: str | None = None,
        *,
        context: bool = False,
        progress: Progress | None = None,
        **options: object,
    ) -> Iterator[Machine]:
        """A machine for the length of a with-statement, removed at its end, however it ends.

        Without a name it gets one that is not in use. It has no docker context unless asked for. `options`
        are those of `create`, `driver` and the like among them.
        """
        machine = self._create(
            name or f"tmp-{os.urandom(4).hex()}", {**options, "context": context}, progress
        )
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

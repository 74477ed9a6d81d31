"""A machine: one Docker host that dinv made, and what can be done with it."""

from __future__ import annotations

from dinv.lifecycle.host import Host
from dinv.timeouts import LOOK_SECONDS, SERVE_SECONDS, STATE_SECONDS, STOP_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, BinaryIO, Self, TypeVar

    from dinv.access.command import Completed
    from dinv.access.disk_usage import DiskUsage
    from dinv.access.files import Files
    from dinv.channel import Channel
    from dinv.engine import Engine
    from dinv.lifecycle.hosts import Hosts
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

    _Answer = TypeVar("_Answer")


class Machine:
    """One machine of a store, for the users of the library.

    Nothing is asked of the endpoint until a method needs it. Methods that change the machine hold its
    lock, and raise MachineBusy when another process or thread does, and MachineNotFound when the machine
    is gone. `progress` is told what goes on; all times are in seconds.

    One Machine is for one thread at a time; threads that share a machine get one each, by `Machines.get`.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    @classmethod
    def recorded(
        cls, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> Machine:
        """The machine of a record that was read from `store`."""
        return cls(Host(config, store, trace=trace))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Machine {self.name} {self.url}>"

    def close(self) -> None:
        """Close connections to the endpoint; the machine goes on."""
        self._host.close()

    # What it is

    @property
    def name(self) -> str:
        return self._host.name

    @property
    def config(self) -> MachineConfig:
        """Its record, to be read."""
        return self._host.config

    @property
    def url(self) -> str:
        """Where its daemon listens, such as tcp://127.0.0.1:24561; "" before it is known."""
        return self._host.url

    @property
    def ip(self) -> str:
        """The host in `url`: an address, or the endpoint's name as it was given."""
        return self._host.ip

    @property
    def directory(self) -> str:
        """Its directory in the store."""
        return self._host.directory

    @property
    def cert_path(self) -> str:
        """Where its ca.pem, cert.pem and key.pem are: DOCKER_CERT_PATH."""
        self._host.finish_certificates()
        return self._host.cert_path

    def status(self, *, timeout: float = STATE_SECONDS, expiry: bool = False) -> Status:
        """Its state and what is wrong with it, asked of the endpoint; `timeout` in seconds.

        With `expiry`, a certificate that has expired, or will within two weeks, is an error too.
        """
        status = self._host.status(timeout=timeout)
        return self._host.with_expiry(status, soon=True) if expiry else status

    def inspect(self) -> dict[str, Any]:
        """config.json as it is, with absolute paths. Asks nothing of the endpoint."""
        return self._host.inspect()

    def known_url(self) -> str:
        """`url`, for a caller about to connect. Raises MachineNotRunning.

        Nobody is asked, unless dinv has stopped the machine: somebody else may have started it since.
        """
        return self._host.known_url()

    def known_ip(self) -> str:
        """`ip`, as `known_url` is `url`. Raises MachineNotRunning."""
        return self._host.known_ip()

    def own_ip(self) -> str:
        """Its address on its own network: there the ports that its containers publish are.

        On an engine of the same computer they can be reached there; `known_ip` is where the daemon is.
        """
        return self._host.own_ip()

    @property
    def reached(self) -> str:
        """How this computer reaches it: OWN_ADDRESS, PUBLISHED_PORT (`dinv.states`), or "" where unknown."""
        return self._host.reached

    @property
    def ca_elsewhere(self) -> str:
        """Where its CA is, to stand behind "the CA is"; "" where it is in the machine's directory."""
        return self._host.ca_elsewhere

    @property
    def has_tls(self) -> bool:
        """Whether its daemon is reached by mutual TLS; one of the none driver's may be plain."""
        return self._host.has_tls

    @property
    def has_context(self) -> bool:
        """Whether dinv has written a docker context for it."""
        return self._host.has_context

    def expiry(self, *, soon: bool = False) -> str:
        """What to do about a certificate of its own that has expired, or with `soon` will in two weeks.

        "" where there is nothing to do. Asks nobody.
        """
        return self._host.expiry(soon=soon)

    # How to talk to it

    def check(self, *, swarm: bool = False, timeout: float = LOOK_SECONDS) -> None:
        """See that its daemon answers a client with its certificates, within `timeout` seconds.

        With `swarm`, the legacy swarm's that it is the master of. Raises MachineUnusable, MachineNotRunning,
        NoSwarm.
        """
        from dinv.access.connect import check

        check(self._host, swarm=swarm, timeout=timeout)

    def check_files(self) -> None:
        """See that it was made to its end, and that the files clients need can be read. Asks nobody.

        Raises MachineUnusable.
        """
        from dinv.access.connect import check_files

        check_files(self._host)

    def look(self) -> str:
        """See within a second whether something listens at its URL; "", or what to warn of.

        Raises MachineNotRunning or MachineUnusable where connections are refused.
        """
        from dinv.access.connect import look

        return look(self._host)

    def environment(self) -> dict[str, str]:
        """The variables by which docker's CLI and libraries find the machine.

        `docker.from_env(environment=machine.environment())` is a docker-py client.
        """
        return self._host.environment()

    def swarm_url(self) -> str:
        """Where the legacy swarm listens that it is the master of. Raises NoSwarm."""
        return self._host.swarm_url()

    def docker_flags(self, *, swarm: bool = False) -> list[str]:
        """The same for the docker CLI's command line; it takes the quotes off by itself."""
        return self._host.docker_flags(swarm=swarm)

    def engine(self, *, timeout: float = STATE_SECONDS) -> Engine:
        """A client of its daemon; `timeout` in seconds is each call's deadline unless it has its own."""
        return self._host.engine(timeout=timeout)

    def daemon_version(self) -> str:
        """The version of its daemon, asked of the daemon."""
        return self._host.daemon_version()

    def disk_usage(self) -> DiskUsage:
        """How full its image cache is. Raises MachineNotRunning, MachineGone."""
        from dinv.access.disk_usage import measure

        return measure(self._host)

    def docker_kwargs(self) -> dict[str, Any]:
        """Keyword arguments for docker-py's DockerClient and APIClient: base_url, tls.

        Needs the package docker, whose TLSConfig it makes.
        """
        return self._host.docker_kwargs()

    def channel(self) -> Channel:
        """The way files and commands get into the machine, which has to run for commands.

        Raises MachineNotRunning, MachineGone.
        """
        return self._host.channel()

    def logs(
        self, *, tail: int | None = None, follow: bool = False, timestamps: bool = False
    ) -> Iterator[bytes]:
        """What its init and daemon have said, as it comes: the last `tail` lines, or all."""
        return self._host.logs(tail=tail, follow=follow, timestamps=timestamps)

    # Commands and files in it

    def run(
        self,
        argv: Sequence[str],
        *,
        check: bool = False,
        input: bytes | BinaryIO | None = None,  # noqa: A002  (its name in subprocess.run)
        environment: Mapping[str, str] | None = None,
        timeout: float | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
    ) -> Completed:
        """Run a command in it as root, without a shell or a terminal, and wait for its end.

        The result has `exit_status`, `stdout` and `stderr` (bytes) and `text`. `input` is its standard input:
        bytes, or a file that is read to its end. `stdout` and `stderr` are called with each piece as it
        comes, and the result's are empty then. `timeout` in seconds, None for no limit: a command that
        outlives it goes on in the machine, since the Engine API cannot end one. A program that is not there,
        or cannot be run, is exit status 126 or 127, as the engine has it.

        Raises CommandFailed with `check` where the exit status is not 0, DeadlineExceeded, MachineNotRunning,
        MachineGone, NotSupported.
        """
        from dinv.access.command import run

        return run(
            self._host,
            argv,
            check=check,
            input=input,
            environment=environment,
            timeout=timeout,
            stdout=stdout,
            stderr=stderr,
        )

    def shell(self, words: Sequence[str] = (), *, terminal: bool = False) -> int:
        """What `dinv ssh` does: a command, or a login shell, on this process's own standard streams.

        `words` are joined and given to a shell; options of ssh may stand before them. Returns the exit
        status, 255 where the user broke the session off. `terminal` gives a command a terminal, too. For a
        machine that is reached by the system's ssh, this process becomes that, and nothing is returned.
        Raises InputError, MachineNotRunning, MachineGone.
        """
        from dinv.access.ssh import run_command

        return run_command(self._host, words, terminal=terminal)

    @property
    def files(self) -> Files:
        """Puts files into it and gets them out, while it runs or is stopped."""
        from dinv.access.files import Files

        return Files(self._host, self._hosts())

    def mount(self, path: str, directory: str, *, user: str = "") -> None:
        """Mount its directory `path` on an empty directory of this computer, by sshfs.

        The mount stays when this process ends, until `unmount` or the machine's stop. `path` counts from the
        home of `user`, who is root if nobody is named. Raises ProgramMissing, MountError, MachineNotRunning,
        DeadlineExceeded.
        """
        from dinv.access.mount import mount

        mount(self._host, path, directory, user=user)

    @staticmethod
    def unmount(directory: str) -> None:
        """Unmount a directory of this computer that `mount` mounted, also when its machine is gone.

        Raises MountError, DeadlineExceeded.
        """
        from dinv.access.mount import unmount

        unmount(directory)

    def forward(
        self,
        ports: Sequence[str],
        *,
        detach: bool = False,
        progress: Progress | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> int:
        """Let ports of this computer lead to its ports, through the endpoint.

        `ports` are as `8080`, `8080:80`, `127.0.0.1:8080:80`; a port here of 0 is one that is free. Goes on
        until `wanted`, which is asked once a second, returns False; or, with `detach`, in a process of its
        own, whose pid it returns. Raises InputError, CannotListen, MachineNotRunning.
        """
        from dinv.access.forwarding import forward

        return forward(self._host, self._hosts(), ports, _silent(progress), detach=detach, wanted=wanted)

    def forwards(self) -> list[str]:
        """What of it is forwarded in the background, such as "127.0.0.1:8080 -> 80 (process 7)"."""
        from dinv.store import forwards

        return [
            f"{text} (process {detached.pid})"
            for detached in forwards.found(self.directory)
            for text in detached.forwards
        ]

    def stop_forwards(self, *, progress: Progress | None = None) -> int:
        """End what of it is forwarded in the background; returns how many processes that were."""
        from dinv.store import forwards

        ended = forwards.stop(self.directory)
        _silent(progress).line("Forward", f"{ended} ended" if ended else "there was none")
        return ended

    def load_images(
        self,
        images: Sequence[str] = (),
        *,
        source: str | None = None,
        archive: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Take images into it; layers that it has are not sent.

        `source` is an endpoint as `create` takes it; without one they are looked for on the engine that the
        docker CLI uses here, then on the machine's endpoint. `archive`, in place of `images`, is the path of
        what `docker save` wrote, "-" standard input. Raises InputError, ImageError, MachineNotRunning.
        """
        from dinv.access.image_sources import load_images

        load_images(self._host, images, _silent(progress), source=source, archive=archive)

    # What changes it

    def start(self, progress: Progress | None = None, *, timeout: float = SERVE_SECONDS) -> None:
        """Start it, or let it go on, and wait until it serves; `timeout` in seconds.

        Raises AlreadyRunning, MachineNotReady, MachineDied, MachineGone, NotSupported.
        """
        from dinv.lifecycle.power import start

        start(self._host, _silent(progress), timeout=timeout)

    def stop(self, *, timeout: float = STOP_SECONDS, progress: Progress | None = None) -> None:
        """Stop it and the containers in it, by force after `timeout` seconds.

        Raises AlreadyStopped, MachineGone, NotSupported.
        """
        from dinv.lifecycle.power import stop

        stop(self._host, _silent(progress), timeout=timeout)

    def kill(self, *, progress: Progress | None = None) -> None:
        """Stop it at once. Raises AlreadyStopped, MachineGone, NotSupported."""
        from dinv.lifecycle.power import kill

        kill(self._host, _silent(progress))

    def restart(self, progress: Progress | None = None, *, timeout: float = SERVE_SECONDS) -> None:
        """Stop it, if it runs, start it, and wait until it serves; `timeout` in seconds.

        Raises MachineNotReady, MachineDied, MachineGone, NotSupported.
        """
        from dinv.lifecycle.power import restart

        restart(self._host, _silent(progress), timeout=timeout)

    def upgrade(
        self,
        *,
        image: str = "",
        force: bool = False,
        timeout: float = SERVE_SECONDS,
        progress: Progress | None = None,
    ) -> bool:
        """Make it anew from `image`, or from a newer version of its own; `timeout` in seconds.

        It keeps its name, address, keys, images and containers. Returns False where it has that image
        already; `force` makes it anew all the same. Where the new one does not serve, the old one is back,
        and the error is what was wrong with the new. Raises NotSupported, and what `Machines.create` raises.
        """
        from dinv.lifecycle.upgrade import upgrade

        return self._change(upgrade, progress, image=image, force=force, timeout=timeout)

    def renew_certificates(
        self, *, clients: bool = False, timeout: float = SERVE_SECONDS, progress: Progress | None = None
    ) -> None:
        """Give it a new key and certificate; `timeout` in seconds.

        With `clients` its CA and the clients' certificate are new too, and earlier ones are refused from then
        on. Raises MachineNotRunning, CertificateError, NotSupported, MachineNotReady.
        """
        from dinv.lifecycle.renew import renew

        self._change(renew, progress, clients=clients, timeout=timeout)

    def provision(self, *, timeout: float = SERVE_SECONDS, progress: Progress | None = None) -> None:
        """Put all into it again that dinv puts into one, and see that it serves; `timeout` in seconds.

        That finishes a create that was killed, and repairs a machine whose files were lost. Raises
        MachineUnfinished, NotSupported, MachineNotReady.
        """
        from dinv.lifecycle.provision import provision

        self._change(provision, progress, timeout=timeout)

    def remove(
        self, *, keep_cache: bool = False, force: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """Remove it, its keys and its image cache; `keep_cache` leaves the cache's volume.

        With `force` it is forgotten even if its endpoint does not answer. Returns a line for each thing that
        was left. Raises MachineNotFound, EndpointError, NotSupported.
        """
        from dinv.lifecycle.remove import remove

        host = self._host
        self._check_is_current()
        with _silent(progress).working("Machine", f"removing {host.name}"):
            return remove(host.store, host.name, keep_cache=keep_cache, force=force, trace=host.trace)

    def export(self, out: BinaryIO) -> None:
        """Write it, with its private keys, to `out` as a tar archive: `Machines.import_` takes it in.

        Raises MachineUnfinished, ConfigError.
        """
        from dinv.lifecycle.transfer import export

        export(self._host.store, self.name, out)

    def ensure_context(self) -> None:
        """See to it that there is a docker context of its name and for its address.

        Raises NotSupported for a machine that cannot have one, ContextError.
        """
        from dinv.lifecycle.docker_context import ensure_context

        ensure_context(self._host)

    # The machine behind it

    def _hosts(self) -> Hosts:
        from dinv.lifecycle.hosts import Hosts

        return Hosts(self._host.store, trace=self._host.trace)

    def _check_is_current(self) -> None:
        """Raise MachineNotFound where another machine has been made under this name since."""
        from dinv.errors import ConfigError, MachineNotFound

        host = self._host
        try:
            identity = host.store.load(host.name).identity
        except ConfigError:  # what is to be done says so, or does without
            return
        if identity != host.config.identity:
            raise MachineNotFound(host.name)

    def _change(
        self, operation: Callable[..., _Answer], progress: Progress | None, **options: Any
    ) -> _Answer:
        """Do what changes it by its name; what is known here of it is read again at the end."""
        from dinv.errors import DinvError

        self._check_is_current()
        host = self._host
        try:
            return operation(host.store, host.name, _silent(progress), trace=host.trace, **options)
        finally:
            host.close()
            try:
                self._host = Host(host.store.load(host.name), host.store, trace=host.trace)
            except DinvError:  # what it was is still the best that is known
                self._host = host


def _silent(progress: Progress | None) -> Progress:
    from dinv.progress import Progress as Silent

    return progress or Silent()

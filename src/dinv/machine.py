"""A machine: one Docker host that dinv made, and what can be done with it."""

from __future__ import annotations

from dinv.lifecycle.host import Host
from dinv.timeouts import SERVE_SECONDS, STATE_SECONDS, STOP_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from dinv.access.disk_usage import DiskUsage
    from dinv.channel import Channel
    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


class Machine:
    """One machine of a store, for the users of the library.

    Nothing is asked of the endpoint until a method needs it. Methods that change the machine hold its
    lock, and raise MachineBusy when another process does.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

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
        self.host.close()

    # What it is

    @property
    def name(self) -> str:
        return self.host.name

    @property
    def config(self) -> MachineConfig:
        """Its record, to be read."""
        return self.host.config

    @property
    def url(self) -> str:
        """Where its daemon listens, such as tcp://127.0.0.1:24561; "" before it is known."""
        return self.host.url

    @property
    def ip(self) -> str:
        """The host in `url`: an address, or the endpoint's name as it was given."""
        return self.host.ip

    @property
    def directory(self) -> str:
        """Its directory in the store."""
        return self.host.directory

    @property
    def cert_path(self) -> str:
        """Where its ca.pem, cert.pem and key.pem are: DOCKER_CERT_PATH."""
        return self.host.cert_path

    def status(self, *, timeout: float = STATE_SECONDS, expiry: bool = False) -> Status:
        """Its state and what is wrong with it, asked of the endpoint; `timeout` in seconds.

        With `expiry`, a certificate that has expired, or will within two weeks, is an error too.
        """
        status = self.host.status(timeout=timeout)
        return self.host.with_expiry(status, soon=True) if expiry else status

    def inspect(self) -> dict[str, Any]:
        """config.json as it is, with absolute paths. Asks nothing of the endpoint."""
        return self.host.inspect()

    def known_url(self) -> str:
        """`url`, for a caller about to connect. Raises MachineNotRunning.

        Nobody is asked, unless dinv has stopped the machine: somebody else may have started it since.
        """
        return self.host.known_url()

    def known_ip(self) -> str:
        """`ip`, as `known_url` is `url`. Raises MachineNotRunning."""
        return self.host.known_ip()

    def own_ip(self) -> str:
        """Its address on its own network: there the ports that its containers publish are.

        On an engine of the same computer they can be reached there; `known_ip` is where the daemon is.
        """
        return self.host.own_ip()

    @property
    def reached(self) -> str:
        """How this computer reaches it: OWN_ADDRESS, PUBLISHED_PORT (`dinv.states`), or "" where unknown."""
        return self.host.reached

    @property
    def ca_elsewhere(self) -> str:
        """Where its CA is, to stand behind "the CA is"; "" where it is in the machine's directory."""
        return self.host.ca_elsewhere

    @property
    def has_tls(self) -> bool:
        """Whether its daemon is reached by mutual TLS; one of the none driver's may be plain."""
        return self.host.has_tls

    @property
    def has_context(self) -> bool:
        """Whether dinv has written a docker context for it."""
        return self.host.has_context

    # How to talk to it

    def environment(self) -> dict[str, str]:
        """The variables by which docker's CLI and libraries find the machine.

        `docker.from_env(environment=machine.environment())` is a docker-py client.
        """
        return self.host.environment()

    def swarm_url(self) -> str:
        """Where the legacy swarm listens that it is the master of. Raises NoSwarm."""
        return self.host.swarm_url()

    def docker_flags(self, *, swarm: bool = False) -> list[str]:
        """The same for the docker CLI's command line; it takes the quotes off by itself."""
        return self.host.docker_flags(swarm=swarm)

    def engine(self, *, timeout: float = STATE_SECONDS) -> Engine:
        """A client of its daemon; `timeout` in seconds is each call's deadline unless it has its own."""
        return self.host.engine(timeout=timeout)

    def daemon_version(self) -> str:
        """The version of its daemon, asked of the daemon."""
        return self.host.daemon_version()

    def disk_usage(self) -> DiskUsage:
        """How full its image cache is. Raises MachineNotRunning, MachineGone."""
        from dinv.access.disk_usage import measure

        return measure(self.host)

    def docker_kwargs(self) -> dict[str, Any]:
        """Keyword arguments for docker-py's DockerClient and APIClient: base_url, tls.

        Needs the package docker, whose TLSConfig it makes.
        """
        return self.host.docker_kwargs()

    def channel(self) -> Channel:
        """The way files and commands get into the machine, which has to run for commands.

        Raises MachineNotRunning, MachineGone.
        """
        return self.host.channel()

    def logs(
        self, *, tail: int | None = None, follow: bool = False, timestamps: bool = False
    ) -> Iterator[bytes]:
        """What its init and daemon have said, as it comes: the last `tail` lines, or all."""
        return self.host.logs(tail=tail, follow=follow, timestamps=timestamps)

    # What changes it

    def start(self, progress: Progress | None = None, *, timeout: float = SERVE_SECONDS) -> None:
        """Start it, or let it go on, and wait until it serves. Raises AlreadyRunning."""
        from dinv.lifecycle.power import start

        start(self.host, _silent(progress), timeout=timeout)

    def stop(self, *, timeout: float = STOP_SECONDS) -> None:
        """Stop it and the containers in it, by force after `timeout` seconds. Raises AlreadyStopped."""
        from dinv.lifecycle.power import stop

        stop(self.host, timeout=timeout)

    def kill(self) -> None:
        """Stop it at once. Raises AlreadyStopped."""
        from dinv.lifecycle.power import kill

        kill(self.host)

    def restart(self, progress: Progress | None = None, *, timeout: float = SERVE_SECONDS) -> None:
        """Stop it, if it runs, start it, and wait until it serves."""
        from dinv.lifecycle.power import restart

        restart(self.host, _silent(progress), timeout=timeout)

    def ensure_context(self) -> None:
        """See to it that there is a docker context of its name and for its address.

        Raises NotSupported for a machine that cannot have one, ContextError, MachineBusy.
        """
        from dinv.lifecycle.docker_context import ensure_context

        ensure_context(self.host)


def _silent(progress: Progress | None) -> Progress:
    from dinv.progress import Progress as Silent

    return progress or Silent()

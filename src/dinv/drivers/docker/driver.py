"""The docker driver: a machine is a container on a Docker endpoint, with a cache volume that outlives it.

The work is done in the files beside this one, each about one thing, as functions on the machine's Site. They
do not import this file. `env`, `ls` and `status` load it, so the others are imported inside the methods.
"""

from __future__ import annotations

from dinv import errors
from dinv.drivers import Driver
from dinv.drivers.docker import site
from dinv.endpoints.resolve import Endpoint
from dinv.errors import NotFound
from dinv.labels import FEATURE_SSHD
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dinv.channel import Channel
    from dinv.declaration import Option
    from dinv.drivers import Alteration, Replacement
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.errors import DinvError
    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store
    from dinv.system.deadline import Deadline

CALL_SECONDS = 10.0
SSH_SECONDS = 5.0
"""For a machine's SSH server to take a connection."""


class DockerDriver(Driver):
    """One machine on a Docker endpoint."""

    name = "docker"
    kinds: ClassVar[Kinds] = site.KINDS

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(config, store, trace=trace)
        self.site = site.Site(config, store, trace=trace)
        self.notes = self.site.notes
        self._endpoint: Endpoint | None = None
        """As the options have named it."""

    # Making one

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        from dinv.drivers.docker.flags import FLAGS

        return FLAGS

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        from dinv.drivers.docker.flags import configure

        self.site.begun_here = True
        self._endpoint = configure(self.config, self.store, values, progress, self.trace)
        self.site.origin = self._endpoint.origin

    def adopt(self, container: str, progress: Progress) -> str:
        from dinv.drivers.docker.adoption import examine

        return examine(self.site, container, progress)

    @property
    def adopted(self) -> bool:
        return self.site.adopted

    def pre_create_check(self, progress: Progress) -> None:
        from dinv.drivers.docker.checks import check

        check(self.site, progress)

    def prepare(self, progress: Progress) -> str:
        from dinv.drivers.docker import image

        name = str(self.config.driver["Image"])
        found = image.ensure(self.site.engine, name, progress, advice=image.advice(self.site, name))
        contract = image.take(self.site, name, found)
        if self.config.unfinished:
            from dinv.drivers.docker.network import inner, own_address

            own_address.prepare(self.site)
            inner.choose(self.site)
            image.take_features(self.site)
        return contract

    def try_out(self, command: Sequence[str], *, timeout: float) -> tuple[int, bytes] | None:
        from dinv.drivers.docker.checks import try_out

        return try_out(self.site, command, timeout=timeout)

    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        from dinv.drivers.docker import volumes
        from dinv.drivers.docker.creation import create

        create(self.site, self.site.container, environment, command, mounts)
        volumes.check_sole_user(self.site)

    def system_time(self, *, timeout: float) -> str:
        return str(self.site.engine.info(timeout=timeout).get("SystemTime") or "")

    def kind(self) -> str:
        flavour = self.site.flavour
        image = self.site.image_id or str(self._inspect().get("Image", ""))
        words = (str(self.site.endpoint), flavour.name, flavour.build, self.config.driver["Isolation"], image)
        return " ".join(words)

    def place(self) -> Mapping[str, Any]:
        return self._endpoint.options() if self._endpoint is not None else {}

    def image_id(self) -> str:
        from dinv.drivers.docker import image

        return image.identity(self.site, timeout=CALL_SECONDS)

    def replacement(self) -> Replacement:
        from dinv.drivers.docker.replacement import ContainerReplacement

        if self.adopted:
            container = self.site.container
            raise errors.NotSupported(
                self.config.name,
                f'Machine "{self.config.name}" was adopted: its container {container} was made by '
                "somebody else, with settings that dinv does not know, so it cannot be made anew. For a "
                "machine of dinv's own with its images: "
                + command("rm", self.config.name)
                + f", docker rm -f {container}, then "
                + command("create", "--cache-volume", self.site.cache_volume, self.config.name),
            )
        return ContainerReplacement(self.site)

    @classmethod
    def change_flags(cls) -> tuple[Option, ...]:
        from dinv.drivers.docker.flags import CHANGE_FLAGS

        return CHANGE_FLAGS

    def alteration(self) -> Alteration:
        from dinv.drivers.docker.alteration import ContainerAlteration

        return ContainerAlteration(self.site)

    def move(self) -> None:
        from dinv.drivers.docker import containers

        kept = self.config.driver
        containers.remove(self.site, self.site.container)
        kept["ContainerID"] = ""
        if kept.get("OwnNetwork"):
            from dinv.drivers.docker.network import own_address

            own_address.move(self.site)
            return
        from dinv.drivers.docker.network import ports

        ports.choose(self.site)
        self.site.settle_address()

    def take_name(self) -> None:
        from dinv.drivers.docker import containers

        containers.take_name(self.site)

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        from dinv.drivers.docker.removal import remove

        return remove(self.site, keep_cache=keep_cache)

    # Running it

    def start(self, *, timeout: float) -> None:
        from dinv.drivers.docker.starting import start

        start(self.site, timeout=timeout)

    def unpause(self) -> None:
        self._control(lambda: self.site.engine.containers.unpause(self.site.container, timeout=CALL_SECONDS))

    def stop(self, *, timeout: float) -> None:
        # The engine answers after the container has ended: its grace, and a little for the call.
        seconds = timeout * self.site.recorded_flavour.stop_rounds + 15
        self._control(
            lambda: self.site.engine.containers.stop(
                self.site.container, grace=round(timeout), timeout=seconds
            )
        )
        self._await_stopped()

    def kill(self) -> None:
        self.signal_init("SIGKILL")
        self._await_stopped()

    def _await_stopped(self) -> None:
        """Wait until the endpoint's list agrees; it can lag behind (seen with dockerd 26.1).

        Raises NotDone.
        """
        from dinv.drivers.docker.containers import check_done

        check_done(
            self.site,
            lambda: self.state(timeout=CALL_SECONDS).running,
            f"stopped container {self.site.container}",
            "lists it as running",
        )

    def signal_init(self, signal: str) -> None:
        self._control(lambda: self.site.engine.containers.kill(self.site.container, signal=signal))

    def _control(self, call: Callable[[], object]) -> None:
        try:
            call()
        except NotFound as error:
            raise self._gone() from error

    def _gone(self) -> DinvError:
        from dinv.drivers.docker.containers import gone

        return gone(self.site)

    # What it is like

    def state(self, *, timeout: float) -> Status:
        from dinv.drivers.docker import status

        return status.ask(self.site.engine, [self.config], self.store, timeout=timeout)[self.config.name]

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return repr(sorted((config.driver.get("Endpoint") or {}).items()))

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        from dinv.drivers.docker import status

        configs = list(configs)
        endpoint = Endpoint.recorded(configs[0].driver.get("Endpoint") or {})
        with endpoint.engine(timeout=timeout, trace=trace) as engine:
            return status.ask(engine, configs, store, timeout=timeout)

    @property
    def address_known(self) -> bool:
        kept = self.config.driver
        return bool(kept["Port"] or kept["IP"])

    @property
    def port_moves(self) -> bool:
        return self.adopted

    @property
    def takes_files_running(self) -> bool:
        return self.site.flavour.takes_files_running

    def refresh_address(self) -> bool:
        from dinv.drivers.docker.network.ports import refresh_address

        return refresh_address(self.site)

    @property
    def own_ip(self) -> str:
        return str(self.config.driver.get("OwnAddress", ""))

    @property
    def fixed_ip(self) -> str:
        return str(self.config.driver.get("IP", ""))

    def serve_ports(self, ports: Iterable[int]) -> None:
        from dinv.drivers.docker.network import serving

        serving.want(self.config.driver, ports)

    @property
    def local_only(self) -> bool:
        return bool((self.config.driver.get("OwnNetwork") or {}).get("Subnet"))

    @classmethod
    def reached_at(cls, config: MachineConfig, port: int) -> tuple[str, int] | None:
        from dinv.drivers.docker.network import publishing

        return publishing.reached_at(config.driver, port)

    def apart(self, other: MachineConfig) -> str:
        from dinv.drivers.docker.network.neighbours import apart

        return apart(self.site, other) if other.driver_name == self.config.driver_name else ""

    def surroundings(self) -> list[str]:
        from dinv.drivers.docker.network.neighbours import surroundings

        return surroundings(self.site)

    def addresses(self) -> list[str]:
        from dinv.drivers.docker.network.ports import addresses

        return addresses(self.site)

    def unreached(self) -> str:
        from dinv.drivers.docker.network.elsewhere import why

        return why(self.site)

    def daemon_defaults(self) -> Mapping[str, Sequence[str]]:
        pools = self.config.driver.get("AddressPools") or ()
        return {"default-address-pool": [f"base={pool['Base']},size={pool['Size']}" for pool in pools]}

    def facts(self) -> dict[str, Any]:
        kept = self.config.driver
        return {
            "endpoint": (kept.get("Endpoint") or {}).get("URL", ""),
            "isolation": kept.get("Isolation", ""),
            "machine": f"{self.site.container}, cache volume {self.site.cache_volume}",
        }

    def single(self) -> str:
        kept = self.config.driver
        if kept.get("IP"):
            return f"only one can have the address {kept['IP']}"
        if kept.get("PublishPorts"):
            return "only one can have the published ports"
        if kept.get("PortChosen"):
            return f"only one can be published at port {kept['Port']}"
        return "only one can have the cache volume" if kept.get("CacheVolumeNamed") else ""

    @classmethod
    def volumes_endpoint(cls, config: MachineConfig) -> Endpoint | None:
        return Endpoint.recorded(config.driver.get("Endpoint") or {})

    @property
    def memory_limit(self) -> int:
        return int(self.config.driver.get("Memory") or 0)

    def ssh_address(self) -> SSHAddress | None:
        address = self.ssh_server()
        if address is None or not self.state(timeout=CALL_SECONDS).running:
            return None
        import shutil

        from dinv.system.reachability import connect_all

        # Whatever is wrong with its SSH server, or with the way there: the other way in is as good.
        where = (address.host, address.port)
        answers = connect_all([where], timeout=SSH_SECONDS).get(where) == ""
        return address if answers and shutil.which("ssh") else None

    def ssh_server(self) -> SSHAddress | None:
        if FEATURE_SSHD not in self.features:
            return None
        from dinv.drivers.docker.network import ssh_server

        return ssh_server.recorded(self.config)

    def channel(self) -> Channel:
        return self.site.channel()

    def logs(
        self,
        *,
        tail: int | None,
        follow: bool,
        timestamps: bool,
        timeout: float | Deadline | None = None,
    ) -> Iterator[bytes]:
        try:
            output = self.site.engine.containers.logs(
                self.site.container,
                tail=tail,
                follow=follow,
                timestamps=timestamps,
                tty=False,
                body_timeout=timeout,
            )
        except NotFound as error:
            raise self._gone() from error
        with output:
            for _, data in output:
                yield data

    def ended(self) -> int | None:
        inspected = self._inspect()
        state = inspected.get("State") or {}
        if str(state.get("Status", "")).lower() == "starting":
            return None  # a VCH's container runs when its first process has reported its start time
        # Under its restart policy a container that dies at once is soon "running" again.
        if state.get("Running") and not state.get("Restarting") and not inspected.get("RestartCount"):
            return None
        return int(state.get("ExitCode") or 0)

    def _inspect(self) -> Mapping[str, Any]:
        """Return the machine's container (`GET /containers/NAME/json`)."""
        return self.site.engine.containers.inspect(self.site.container)

    def close(self) -> None:
        self.site.close()

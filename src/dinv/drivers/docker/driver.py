"""The docker driver: a machine is a container on a Docker endpoint, with a cache volume that outlives it."""

from __future__ import annotations

import contextlib
import json
import time

from dinv.drivers import AddressTaken, Driver
from dinv.drivers.docker import containers
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.drivers.docker.flavours import LABEL, LABEL_ID, LABEL_PORT, LABEL_ROLE, MachineSpec, detect, of_name
from dinv.endpoints.resolve import Endpoint
from dinv.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    DinvError,
    EngineError,
    InputError,
    MachineError,
    MachineGone,
    NotDone,
    NotFound,
    PreCreateCheckFailed,
    ServerError,
    Unauthorized,
)
from dinv.formats import urls
from dinv.states import (
    ERROR,
    OWN_ADDRESS,
    PAUSED,
    PUBLISHED_PORT,
    RUNNING,
    STARTING,
    STOPPED,
    STOPPING,
    Status,
    at_work,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar

    from dinv.channel import Channel
    from dinv.drivers import Flag, Replacement
    from dinv.drivers.docker.flavours.engine import EngineFlavour
    from dinv.engine import Engine
    from dinv.formats.kinds import Kinds
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

DAEMON_PORT = 2376

IN_FLIGHT_SECONDS = 1.0
"""How long an engine may still be making a container or a network for a client that is gone."""
LIST_LAG_SECONDS = 10.0
"""How long the list may say that a container runs which has been stopped or killed."""
CALL_SECONDS = 10.0

_STATES = {
    "created": STOPPED,
    "starting": STARTING,  # a VCH's, with a capital: the VM boots
    "running": RUNNING,
    "paused": PAUSED,
    "restarting": STARTING,
    "stopping": STOPPING,
    "removing": STOPPING,
    "exited": STOPPED,
    "dead": ERROR,
}


def _is_own_network(kept: object) -> bool:
    """Whether it is what `ownnetwork` keeps: nothing, that one is wanted, or where it is."""
    if not isinstance(kept, dict) or not kept.get("Subnet"):
        return isinstance(kept, dict)
    subnet, gateway = kept["Subnet"], kept.get("Gateway")
    if not (isinstance(subnet, str) and isinstance(gateway, str) and isinstance(kept.get("Bridge"), str)):
        return False
    return urls.is_subnet(subnet) and urls.is_ipv4(gateway)


def _has(**kinds: type) -> Callable[[object], bool]:
    """A test for lists of objects with these keys."""

    def test(kept: object) -> bool:
        return isinstance(kept, list) and all(
            isinstance(each, dict) and all(type(each.get(key)) is kind for key, kind in kinds.items())
            for each in kept
        )

    return test


class DockerDriver(Driver):
    """One machine on a Docker endpoint."""

    name = "docker"
    kinds: ClassVar[Kinds] = {
        **dict.fromkeys(
            ("CacheVolume", "Container", "ContainerID", "Flavour", "Host", "IP", "Image", "ImageContract"),
            str,
        ),
        **dict.fromkeys(("Isolation", "Network", "OwnAddress", "PublishAddress", "VolumeStore"), str),
        **dict.fromkeys(("Adopted", "CacheVolumeKept", "CacheVolumeNamed", "PortChosen", "Published"), bool),
        **dict.fromkeys(("CPUs", "CacheSize", "Memory", "Port"), (int, float)),
        **dict.fromkeys(("Endpoint", "Labels"), dict),
        **dict.fromkeys(("DNS", "RefusedAddresses"), list),
        "OwnNetwork": _is_own_network,
        "Avoid": list,
        "Reached": str,
        "PublishPorts": _has(Address=str, Port=int, MachinePort=int, Protocol=str),
        "AddressPools": _has(Base=str, Size=int),
    }

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(config, store, trace=trace)
        self._engine: Engine | None = None
        # Only who has just named the endpoint may have named the wrong one.
        self._origin = ""
        self._flavour: EngineFlavour | None = None
        self._outer: tuple[MachineConfig | None] | None = None
        self._networks: list[dict[str, Any]] | None = None
        self._image_id = ""
        self.declared_volumes: set[str] = set()
        """Paths for which the image wants volumes (`VOLUME` in its Dockerfile)."""
        # Of a record that somebody else has left unfinished it is not known how far it came.
        self._may_be_asked_for = True

    # What the config keeps of it

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.recorded(self.config.driver.get("Endpoint") or {})

    @property
    def container(self) -> str:
        return str(self.config.driver.get("Container") or f"dinv-{self.config.name}")

    @property
    def aside(self) -> str:
        """The name of a container that is set aside: no machine's, whose names have no underscore."""
        return f"{self.container}_old"

    @property
    def beside(self) -> str:
        """The name of a container that is made to replace the machine's, until it has its place."""
        return f"{self.container}_new"

    @property
    def cache_volume(self) -> str:
        return str(self.config.driver.get("CacheVolume") or f"dinv-{self.config.name}-cache")

    @property
    def engine(self) -> Engine:
        """The client of the machine's endpoint, opened when first needed."""
        if self._engine is None:
            self._engine = self.endpoint.engine(trace=self.trace)
            self._engine.origin = self._origin
            self._engine.transient = of_name(self.config.driver.get("Flavour", "")).transient
        return self._engine

    @property
    def flavour(self) -> EngineFlavour:
        if self._flavour is None:
            self._flavour = detect(self.engine.info())
            self.engine.transient = self._flavour.transient
        return self._flavour

    @property
    def outer(self) -> MachineConfig | None:
        """The machine of this store that the endpoint is, if it is one."""
        if self._outer is None:
            from dinv.drivers.docker.network import nested

            self._outer = (nested.find(self) if self.engine.transport.host is not None else None,)
        return self._outer[0]

    def networks(self) -> list[dict[str, Any]]:
        """The endpoint's networks, as they were when first asked for; none where it does not tell.

        A proxy in front of an engine's socket may let some calls through, and not this one.
        """
        if self._networks is None:
            try:
                self._networks = self.engine.networks.list()
            except EngineError:
                self._networks = []
        return self._networks

    def unreached(self) -> str:
        from dinv.drivers.docker.network.elsewhere import why

        return why(self)

    def daemon_defaults(self) -> Mapping[str, Sequence[str]]:
        pools = self.config.driver.get("AddressPools") or ()
        return {"default-address-pool": [f"base={pool['Base']},size={pool['Size']}" for pool in pools]}

    # Making one

    @classmethod
    def create_flags(cls) -> tuple[Flag, ...]:
        from dinv.drivers.docker.flags import FLAGS

        return FLAGS

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        from dinv.drivers.docker.flags import configure

        self._may_be_asked_for = False
        self._origin = configure(self.config, self.store, values, progress, self.trace).origin

    def adopt(self, container: str, progress: Progress) -> str:
        from dinv.drivers.docker.adoption import examine

        return examine(self, container, progress)

    @property
    def adopted(self) -> bool:
        return bool(self.config.driver.get("Adopted"))

    def pre_create_check(self, progress: Progress) -> None:
        from dinv.drivers.docker.checks import check

        check(self, progress)

    def prepare(self, progress: Progress) -> str:
        from dinv.drivers.docker.image import ensure

        image = str(self.config.driver["Image"])
        found = ensure(self.engine, image, progress, advice=self.image_advice(image))
        contract = self.take_image(image, found)
        if self.config.unfinished:
            from dinv.drivers.docker.network import inner, own_network

            # The network, too, may come only when who asked for it is gone.
            self._may_be_asked_for = True
            own_network.prepare(self)
            self._may_be_asked_for = False
            inner.choose(self)
        return contract

    def image_advice(self, image: str) -> str:
        """What to do about an image that the endpoint lacks: into a machine it is loaded, not built there."""
        from dinv.endpoints.resolve import machine_at

        outer = machine_at(self.store, self.endpoint.url)
        return f"Take it there with: dinv load {outer} {image}" if outer else self.flavour.image_advice

    def take_image(self, image: str, inspected: Mapping[str, Any]) -> str:
        """Let `create` use an image that the endpoint has; returns the name of its contract.

        Raises ImageError for one that is no machine image.
        """
        from dinv.drivers.docker.image import contract_of

        self._image_id = str(inspected.get("Id", ""))
        self.declared_volumes = set((inspected.get("Config") or {}).get("Volumes") or ())
        return self.config.driver.get("ImageContract") or contract_of(image, inspected)

    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        self.create_as(self.container, environment, command, mounts)

    def create_as(
        self, name: str, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        """Make the machine as `create` does, as a container of another name."""
        from dinv.drivers.docker import volumes

        kept = self.config.driver
        flavour = self.flavour
        spec = self._specification(environment, command, volumes.make(self, mounts))
        self._may_be_asked_for = True
        try:
            identity, warnings = self.engine.containers.create(
                name, flavour.create_body(spec), timeout=CHANGE_SECONDS
            )
        except Conflict as error:
            # A call that was made again may find what it made the first time.
            identity, warnings = containers.own_id(self, name), []
            if not identity:
                raise PreCreateCheckFailed(
                    f"{self.endpoint} has just got a container {name} from somebody else. "
                    f"Choose another machine name."
                ) from error
        except (BadRequest, ServerError) as error:
            raise PreCreateCheckFailed(f"The endpoint refuses the machine: {error.message}") from error
        self._may_be_asked_for = False
        kept["ContainerID"] = identity
        ignored = flavour.ignored(spec, self.engine.containers.inspect(name))
        if ignored:
            said = f" It says: {' '.join(warnings)}" if warnings else ""
            raise PreCreateCheckFailed(f"The endpoint does not give the machine {', '.join(ignored)}.{said}")

    def _specification(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Sequence[tuple[str, str]]
    ) -> MachineSpec:
        from dinv.drivers.docker.network import publishing

        kept = self.config.driver
        labels = {
            **kept["Labels"],
            LABEL: self.config.name,
            LABEL_ID: self.config.identity,
            LABEL_ROLE: "machine",
            LABEL_PORT: str(kept["Port"]),
        }
        return MachineSpec(
            hostname=self.config.name[:63].rstrip(".-"),
            image=kept["Image"],
            labels=labels,
            environment=environment,
            command=command,
            mounts=mounts,
            cpus=kept["CPUs"],
            memory=kept["Memory"],
            network=kept["Network"],
            ip=kept["IP"],
            publish_address=kept["PublishAddress"],
            port=kept["Port"],
            isolation=kept["Isolation"],
            dns=kept.get("DNS") or (),
            ports=publishing.bindings(kept.get("PublishPorts") or ()),
        )

    def kind(self) -> str:
        flavour, kept = self.flavour, self.config.driver
        image = self._image_id or str(self.engine.containers.inspect(self.container).get("Image", ""))
        return " ".join((str(self.endpoint), flavour.name, flavour.build, kept["Isolation"], image))

    def replacement(self) -> Replacement:
        from dinv.drivers.docker.replacement import ContainerReplacement

        if self.adopted:
            raise InputError(
                f'Machine "{self.config.name}" was adopted: its container {self.container} was made by '
                f"somebody else, with settings that dinv does not know, so it cannot be made anew. For a "
                f"machine of dinv's own with its images: dinv rm {self.config.name}, docker rm -f "
                f"{self.container}, then dinv create --cache-volume {self.cache_volume} {self.config.name}"
            )
        return ContainerReplacement(self)

    def move(self) -> None:
        from dinv.drivers.docker.network.ports import choose

        kept = self.config.driver
        containers.remove(self, self.container)
        if kept.get("OwnNetwork"):
            from dinv.drivers.docker.network import own_network

            own_network.move(self)
            return
        kept["RefusedPorts"] = [*kept.get("RefusedPorts", []), kept["Port"]]
        choose(self)
        self.settle_address()

    # Running it

    def start(self, *, timeout: float) -> None:
        if self.flavour.single_attach:
            from dinv.drivers.docker import volumes

            volumes.check_free(self)
        self._clear_leftovers()
        if not self.config.driver.get("OwnNetwork"):
            self._start(timeout)
            return
        from dinv.drivers.docker.network import own_network

        device = own_network.led_away(self)
        if device:
            subnet = self.config.driver["OwnNetwork"]["Subnet"]
            own_network.mend(self, f"This computer looks for {subnet} at {device} now")
        try:
            self._start(timeout)
        except AddressTaken:
            if self.config.unfinished:
                raise
            own_network.change_address(self)
            self._start(timeout)

    def _start(self, timeout: float, *, mended: bool = False) -> None:
        # The engine answers when init runs. How long the daemon may take after that is not its business.
        seconds = max(timeout, self.flavour.start_seconds)
        try:
            self.engine.containers.start(self.container, timeout=seconds)
        except NotFound as error:
            network = self.config.driver["Network"] if self.config.driver.get("OwnNetwork") else ""
            if not network or mended or not containers.own_id(self, self.container):
                raise self.gone() from error
            from dinv.drivers.docker.network import own_network

            own_network.mend(self, f"Network {network} was removed from the endpoint")
            self._start(timeout, mended=True)
        except DeadlineExceeded as error:
            raise MachineError(
                self.config.name,
                f'{self.endpoint} has not started machine "{self.config.name}" within {seconds:g} s. '
                f"--timeout SECONDS gives it longer.",
            ) from error
        except (BadRequest, Conflict, ServerError, Unauthorized) as error:
            published = self.config.driver["PublishAddress"]
            if published and self.flavour.address_absent(error.message):
                raise PreCreateCheckFailed(
                    f'Machine "{self.config.name}" is to be published at {published}, and the host of '
                    f"{self.endpoint} has no such address. --publish takes one of that host's own, or "
                    f"0.0.0.0 for all of them."
                ) from error
            if not self.flavour.address_taken(error.message):
                raise MachineError(
                    self.config.name,
                    f'{self.endpoint} cannot start machine "{self.config.name}": {error.message}'
                    f"{self.flavour.start_refused(error, self.config.driver)}",
                ) from error
            from dinv.drivers.docker.network import publishing

            kept = self.config.driver
            further = publishing.refused(kept.get("PublishPorts") or (), error.message)
            if further:
                raise PreCreateCheckFailed(
                    f'Port {further} of machine "{self.config.name}", of its --publish-ports, is in use on '
                    f"{self.endpoint}. Free it."
                ) from error
            if kept.get("OwnNetwork"):
                raise AddressTaken from error
            if kept.get("PortChosen") or not self.config.unfinished:
                host = kept["PublishAddress"]
                host = f"[{host}]" if ":" in host else host
                address = f"{host}:{kept['Port']}" if host else kept["Port"]
                raise PreCreateCheckFailed(
                    f'Port {address} of machine "{self.config.name}" is in use on {self.endpoint}. '
                    f"Free it, or choose another with --publish ADDRESS:PORT."
                ) from error
            raise AddressTaken from error
        self._follow_port()

    def _follow_port(self) -> None:
        """Of a container that somebody has published at whatever port is free (`docker run -p 2376`)."""
        if self.adopted and self.config.driver["Port"]:
            from dinv.drivers.docker.network.ports import follow_port

            settings = self.engine.containers.inspect(self.container).get("NetworkSettings") or {}
            follow_port(self, settings.get("Ports") or {})
            self.settle_address()

    def _clear_leftovers(self) -> None:
        """A container that has run before may have been killed, by whomever."""
        contract = str(self.config.ours.get("ImageContract") or "")
        if contract and (self.adopted or not self.config.unfinished):
            from dinv import images
            from dinv.drivers.docker.leftovers import empty_pid_files

            with contextlib.suppress(NotFound):  # the start says what is not there
                empty_pid_files(self.channel(), images.find(contract).pid_files)

    def unpause(self) -> None:
        self._control(lambda: self.engine.containers.unpause(self.container, timeout=CALL_SECONDS))

    def stop(self, *, timeout: float) -> None:
        # The engine answers after the container has ended: what it is given, and a little for the call.
        rounds = of_name(self.config.driver.get("Flavour", "")).stop_rounds
        self._control(
            lambda: self.engine.containers.stop(
                self.container, grace=round(timeout), timeout=timeout * rounds + 15
            )
        )
        self._await_stopped()

    def kill(self) -> None:
        self.signal_init("SIGKILL")
        self._await_stopped()

    def _await_stopped(self) -> None:
        """Wait until the endpoint's list says so too; it can lag behind (seen with dockerd 26.1).

        Raises NotDone.
        """
        end = time.monotonic() + LIST_LAG_SECONDS
        while self.state(timeout=CALL_SECONDS).running:
            if time.monotonic() >= end:
                what = f"container {self.container}"
                raise NotDone(str(self.endpoint), f"stopped {what}", "lists it as running")
            time.sleep(0.02)

    def signal_init(self, signal: str) -> None:
        self._control(lambda: self.engine.containers.kill(self.container, signal=signal))

    def _control(self, call: Callable[[], object]) -> None:
        try:
            call()
        except NotFound as error:
            raise self.gone() from error

    def gone(self) -> MachineError:
        """The error that the machine's container is not there."""
        if self.config.ours.get("Upgrade"):
            return MachineError(self.config.name, f"{self.config.name}: {unfinished_upgrade(self.config)}")
        return MachineGone(self.config.name, self.container, str(self.endpoint))

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        kept = self.config.driver
        if not kept.get("Endpoint"):
            return []
        if self.adopted:
            return [self._left_behind()]
        self._remove_objects(keep_cache=keep_cache)
        if self.config.unfinished and self._may_be_asked_for:
            # An engine finishes the create call of a client that is gone: its container may come only now.
            from dinv.drivers.docker import volumes

            time.sleep(IN_FLIGHT_SECONDS)
            late = volumes.unlabelled(self, keep_cache=keep_cache)
            self._remove_objects(keep_cache=keep_cache)
            volumes.remove(self, late)
        volume = self.cache_volume
        if kept.get("CacheVolumeKept"):
            return [f"Volume {volume} stays: it was there before. Remove it: docker volume rm {volume}"]
        if keep_cache:
            return [f"Volume {volume} stays. Use it again: dinv create --cache-volume {volume} NAME"]
        return []

    def _left_behind(self) -> str:
        from dinv import images

        name = self.container
        said = (
            f"Container {name} stays on {self.endpoint} with its volumes, as dinv did not make it. "
            f"Remove it: docker rm -f {name}"
        )
        anew = images.find(str(self.config.ours.get("ImageContract") or "dinv")).own_certificates
        if not anew:
            return said
        return (
            f"{said}\nThe certificates that it has are of no more use to anybody. For some of its own: "
            f"docker exec {name} sh -c '{anew}', then docker restart {name}"
        )

    def _remove_objects(self, *, keep_cache: bool) -> None:
        from dinv.drivers.docker import volumes

        containers.remove(self, self.container)
        if self.config.ours.get("Upgrade"):
            containers.remove(self, self.aside)
            containers.remove(self, self.beside)
        volumes.remove_all(self, keep_cache=keep_cache)
        if self.config.driver.get("OwnNetwork"):
            from dinv.drivers.docker.network import own_network

            own_network.remove_unused(self)

    # What it is like

    def state(self, *, timeout: float) -> Status:
        listed = self.engine.containers.list(all=True, filters=_filters([self.config]), timeout=timeout)
        return _status(self.config, listed, self.store)

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return json.dumps(config.driver.get("Endpoint"), sort_keys=True)

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        configs = list(configs)
        first = configs[0].driver
        filters = _filters(configs)
        endpoint = Endpoint.recorded(first.get("Endpoint") or {})
        with endpoint.engine(timeout=timeout, trace=trace) as engine:
            listed = engine.containers.list(all=True, filters=filters, timeout=timeout)
        return {config.name: _status(config, listed, store) for config in configs}

    @property
    def address_known(self) -> bool:
        kept = self.config.driver
        return bool(kept["Port"] or kept["IP"])

    @property
    def port_moves(self) -> bool:
        return self.adopted

    @property
    def takes_files_running(self) -> bool:
        return self.flavour.takes_files_running

    def settle_address(self) -> None:
        """Set URL and IPAddress from what the config says; the machine need not run."""
        kept = self.config.driver
        own = kept.get("OwnAddress") or kept["IP"]
        address, port = (kept["Host"], kept["Port"]) if kept["Port"] else (own, DAEMON_PORT)
        kept["IPAddress"] = address
        kept["Reached"] = "" if not address else PUBLISHED_PORT if kept["Port"] else OWN_ADDRESS
        kept["URL"] = f"tcp://{f'[{address}]' if ':' in address else address}:{port}" if address else ""

    def refresh_address(self) -> bool:
        kept = self.config.driver
        before = kept.get("URL", "")
        settings = self.engine.containers.inspect(self.container).get("NetworkSettings") or {}
        networks = list((settings.get("Networks") or {}).values())
        # The second on a network without IPv4 only, which Docker has from 27 on.
        found = (network.get(key) for key in ("IPAddress", "GlobalIPv6Address") for network in networks)
        kept["OwnAddress"] = next((address for address in found if address), "")
        if not of_name(kept.get("Flavour", "")).chooses_address and kept["Port"]:
            from dinv.drivers.docker.network.ports import follow

            follow(self, settings.get("Ports") or {})
        self.settle_address()
        return bool(before != kept.get("URL"))

    @property
    def own_ip(self) -> str:
        return str(self.config.driver.get("OwnAddress", ""))

    def addresses(self) -> list[str]:
        from dinv.drivers.docker.network.ports import addresses

        return addresses(self)

    def facts(self) -> dict[str, Any]:
        kept = self.config.driver
        return {
            "endpoint": (kept.get("Endpoint") or {}).get("URL", ""),
            "isolation": kept.get("Isolation", ""),
            "machine": f"{self.container}, cache volume {self.cache_volume}",
        }

    def channel(self) -> Channel:
        if of_name(self.config.driver.get("Flavour", "")).archives_are_docker_cps:
            from dinv.channel import ContainerChannel

            return ContainerChannel(self.engine, self.container)
        from dinv.drivers.docker.vm_channel import VmChannel

        return VmChannel(self.engine, self.container, self.config.name)

    def last_log_lines(self, count: int) -> list[str]:
        with contextlib.suppress(DinvError):
            said = b"".join(self.logs(tail=count, follow=False, timestamps=False))
            return said.decode(errors="replace").splitlines()[-count:]
        return []

    def logs(self, *, tail: int | None, follow: bool, timestamps: bool) -> Iterator[bytes]:
        try:
            output = self.engine.containers.logs(
                self.container, tail=tail, follow=follow, timestamps=timestamps, tty=False
            )
        except NotFound as error:
            raise self.gone() from error
        with output:
            for _, data in output:
                yield data

    def ended(self) -> int | None:
        inspected = self.engine.containers.inspect(self.container)
        state = inspected.get("State") or {}
        if str(state.get("Status", "")).lower() == "starting":
            return None  # of a VCH: it runs when its first process has told its start time
        # Under its restart policy a container that dies at once is soon "running" again.
        if state.get("Running") and not state.get("Restarting") and not inspected.get("RestartCount"):
            return None
        return int(state.get("ExitCode") or 0)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def _filters(configs: Sequence[MachineConfig]) -> dict[str, list[str]]:
    """Filters for the list of containers that leave these machines in: adopted ones have no label of ours."""
    if any(config.driver.get("Adopted") for config in configs):
        return {}
    return of_name(configs[0].driver.get("Flavour", "")).list_filters()


def unfinished_upgrade(config: MachineConfig) -> str:
    """What is said of a machine whose upgrade goes on, or was killed."""
    return f"its upgrade has not finished; finish or undo it: dinv start {config.name}"


def _status(config: MachineConfig, listed: Iterable[Mapping[str, Any]], store: Store) -> Status:
    """A machine's state from its endpoint's list of containers (`GET /containers/json`)."""
    container = str(config.driver.get("Container", ""))
    for found in listed:
        if f"/{container}" not in (found.get("Names") or []):
            continue
        if not containers.is_of(config, str(found.get("Id", "")), found.get("Labels") or {}):
            continue
        state = _STATES.get(str(found.get("State", "")).lower(), ERROR)
        if config.ours.get("Upgrade"):
            return Status(state, _or_who(store, config, unfinished_upgrade(config)))
        # The health check's verdict stands in the text only: "Up 2 minutes (unhealthy)".
        unhealthy = "(unhealthy)" in str(found.get("Status", ""))
        return Status(state, "its Docker daemon does not answer (dinv logs shows why)" if unhealthy else "")
    if config.ours.get("Upgrade"):
        return Status(STOPPED, _or_who(store, config, unfinished_upgrade(config)))
    gone = f"container {container} is gone from the endpoint; clean up: dinv rm {config.name}"
    return Status(ERROR, _or_who(store, config, gone))


def _or_who(store: Store, config: MachineConfig, advice: str) -> str:
    """The advice, or who is changing the machine at this moment: what he has done so far is no damage."""
    holder = store.holder(config.name)
    return advice if holder is None else at_work(holder)

"""The docker driver: a machine is a container on a Docker endpoint, with a cache volume that outlives it.

Whose a container or a volume is, is told by name, label and store together: labels alone can leak from
one container to another (vic#8545), names alone may have been used again by somebody else.
"""

from __future__ import annotations

import contextlib
import json
import time

from dinv.drivers import AddressTaken, Driver
from dinv.drivers.docker.flavours import LABEL, LABEL_ID, LABEL_PORT, LABEL_ROLE, MachineSpec, detect, of_name
from dinv.endpoint import Endpoint
from dinv.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    DinvError,
    MachineError,
    MachineGone,
    NotFound,
    PreCreateCheckFailed,
    ServerError,
)
from dinv.states import ERROR, PAUSED, RUNNING, STARTING, STOPPED, STOPPING, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from dinv.channel import Channel
    from dinv.config import MachineConfig
    from dinv.drivers import Flag, Offer
    from dinv.drivers.docker.flavours.engine import EngineFlavour
    from dinv.engine import Engine
    from dinv.progress import Progress
    from dinv.store import Store

CACHE = "cache"
DAEMON_PORT = 2376

IN_FLIGHT_SECONDS = 0.5
"""How long an engine may still be making a container for a client that is gone."""
REMOVE_SECONDS = 10.0
LIST_LAG_SECONDS = 2.0
CALL_SECONDS = 10.0
CREATE_SECONDS = 60.0
"""An engine that makes a container first unpacks nothing; but a busy disk can take its time."""
START_SECONDS = 30.0
ASIDE_STOP_SECONDS = 20
"""What a machine that is made anew has to stop cleanly; containers in it get 10 s by default."""

_STATES = {
    "created": STOPPED,
    "starting": STARTING,  # a VCH's: the VM boots
    "running": RUNNING,
    "paused": PAUSED,
    "restarting": STARTING,
    "removing": STOPPING,
    "exited": STOPPED,
    "dead": ERROR,
}


class DockerDriver(Driver):
    """One machine on a Docker endpoint."""

    name = "docker"

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        super().__init__(config, store, trace=trace)
        self._engine: Engine | None = None
        self._flavour: EngineFlavour | None = None
        self._declared_volumes: set[str] = set()
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
    def cache_volume(self) -> str:
        return str(self.config.driver.get("CacheVolume") or f"dinv-{self.config.name}-cache")

    @property
    def engine(self) -> Engine:
        """The client of the machine's endpoint, opened when first needed."""
        if self._engine is None:
            self._engine = self.endpoint.engine(trace=self.trace)
            self._engine.transient = of_name(self.config.driver.get("Flavour", "")).transient
        return self._engine

    @property
    def flavour(self) -> EngineFlavour:
        if self._flavour is None:
            self._flavour = detect(self.engine.info())
            self.engine.transient = self._flavour.transient
        return self._flavour

    # Making one

    @classmethod
    def create_flags(cls) -> tuple[Flag, ...]:
        from dinv.drivers.docker.flags import FLAGS

        return FLAGS

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        from dinv.drivers.docker.flags import configure

        self._may_be_asked_for = False
        configure(self.config, self.store, values, progress, self.trace)

    def pre_create_check(self, progress: Progress) -> None:
        from dinv.drivers.docker.checks import check

        check(self, progress)

    def prepare(self, progress: Progress) -> str:
        from dinv.drivers.docker.image import contract_of, ensure

        image = str(self.config.driver["Image"])
        found = ensure(self.engine, image, progress)
        self._declared_volumes = set((found.get("Config") or {}).get("Volumes") or ())
        return self.config.driver.get("ImageContract") or contract_of(image, found)

    def create(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Mapping[str, str]
    ) -> None:
        kept = self.config.driver
        flavour = self.flavour
        spec = self._specification(environment, command, self._volumes(mounts))
        self._may_be_asked_for = True
        try:
            identity, warnings = self.engine.containers.create(
                self.container, flavour.create_body(spec), timeout=CREATE_SECONDS
            )
        except Conflict as error:
            # A call that was made again may find what it made the first time.
            identity, warnings = self._own_container_id(self.container), []
            if not identity:
                raise PreCreateCheckFailed(
                    f"{self.endpoint} has just got a container {self.container} from somebody else. "
                    f"Choose another machine name."
                ) from error
        except (BadRequest, ServerError) as error:
            raise PreCreateCheckFailed(f"The endpoint refuses the machine: {error.message}") from error
        self._may_be_asked_for = False
        kept["ContainerID"] = identity
        ignored = flavour.ignored(spec, self.engine.containers.inspect(self.container))
        if ignored:
            said = f" It says: {' '.join(warnings)}" if warnings else ""
            raise PreCreateCheckFailed(f"The endpoint does not give the machine {', '.join(ignored)}.{said}")

    def _volumes(self, mounts: Mapping[str, str]) -> list[tuple[str, str]]:
        """Make the machine's volumes; returns them with the path of each.

        What the image declares and the contract does not know of gets a volume with a name as well:
        an anonymous one would be left behind by who removes the container without `v`.
        """
        declared = sorted(self._declared_volumes - set(mounts.values()))
        roles = {**mounts, **{f"data{number}": path for number, path in enumerate(declared, 1)}}
        made = []
        for role, path in roles.items():
            if role == CACHE:
                volume = self.cache_volume
                if not self.config.driver["CacheVolumeKept"]:
                    size = int(self.config.driver["CacheSize"]) or self.flavour.default_cache
                    self._create_volume(volume, role, size)
            else:
                # By the container's name: an imported machine may go by another one here.
                volume = f"{self.container}-{role}"
                self._create_volume(volume, role, 0)
            made.append((volume, path))
        return made

    def _create_volume(self, name: str, role: str, size: int) -> None:
        labels = {LABEL: self.config.name, LABEL_ID: self.config.identity, LABEL_ROLE: role}
        options = self.flavour.volume_options(size, str(self.config.driver.get("VolumeStore") or ""))
        try:
            volume = self.engine.volumes.create(
                name, labels=labels, driver_opts=options, timeout=CREATE_SECONDS
            )
        except (BadRequest, Conflict, ServerError) as error:
            try:
                # A VCH has an error for a name that exists, be it by a call of ours that was made again.
                volume = self.engine.volumes.inspect(name)
            except NotFound:
                reason = self.flavour.volume_refused(error, size) or error.message
                raise PreCreateCheckFailed(f"The volume {name} cannot be made: {reason}.") from error
        if (volume.get("Labels") or {}).get(LABEL_ID) != self.config.identity:
            # Made by somebody else since the check; an engine returns it as if it were new.
            raise PreCreateCheckFailed(f"{self.endpoint} has a volume {name} of somebody else.")

    def _specification(
        self, environment: Mapping[str, str], command: Sequence[str], mounts: Sequence[tuple[str, str]]
    ) -> MachineSpec:
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
        )

    def offer(self, image: str, progress: Progress) -> Offer:
        from dinv.drivers import Offer
        from dinv.drivers.docker.image import contract_of, refresh

        kept = self.config.driver
        try:
            container = self.engine.containers.inspect(self.container)
        except NotFound as error:
            raise self._gone() from error
        if kept.get("IP") and self.flavour.keeps_stopped_addresses:
            raise PreCreateCheckFailed(
                f"This machine cannot be made anew beside its old self: {self.flavour.title} keeps the "
                f"address {kept['IP']} with the stopped one. Make it anew with its images instead: "
                f"dinv rm --keep-cache {self.config.name}, "
                f"then dinv create --cache-volume {self.cache_volume} {self.config.name} ..."
            )
        image = image or str(kept["Image"])
        found = refresh(self.engine, image, progress)
        self._declared_volumes = set((found.get("Config") or {}).get("Volumes") or ())
        contract = kept.get("ImageContract") or contract_of(image, found)
        return Offer(image, contract, same=_hash(found.get("Id")) == _hash(container.get("Image")))

    @property
    def _aside(self) -> str:
        """The name of the container that is set aside: no machine's, whose names have no underscore."""
        return f"{self.container}_old"

    def set_aside(self) -> None:
        identity = self._own_container_id(self.container)
        if not identity:
            raise self._gone()
        self.engine.containers.stop(
            identity, grace=ASIDE_STOP_SECONDS, timeout=ASIDE_STOP_SECONDS + CREATE_SECONDS
        )
        self.engine.containers.rename(identity, self._aside, timeout=CREATE_SECONDS)

    def take_back(self) -> None:
        aside = self._own_container_id(self._aside)
        if aside:
            self._remove_container(self.container)
            self.engine.containers.rename(aside, self.container, timeout=CREATE_SECONDS)
        elif not self._own_container_id(self.container):
            raise MachineGone(self.config.name, self.container, str(self.endpoint))

    def let_go(self) -> None:
        self._remove_container(self._aside)

    def move(self) -> None:
        from dinv.drivers.docker.ports import choose

        kept = self.config.driver
        self._remove_container(self.container)
        kept["RefusedPorts"] = [*kept.get("RefusedPorts", []), kept["Port"]]
        choose(self)
        self.settle_address()

    # Running it

    def start(self, *, timeout: float) -> None:
        if self.flavour.single_attach:
            self._check_volumes()
        try:
            # The engine answers when init runs. How long the daemon may take after that is not its business.
            self.engine.containers.start(self.container, timeout=max(timeout, self.flavour.start_seconds))
        except NotFound as error:
            raise self._gone() from error
        except (BadRequest, Conflict, ServerError) as error:
            if not self.flavour.address_taken(error.message):
                raise MachineError(
                    self.config.name,
                    f'{self.endpoint} cannot start machine "{self.config.name}": {error.message}'
                    f"{self.flavour.start_refused(error, self.config.driver)}",
                ) from error
            kept = self.config.driver
            if kept.get("PortChosen") or not self.config.unfinished:
                host = kept["PublishAddress"]
                host = f"[{host}]" if ":" in host else host
                address = f"{host}:{kept['Port']}" if host else kept["Port"]
                raise PreCreateCheckFailed(
                    f'Port {address} of machine "{self.config.name}" is in use on {self.endpoint}. '
                    f"Free it, or choose another with --publish ADDRESS:PORT."
                ) from error
            raise AddressTaken from error

    def _check_volumes(self) -> None:
        """Raise MachineError when another container that runs has one of the machine's volumes.

        A VCH would say no more than that a file cannot be locked, as it does of what passes in a moment.
        """
        running = [found for found in self.engine.containers.list(all=True) if found["State"] == "running"]
        mounts = self.engine.containers.inspect(self.container).get("Mounts") if running else None
        ours = {mount.get("Name") for mount in mounts or ()}
        for other in running:
            theirs = {mount.get("Name") for mount in other.get("Mounts") or ()}
            names = other.get("Names") or ["?"]
            if f"/{self.container}" in names or not ours & theirs:
                continue
            raise MachineError(
                self.config.name,
                f'Volume {min(map(str, ours & theirs))} of machine "{self.config.name}" is in use by '
                f"container {names[0].lstrip('/')}, which runs: a VCH attaches a volume to one running "
                f"container at a time. Stop that one first.",
            )

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
        """Wait until the endpoint's list says so too; it can lag behind (seen with dockerd 26.1)."""
        end = time.monotonic() + LIST_LAG_SECONDS
        while self.state(timeout=CALL_SECONDS).running and time.monotonic() < end:
            time.sleep(0.02)

    def signal_init(self, signal: str) -> None:
        self._control(lambda: self.engine.containers.kill(self.container, signal=signal))

    def _control(self, call: Callable[[], object]) -> None:
        try:
            call()
        except NotFound as error:
            raise self._gone() from error

    def _gone(self) -> MachineError:
        if self.config.ours.get("Upgrade"):
            return MachineError(self.config.name, f"{self.config.name}: {unfinished_upgrade(self.config)}")
        return MachineGone(self.config.name, self.container, str(self.endpoint))

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        kept = self.config.driver
        if not kept.get("Endpoint"):
            return []
        self._remove_objects(keep_cache=keep_cache)
        if self.config.unfinished and self._may_be_asked_for:
            # An engine finishes the create call of a client that is gone: its container may come only now.
            time.sleep(IN_FLIGHT_SECONDS)
            self._remove_objects(keep_cache=keep_cache)
        volume = self.cache_volume
        if kept.get("CacheVolumeKept"):
            return [f"Volume {volume} stays: it was there before. Remove it: docker volume rm {volume}"]
        if keep_cache:
            return [f"Volume {volume} stays. Use it again: dinv create --cache-volume {volume} NAME"]
        return []

    def _remove_objects(self, *, keep_cache: bool) -> None:
        self._remove_container(self.container)
        if self.config.ours.get("Upgrade"):
            self._remove_container(self._aside)
        for found in self.engine.volumes.list(filters={"label": [f"{LABEL_ID}={self.config.identity}"]}):
            labels = found.get("Labels") or {}
            kept = keep_cache and found["Name"] == self.cache_volume
            if labels.get(LABEL_ID) == self.config.identity and not kept:
                self._remove_volume(found["Name"])

    def _remove_volume(self, name: str) -> None:
        """Remove a volume, and whatever has come to use it of a create that was killed."""
        end = time.monotonic() + REMOVE_SECONDS
        while True:
            try:
                self.engine.volumes.remove(name, timeout=CREATE_SECONDS)
            except NotFound:
                return
            except Conflict:
                if time.monotonic() > end:
                    raise
            else:
                return
            time.sleep(0.1)
            self._remove_container(self.container)

    def _remove_container(self, name: str) -> None:
        if self._own_container_id(name):
            with contextlib.suppress(NotFound):
                try:
                    self.engine.containers.remove(name, force=True, volumes=True, timeout=CREATE_SECONDS)
                except Conflict:
                    # "removal ... is already in progress": of a dinv that was killed meanwhile.
                    self._await_removal(name)

    def _await_removal(self, name: str) -> None:
        """Wait until the engine has removed the container. Raises NotFound then, DeadlineExceeded."""
        end = time.monotonic() + CREATE_SECONDS
        while time.monotonic() < end:
            self.engine.containers.inspect(name)
            time.sleep(0.05)
        raise DeadlineExceeded(f"The removal of container {name}", CREATE_SECONDS)

    def _own_container_id(self, name: str) -> str:
        """The id of the container that has this name, if it is the machine's; else ""."""
        try:
            found = self.engine.containers.inspect(name)
        except NotFound:
            return ""
        labels = found["Config"].get("Labels") or {}
        identity = str(found.get("Id", ""))
        return identity if _is_of(self.config, identity, labels) else ""

    # What it is like

    def state(self, *, timeout: float) -> Status:
        filters = of_name(self.config.driver.get("Flavour", "")).list_filters()
        listed = self.engine.containers.list(all=True, filters=filters, timeout=timeout)
        return _status(self.config, listed)

    @classmethod
    def group_key(cls, config: MachineConfig) -> str:
        return json.dumps(config.driver.get("Endpoint"), sort_keys=True)

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,  # noqa: ARG003  (the seam's)
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        configs = list(configs)
        first = configs[0].driver
        filters = of_name(first.get("Flavour", "")).list_filters()
        endpoint = Endpoint.recorded(first.get("Endpoint") or {})
        with endpoint.engine(timeout=timeout, trace=trace) as engine:
            listed = engine.containers.list(all=True, filters=filters, timeout=timeout)
        return {config.name: _status(config, listed) for config in configs}

    @property
    def address_known(self) -> bool:
        kept = self.config.driver
        return bool(kept["Port"] or kept["IP"])

    def settle_address(self) -> None:
        """Set URL and IPAddress from what the config says; the machine need not run."""
        kept = self.config.driver
        own = kept.get("OwnAddress") or kept["IP"]
        address, port = (kept["Host"], kept["Port"]) if kept["Port"] else (own, DAEMON_PORT)
        kept["IPAddress"] = address
        kept["URL"] = f"tcp://{f'[{address}]' if ':' in address else address}:{port}" if address else ""

    def refresh_address(self) -> bool:
        kept = self.config.driver
        before = kept.get("URL", "")
        settings = self.engine.containers.inspect(self.container)["NetworkSettings"]
        found = (network.get("IPAddress") for network in (settings.get("Networks") or {}).values())
        kept["OwnAddress"] = next((address for address in found if address), "")
        if not of_name(kept.get("Flavour", "")).chooses_address and kept["Port"]:
            from dinv.drivers.docker.ports import follow

            follow(self, settings.get("Ports") or {})
        self.settle_address()
        return bool(before != kept.get("URL"))

    @property
    def own_ip(self) -> str:
        return str(self.config.driver.get("OwnAddress", ""))

    def addresses(self) -> list[str]:
        from dinv.drivers.docker.ports import addresses

        return addresses(self)

    def facts(self) -> dict[str, Any]:
        kept = self.config.driver
        return {
            "endpoint": kept.get("Endpoint", {}).get("URL", ""),
            "isolation": kept.get("Isolation", ""),
            "machine": f"{self.container}, cache volume {self.cache_volume}",
        }

    def channel(self) -> Channel:
        from dinv.channel import ContainerChannel

        return ContainerChannel(self.engine, self.container)

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
            raise self._gone() from error
        with output:
            for _, data in output:
                yield data

    def ended(self) -> int | None:
        inspected = self.engine.containers.inspect(self.container)
        state = inspected["State"]
        if state.get("Status") == "starting":
            return None  # of a VCH: it runs when its first process has told its start time
        # Under its restart policy a container that dies at once is soon "running" again.
        if state.get("Running") and not state.get("Restarting") and not inspected.get("RestartCount"):
            return None
        return int(state.get("ExitCode") or 0)

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def unfinished_upgrade(config: MachineConfig) -> str:
    """What is said of a machine whose upgrade goes on, or was killed."""
    return f"its upgrade has not finished; finish or undo it: dinv start {config.name}"


def _hash(image_id: object) -> str:
    """An image's id without its algorithm, which not every answer has."""
    return str(image_id).rpartition(":")[2]


def _is_of(config: MachineConfig, container_id: str, labels: Mapping[str, str]) -> bool:
    """Whether a container with the machine's name is the machine, and not another that has its name.

    Labels can leak from one container to another (vic#8545), so the id that was recorded counts as well;
    a create that was killed may not have come to recording it.
    """
    return labels.get(LABEL_ID) == config.identity or container_id == config.driver.get("ContainerID")


def _status(config: MachineConfig, listed: Iterable[Mapping[str, Any]]) -> Status:
    """A machine's state from its endpoint's list of containers (`GET /containers/json`)."""
    container = str(config.driver.get("Container", ""))
    for found in listed:
        if f"/{container}" not in (found.get("Names") or []):
            continue
        if not _is_of(config, str(found.get("Id", "")), found.get("Labels") or {}):
            continue
        state = _STATES.get(str(found.get("State", "")), ERROR)
        if config.ours.get("Upgrade"):
            return Status(state, unfinished_upgrade(config))
        # The health check's verdict stands in the text only: "Up 2 minutes (unhealthy)".
        unhealthy = "(unhealthy)" in str(found.get("Status", ""))
        return Status(state, "its Docker daemon does not answer (dinv logs shows why)" if unhealthy else "")
    if config.ours.get("Upgrade"):
        return Status(STOPPED, unfinished_upgrade(config))
    return Status(ERROR, f"container {container} is gone from the endpoint; clean up: dinv rm {config.name}")

"""What a VCH knows: its containers, volumes and networks, in addition to what the engine behind keeps.

Objects on the engine behind have names that begin with `vch-` and the simulator's identity, and a label with
it. Clients see neither.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.errors import VicError
from dinv.testing.vch.rules.port_layer import PortLayerError
from dinv.testing.vch.wire import bodies
from dinv.testing.vch.wire.behind import BehindError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dinv.testing.vch.faults import Faults
    from dinv.testing.vch.log import Call
    from dinv.testing.vch.settings import Settings
    from dinv.testing.vch.wire.behind import Behind
    from dinv.testing.vch.wire.http import Connection, Request

    JSON = dict[str, Any]

T = TypeVar("T")

LABEL = "io.dinv.testing.vch"
"""Label on all objects on the engine behind, with the simulator's identity."""
PREFIX = "vch-"

STARTING, STOPPING, REMOVING = "Starting", "Stopping", "Removing"
_SHORTEST_ID = 2
_RETRY_PAUSE, _LONGEST_PAUSE = 0.02, 0.3
_BOOT_LOOK = 0.05
"""How often a boot looks whether it is over by now."""
_NO_BODY = 7
"""A start's body of at most this many bytes is taken for none (docker 1.13)."""


class Attachment:
    """A volume in a container, with its mode (rw, ro, ...).

    `anonymous` is one without a name, `declared` one whose path the image, or Volumes of the call, lists.
    """

    __slots__ = ("anonymous", "declared", "destination", "mode", "volume")

    def __init__(self, volume: str, destination: str, mode: str = "rw", *, anonymous: bool = False) -> None:
        self.volume = volume
        self.destination = destination
        self.mode = mode
        self.anonymous = anonymous
        self.declared = anonymous

    @property
    def bind(self) -> str:
        """As Config.Volumes of an inspect has it."""
        return f"{self.volume}:{self.destination}:{self.mode}"

    @property
    def behind(self) -> str:
        """As the engine behind is asked for it; docker's other modes (z, nocopy) mean nothing here."""
        return f"{self.volume}:{self.destination}:{'ro' if 'ro' in self.mode.split(',') else 'rw'}"


class Container:
    """A container VM, as its VCH knows it. `asked` is the create call's body."""

    def __init__(self, name: str, asked: JSON, *, memory: int, cpus: int) -> None:
        self.id = ""
        self.name = name
        self.asked = asked
        self.image = str(asked.get("Image", ""))
        self.image_id = ""
        self.image_config: JSON = {}
        self.env: list[str] = []
        self.labels: dict[str, str] = dict(asked.get("Labels") or {})
        self.memory = memory
        """MB."""
        self.cpus = cpus
        self.attachments: list[Attachment] = []
        self.network = ""
        """The VIC network it was made on."""
        self.closed_address = ""
        """Its address on a container network whose firewall lets nothing in: nothing answers there."""
        self.transition = ""
        """Starting, Stopping or Removing while its VM is, as VIC spells that."""
        self.connected: set[str] = set()
        """Networks that it was connected to after it was made."""
        self.active_on: set[str] = set()
        """Networks that it has been started on: they count it as active from then on."""
        self._operation = ""
        self._lock = threading.Lock()

    @property
    def host(self) -> JSON:
        found: JSON = self.asked.get("HostConfig") or {}
        return found

    @property
    def port_bindings(self) -> dict[str, list[JSON]]:
        found = self.host.get("PortBindings") or {}
        return {port: list(bindings or [{}]) for port, bindings in found.items()}

    @property
    def starting(self) -> bool:
        return self.transition == STARTING

    @contextlib.contextmanager
    def changing(self, state: str) -> Iterator[None]:
        """Show a transitional state for as long as this lasts."""
        before, self.transition = self.transition, state
        try:
            yield
        finally:
            self.transition = before

    @contextlib.contextmanager
    def operation(self, name: str) -> Iterator[None]:
        """Hold the container for an operation: start, stop, archive, ... Raises VIC's error if it is held."""
        with self._lock:
            if self._operation:
                raise self._refusal(name)
            self._operation = name
        try:
            yield
        finally:
            with self._lock:
                self._operation = ""

    def _refusal(self, name: str) -> VicError:
        if name == "archive":
            return errors.resource_in_use()
        if self._operation == name == "start":
            return errors.in_progress("ContainerStart", self.name)
        if self._operation == "archive" and name == "start":
            return errors.disk_locked()
        return errors.collision()


class Volume:
    """A volume on a datastore. `size` is MB; `options` are the driver options as they were given."""

    __slots__ = ("created", "driver", "labels", "name", "options", "size", "store")

    def __init__(
        self,
        name: str,
        *,
        store: str,
        size: int,
        driver: str,
        options: JSON | None,
        labels: JSON | None,
    ) -> None:
        self.name = name
        self.store = store
        self.size = size
        self.driver = driver
        self.options = options
        self.labels = labels


class Vch:
    """The state of one simulated VCH, and its engine behind."""

    def __init__(self, identity: str, settings: Settings, behind: Behind, faults: Faults) -> None:
        self.identity = identity
        self.settings = settings
        self.release = settings.release
        self.behind = behind
        self.faults = faults
        self.start_delay = settings.start_delay
        self.clock_ahead = 0.0
        """The seconds by which the appliance's clock is before this computer's."""
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self.containers: dict[str, Container] = {}
        self.api_port = 0
        """Where the VCH's own API is."""
        self.api_holder: Container | None = None
        """A container that was started with that port published: it answers there, and not the API."""
        self.making = 0
        """How many containers are being made, for the quota."""
        self.reserved: set[str] = set()
        """Names of containers that are being made."""
        self.volumes: dict[str, Volume] = {}
        self.networks: dict[str, JSON] = {}
        """Bridge networks that clients made: name to the create call's body."""
        self.execs: dict[str, Container] = {}
        self.image_volumes: dict[str, dict[str, JSON]] = {}
        """The volumes each image declares, by its id, as the VCH's image cache has them (create.py)."""

    def booted(self) -> bool:
        """Wait as long as a VM boots, by `start_delay` as it is meanwhile; False if the simulator closes."""
        begun = time.monotonic()
        while (left := begun + self.start_delay - time.monotonic()) > 0:
            if self.closing.wait(min(left, _BOOT_LOOK)):
                return False
        return not self.closing.is_set()

    def retried(self, attempt: Callable[[], T], *, rounds: int = 1) -> T:
        """Repeat an operation that meets a conflict, as VIC does, for `rounds` minutes: start 1, stop 2.

        A minute is `retry_seconds` here. Raises the error of the last attempt.
        """
        end = time.monotonic() + rounds * self.settings.retry_seconds
        pause = _RETRY_PAUSE
        while True:
            try:
                return attempt()
            except (VicError, PortLayerError) as error:
                if error.status != 409 or time.monotonic() >= end:
                    raise
            if self.closing.wait(pause):
                raise errors.from_portlayer("context canceled")
            pause = min(2 * pause, _LONGEST_PAUSE)

    # Names on the engine behind

    @property
    def prefix(self) -> str:
        return f"{PREFIX}{self.identity}-"

    @property
    def label(self) -> dict[str, str]:
        return {LABEL: self.identity}

    def behind_name(self, name: str) -> str:
        return self.prefix + name

    def own_words(self, message: str) -> str:
        """A message of the engine behind, with the names that clients know."""
        return re.sub(rf"/?{re.escape(self.prefix)}", "", message)

    # Containers

    def find(self, reference: str) -> Container:
        """A container by name, id, or the beginning of its id. Raises 404."""
        with self.lock:
            name = reference.removeprefix("/")
            by_id = self.containers.get(reference)
            if by_id is not None:
                return by_id
            for container in self.containers.values():
                if container.name == name:
                    return container
            if len(reference) >= _SHORTEST_ID:
                found = [each for each in self.containers.values() if each.id.startswith(reference)]
                if len(found) == 1:
                    return found[0]
        raise errors.no_such_container(reference)

    def forget(self, container: Container) -> None:
        """Forget the container."""
        with self.lock:
            self.containers.pop(container.id, None)
            for identity in [key for key, owner in self.execs.items() if owner is container]:
                del self.execs[identity]

    def inspect(self, container: Container) -> JSON:
        """Return the container as the engine behind sees it. Raises 404 if it is gone from there."""
        found: JSON = self.on(container, "GET", "/json")
        return found

    def on(
        self,
        container: Container,
        method: str,
        action: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        seconds: float = 600.0,
    ) -> Any:
        """Make a call about a container to the engine behind; if it is gone there, forget it."""
        try:
            return self.behind.json(
                method, f"/containers/{container.id}{action}", query=query, body=body, seconds=seconds
            )
        except BehindError as error:
            if error.status == 404 and "No such container" in error.message:
                self.vanished(container)
                raise errors.no_such_container(container.name) from error
            raise

    def vanished(self, container: Container) -> None:
        """Note that a container was removed by another client, or by itself."""
        self.forget(container)
        if container.host.get("AutoRemove") and self.release.removes_volumes:
            self.remove_anonymous(container)

    def remove_anonymous(self, container: Container) -> None:
        """Remove the volumes that the container's image asked for, unless another container has them too."""
        for attachment in container.attachments:
            if attachment.anonymous and not self.users(attachment.volume, but=container):
                with contextlib.suppress(VicError):
                    self.drop_volume(attachment.volume)

    def listed(self) -> list[JSON]:
        """Return all containers of this VCH, as the engine behind lists them; forget those it lacks."""
        with self.lock:
            known = dict(self.containers)
        found: list[JSON] = self.behind.json(
            "GET",
            "/containers/json",
            query={"all": "1", "filters": f'{{"label":["{LABEL}={self.identity}"]}}'},
        )
        there = {entry["Id"] for entry in found}
        for identity, container in known.items():
            if identity not in there:
                self.vanished(container)
        return [entry for entry in found if entry["Id"] in self.containers]

    def await_listed(self, container: Container) -> None:
        """Wait until the engine behind lists a container as what it is after a stop, a kill or its own end.

        moby lets go of whoever waits for an end before it has written that down, and only then changes its
        list, which `running` reads: the next start would find the container running, or its port taken. It
        holds the container's lock meanwhile, for which an inspect waits.
        """
        with contextlib.suppress(VicError):  # one that removes itself is gone by then
            self.inspect(container)

    def running(self) -> list[Container]:
        """Containers whose VM is powered on, or on its way to that."""
        found = {entry["Id"] for entry in self.listed() if entry["State"] == "running"}
        with self.lock:
            return [each for each in self.containers.values() if each.starting or each.id in found]

    # Volumes

    def users(self, volume: str, *, but: Container | None = None) -> list[Container]:
        """Containers that have a volume, running or not: it stays attached until they are removed."""
        with self.lock:
            return [
                container
                for container in self.containers.values()
                if container is not but
                and any(attachment.volume == volume for attachment in container.attachments)
            ]

    def drop_volume(self, name: str) -> None:
        """Remove a volume from the engine behind, and forget it."""
        try:
            self.behind.json("DELETE", f"/volumes/{self.behind_name(name)}")
        except BehindError as error:
            if error.status != 404:
                raise
        with self.lock:
            self.volumes.pop(name, None)


class Context:
    """The arguments of a handler: the VCH, the request, and the groups of its path."""

    def __init__(
        self,
        vch: Vch,
        request: Request,
        call: Call,
        groups: dict[str, str],
        connection: Connection,
    ) -> None:
        self.vch = vch
        self.request = request
        self.call = call
        self.groups = groups
        self.named = groups.get("name", "")
        """What the call is about, for messages."""
        self.connection = connection

    @property
    def container(self) -> Container:
        """The container that the path names. Raises 404."""
        return self.vch.find(self.groups["name"])

    def body(self, kind: str) -> JSON:
        """The request's body as the API server reads it; `kind` is one of bodies.py. Raises VicError."""
        return bodies.read(self.request, kind)

    def legacy_host_config(self) -> None:
        """A start may come with a HostConfig, which old clients sent; it is looked at and not used."""
        length = self.request.headers.get("content-length", "")
        if "transfer-encoding" in self.request.headers or (length.isdecimal() and int(length) > _NO_BODY):
            bodies.read(self.request, "host")

    def number(self, name: str) -> int:
        """Return a number in the query, 0 if missing. Raises VicError, a 500."""
        text = self.request.query.get(name, "")
        if text and not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            raise errors.bare(f'strconv.Atoi: parsing "{text}": invalid syntax')
        return int(text or 0)

    def query(self, *names: str) -> dict[str, str]:
        """These parameters of the query, as far as they are there."""
        return {name: self.request.query[name] for name in names if name in self.request.query}

    def filters(self) -> dict[str, list[str]]:
        """The query's filters. Raises 500, as VIC does."""
        try:
            return self.request.filters()
        except ValueError as error:
            raise VicError(500, f"invalid filter: {error}") from error

    def ignore_query(self, *names: str) -> None:
        """Note parameters of API versions that a VCH does not know."""
        self.call.ignored += [f"?{name}" for name in names if self.request.query.get(name)]

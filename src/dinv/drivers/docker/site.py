"""The site of one machine: its endpoint, and its objects there. All parts of the docker driver share it.

The parts (checks, creation, removal, ...) are functions on a Site and do not know their callers: `driver.py`
combines them. What a site remembers between commands is in the machine's record, `config.driver`; answers of
the endpoint are cached for one command.
"""

from __future__ import annotations

from dinv.drivers.docker.flavours import detect, of_name
from dinv.endpoints.resolve import Endpoint
from dinv.errors import DinvError, EngineError
from dinv.formats.urls import TLS_PORT
from dinv.labels import FEATURE_SSHD, LABEL_ID
from dinv.states import OWN_ADDRESS, PUBLISHED_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from dinv.channel import Channel
    from dinv.drivers.docker.flavours.engine import EngineFlavour
    from dinv.engine import Engine
    from dinv.formats.kinds import Kinds
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store


def _is_own_network(kept: object) -> bool:
    """Whether it is what `own_network` keeps: nothing, a request for one, or its place."""
    if not isinstance(kept, dict) or not kept.get("Subnet"):
        return isinstance(kept, dict)
    subnet, gateway = kept["Subnet"], kept.get("Gateway")
    if not (isinstance(subnet, str) and isinstance(gateway, str) and isinstance(kept.get("Bridge"), str)):
        return False
    from dinv.formats.urls import is_ipv4, is_subnet

    return is_subnet(subnet) and is_ipv4(gateway)


def _is_texts(kept: object) -> bool:
    return isinstance(kept, list) and all(isinstance(each, str) for each in kept)


def _has(**kinds: type) -> Callable[[object], bool]:
    """Return a test for lists of objects with these keys."""

    def test(kept: object) -> bool:
        return isinstance(kept, list) and all(
            isinstance(each, dict) and all(type(each.get(key)) is kind for key, kind in kinds.items())
            for each in kept
        )

    return test


KINDS: Kinds = {
    **dict.fromkeys(
        ("CacheVolume", "Container", "ContainerID", "Flavour", "Host", "IP", "Image", "ImageContract"),
        str,
    ),
    **dict.fromkeys(("Isolation", "Network", "OwnAddress", "PublishAddress", "VolumeStore"), str),
    **dict.fromkeys(("Adopted", "CacheVolumeKept", "CacheVolumeNamed", "PortChosen", "Published"), bool),
    **dict.fromkeys(("CPUs", "CacheSize", "Memory", "Port"), (int, float)),
    **dict.fromkeys(("Endpoint", "Labels"), dict),
    **dict.fromkeys(("DNS", "RefusedAddresses"), list),
    "ImageFeatures": _is_texts,
    "OwnNetwork": _is_own_network,
    "Avoid": list,
    "Serves": lambda kept: isinstance(kept, list) and all(type(each) is int for each in kept),
    "Reached": str,
    "PublishPorts": _has(Address=str, Port=int, MachinePort=int, Protocol=str),
    "AddressPools": _has(Base=str, Size=int),
}
"""The types of the values in `config.driver`."""


class Site:
    """One machine's endpoint, its client and flavour, and the names of the machine's objects there."""

    def __init__(
        self, config: MachineConfig, store: Store, *, trace: Callable[[str], None] | None = None
    ) -> None:
        self.config = config
        self.store = store
        self.trace = trace
        self.notes: list[str] = []
        """What a start found and repaired, for the user."""
        self.origin = ""
        """Where the user has just named the endpoint, for messages about a wrong one; else ""."""
        self.begun_here = False
        """Whether it is being made by this process, and not by another one that has left it unfinished."""
        self.image_id = ""
        """The id of the image that a machine is being made from; "" before that is known."""
        self.declared_volumes: set[str] = set()
        """Paths for which the image wants volumes (`VOLUME` in its Dockerfile)."""
        self.image_features: frozenset[str] = frozenset()
        """What the image that a machine is being made from has besides a daemon."""
        self._engine: Engine | None = None
        self._flavour: EngineFlavour | None = None
        self._outer: tuple[MachineConfig | None] | None = None
        self._networks: list[dict[str, Any]] | None = None

    # The endpoint

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint.recorded(self.config.driver.get("Endpoint") or {})

    @property
    def engine(self) -> Engine:
        """The client of the machine's endpoint, opened when first needed."""
        if self._engine is None:
            self._engine = self.endpoint.engine(trace=self.trace)
            self._engine.origin = self.origin
            self._engine.transient = self.recorded_flavour.transient
        return self._engine

    @property
    def flavour(self) -> EngineFlavour:
        """The endpoint's flavour by its `/info`, asked once."""
        if self._flavour is None:
            self._flavour = detect(self.engine.info())
            self.engine.transient = self._flavour.transient
        return self._flavour

    @property
    def recorded_flavour(self) -> type[EngineFlavour]:
        """The flavour that the endpoint had when the machine was made: no call is needed."""
        return of_name(str(self.config.driver.get("Flavour") or ""))

    @property
    def outer(self) -> MachineConfig | None:
        """The machine of this store that the endpoint is, if it is one."""
        if self._outer is None:
            self._outer = (self._find_outer() if self.engine.transport.host is not None else None,)
        return self._outer[0]

    def _find_outer(self) -> MachineConfig | None:
        from dinv.drivers.machine_urls import machine_at

        name = machine_at(self.store, self.endpoint.url)
        if not name:
            return None
        try:
            found = self.store.load(name)
        except DinvError:
            return None
        return found if found.driver_name == self.config.driver_name else None

    def networks(self) -> list[dict[str, Any]]:
        """Return the endpoint's networks, as first reported; none if it does not report them.

        A proxy in front of an engine's socket may allow some calls and not this one.
        """
        if self._networks is None:
            try:
                self._networks = self.engine.networks.list()
            except EngineError:
                self._networks = []
        return self._networks

    # The machine there

    @property
    def container(self) -> str:
        return str(self.config.driver.get("Container") or f"dinv-{self.config.name}")

    @property
    def aside(self) -> str:
        """The name of a container that is set aside: machines' names have no underscore."""
        return f"{self.container}_old"

    @property
    def beside(self) -> str:
        """The name of a container that is made to replace the machine's, until it takes its place."""
        return f"{self.container}_new"

    @property
    def trial(self) -> str:
        """The name of a short-lived container in which something is tried before the machine is made."""
        return f"{self.container}_try"

    @property
    def cache_volume(self) -> str:
        return str(self.config.driver.get("CacheVolume") or f"dinv-{self.config.name}-cache")

    @property
    def adopted(self) -> bool:
        """Whether the container was made without dinv."""
        return bool(self.config.driver.get("Adopted"))

    def channel(self) -> Channel:
        """The guest channel: files and commands into the machine."""
        return self.recorded_flavour.channel(self.engine, self.container, self.config.name)

    # How it is reached

    @property
    def url(self) -> str:
        return str(self.config.driver.get("URL", ""))

    def settle_address(self) -> None:
        """Set URL and IPAddress from what the config says; the machine need not run."""
        from dinv.formats.host_port import join

        kept = self.config.driver
        own = kept.get("OwnAddress") or kept["IP"]
        address, port = (kept["Host"], kept["Port"]) if kept["Port"] else (own, TLS_PORT)
        kept["IPAddress"] = address
        kept["Reached"] = "" if not address else PUBLISHED_PORT if kept["Port"] else OWN_ADDRESS
        kept["URL"] = f"tcp://{join(address, port)}" if address else ""
        if FEATURE_SSHD in (kept.get("ImageFeatures") or ()) or kept.get("SSHKeyPath"):
            from dinv.drivers.docker.network import ssh_server

            ssh_server.record(self.config)

    @property
    def may_come_late(self) -> bool:
        """Whether the endpoint may still be making something of an unfinished machine's."""
        if self.begun_here:
            return bool(self.engine.unanswered)
        # How far another process got is not known, but its container is the last that was asked for.
        return not self.config.driver.get("ContainerID")

    def close(self) -> None:
        """Close the connections to the endpoint."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None


def is_machine(config: MachineConfig, container_id: str, labels: Mapping[str, str]) -> bool:
    """Return whether a container with the machine's name is the machine, and not another with that name.

    Labels can leak from one container to another (vic#8545), so the recorded id counts as well; a create
    that was killed may not have recorded it.
    """
    return labels.get(LABEL_ID) == config.identity or container_id == config.driver.get("ContainerID")

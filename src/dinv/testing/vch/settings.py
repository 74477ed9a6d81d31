"""The settings of a simulated VCH: what vic-machine would have been told, and what the simulator adds."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from dinv.errors import InputError
from dinv.testing.vch.rules.versions import RELEASES

if TYPE_CHECKING:
    from dinv.engine.wire.tls_files import TLSFiles
    from dinv.testing.vch.rules.versions import Release

TLSMode = Literal["verify", "server", "none"]
TLS_MODES: tuple[TLSMode, ...] = ("verify", "server", "none")

DEFAULT_STORE = "default"
TLS_PORT = 2376
PLAIN_PORT = 2375


@dataclass(frozen=True)
class ContainerNetwork:
    """A network of vSphere's that containers may be put on; here a network of the engine behind.

    `dhcp`: addresses come by DHCP. Then none can be asked for, and a container has to be given its DNS
    servers.
    """

    name: str
    engine_network: str
    dhcp: bool = False

    @classmethod
    def parse(cls, text: str) -> ContainerNetwork:
        """Read NAME=ENGINE_NETWORK or NAME=ENGINE_NETWORK:dhcp. Raises InputError."""
        name, equals, rest = text.partition("=")
        network, colon, way = rest.partition(":")
        if not (name and equals and network) or (colon and way != "dhcp"):
            raise InputError(
                f'--container-network "{text}": write NAME=ENGINE_NETWORK, or NAME=ENGINE_NETWORK:dhcp'
            )
        return cls(name, network, dhcp=bool(colon))


@dataclass(frozen=True)
class Settings:
    """Everything that is fixed while a simulator runs. See `VchSimulator` for what each means."""

    engine: str
    engine_tls: TLSFiles | None = None
    version: str = "1.5"
    name: str = "virtual-container-host"
    listen: str = "127.0.0.1"
    port: int = 0
    tls: TLSMode = "verify"
    tls_cname: str = ""
    public_address: str = ""
    volume_stores: tuple[str, ...] = (DEFAULT_STORE,)
    container_networks: tuple[ContainerNetwork, ...] = ()
    start_delay: float = 0.0
    retry_seconds: float = 1.0
    max_containers: int = 0
    registry_whitelist: tuple[str, ...] = ()
    release: Release = field(init=False)

    def __post_init__(self) -> None:
        if self.version not in RELEASES:
            raise InputError(
                f'There is no VIC "{self.version}" to simulate. There are: {", ".join(RELEASES)}'
            )
        if self.tls not in TLS_MODES:
            raise InputError(f'There is no TLS mode "{self.tls}". There are: {", ".join(TLS_MODES)}')
        for store in self.volume_stores:
            if not store or any(character.isspace() for character in store):
                raise InputError(f'"{store}" cannot be the name of a volume store')
        object.__setattr__(self, "release", RELEASES[self.version])

    @property
    def public(self) -> str:
        """The VCH's public IP address, on which ports of containers are published."""
        if self.public_address:
            return self.public_address
        try:
            found = ipaddress.ip_address(self.listen)
        except ValueError:
            return str(socket.getaddrinfo(self.listen, None, socket.AF_INET)[0][4][0])
        return "127.0.0.1" if found.is_unspecified else self.listen

    @property
    def host(self) -> str:
        """The VCH's host for clients: vic-machine prefers the name in the certificate to the address."""
        return self.tls_cname or self.public

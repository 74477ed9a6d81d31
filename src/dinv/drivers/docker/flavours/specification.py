"""The specification of a machine, the same for every endpoint."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class MachineSpec:
    """What a machine is to have, whatever the endpoint's flavour.

    `command` is the arguments of the image's init, () for its own. `memory` is in bytes and `cpus` a number
    of CPUs, 0 for no limit. `port` is the one published at `publish_address`, 0 for none: then the machine is
    reached at its own address. `mounts` pairs volumes with absolute paths.
    """

    def __init__(
        self,
        *,
        hostname: str,
        image: str,
        labels: Mapping[str, str],
        environment: Mapping[str, str],
        command: Sequence[str],
        mounts: Sequence[tuple[str, str]],
        cpus: float,
        memory: int,
        network: str,
        ip: str,
        publish_address: str,
        port: int,
        isolation: str,
        dns: Sequence[str] = (),
        ports: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
    ) -> None:
        self.hostname = hostname
        self.image = image
        self.labels = labels
        self.environment = environment
        self.command = command
        self.mounts = mounts
        self.cpus = cpus
        self.memory = memory
        self.network = network
        self.ip = ip
        self.publish_address = publish_address
        self.port = port
        self.isolation = isolation
        self.dns = dns
        self.ports = ports or {}


class ServiceSpec:
    """What a container of dinv's own that serves machines is to have: no privileges, and no limits.

    `mounts` pairs volumes with absolute paths, `ports` are TCP ports. `publish_address` is the address of the
    endpoint at which they are published, "" for nowhere; `ip` the container's own, "" for any.
    """

    def __init__(
        self,
        *,
        hostname: str,
        image: str,
        labels: Mapping[str, str],
        mounts: Sequence[tuple[str, str]],
        ports: Sequence[int],
        network: str,
        ip: str = "",
        publish_address: str = "",
    ) -> None:
        self.hostname = hostname
        self.image = image
        self.labels = labels
        self.mounts = mounts
        self.ports = ports
        self.network = network
        self.ip = ip
        self.publish_address = publish_address

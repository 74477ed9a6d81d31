"""Flavours of endpoint: how one and the same machine is asked of different Docker APIs.

The user is never asked for it: `/info` and `/version` tell. A flavour writes the create calls' bodies
from a machine's specification, and reads in what comes back whether that was honoured.
"""

from __future__ import annotations

from dinv.labels import LABEL, LABEL_ID, LABEL_PORT, LABEL_ROLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.drivers.docker.flavours.engine import EngineFlavour

__all__ = ["LABEL", "LABEL_ID", "LABEL_PORT", "LABEL_ROLE", "MachineSpec", "detect", "of_name"]


class MachineSpec:
    """A machine as every endpoint is asked for it, whatever the flavour.

    `command` is what the image's init gets as arguments, () for its own.
    `memory` is bytes and `cpus` a number of CPUs, 0 for no limit. `port` is the one published at
    `publish_address`, 0 for none: then the machine is reached at its own address. `mounts` pairs
    volumes with absolute paths.
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


def detect(info: Mapping[str, Any]) -> EngineFlavour:
    """The flavour of an endpoint, from its `/info`.

    A VCH says who it is by its ID (vmware/vic: lib/apiservers/engine/backends/system.go); Podman's
    compatible API by the key that only it has (containers/podman: pkg/api/handlers/compat/info.go).
    """
    if info.get("ID") == "vSphere Integrated Containers":
        return of_name("vch")(info)
    if "BuildahVersion" in info:
        return of_name("podman")(info)
    return of_name("engine")(info)


def of_name(name: str) -> type[EngineFlavour]:
    """The flavour of this name, as a machine's config keeps it."""
    if name == "vch":
        from dinv.drivers.docker.flavours.vch import VchFlavour

        return VchFlavour
    if name == "podman":
        from dinv.drivers.docker.flavours.podman import PodmanFlavour

        return PodmanFlavour
    from dinv.drivers.docker.flavours.engine import EngineFlavour

    return EngineFlavour

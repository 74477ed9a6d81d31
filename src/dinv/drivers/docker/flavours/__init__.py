"""Flavours of endpoint: how one and the same machine is asked of different Docker APIs.

The user is never asked for it: `/info` and `/version` tell. A flavour writes the create calls' bodies
from a machine's specification, and reads in what comes back whether that was honoured.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from dinv.drivers.docker.flavours.engine import EngineFlavour

LABEL = "io.dinv.machine"
"""Label with the machine's name, on all that belongs to it."""
LABEL_ID = "io.dinv.id"
"""Label with the machine's identity: what says whose it is when names have been used again."""
LABEL_ROLE = "io.dinv.role"
"""Label: "machine" on the container, "cache" on the cache volume."""
LABEL_PORT = "io.dinv.port"
"""Label with the port that is published: the API lists no ports of stopped containers."""


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


def detect(info: Mapping[str, Any]) -> EngineFlavour:
    """The flavour of an endpoint, from its `/info`."""
    from dinv.drivers.docker.flavours.engine import EngineFlavour

    return EngineFlavour(info)

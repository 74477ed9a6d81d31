"""The provisioner of docker-machine's machines, which docker-machine has provisioned."""

from __future__ import annotations

from dinv.drivers.docker_machine import facts
from dinv.provisioners.none import NoneProvisioner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.store.record import MachineConfig


class DockerMachineProvisioner(NoneProvisioner):
    """Only says how the daemon is reached."""

    name = "docker-machine"

    @classmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        return facts.environment(config)

"""The Provisioner seam: what turns a bare machine into what it serves.

A provisioner knows the machine's driver and image contract, never how the machine was made. A plugin
registers a Provisioner subclass as entry point in the group `dinv.provisioners`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dinv.drivers import Driver
    from dinv.images import ImageContract
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

GROUP = "dinv.provisioners"

_BUILT_IN = {
    "docker": "dinv.provisioners.docker:DockerProvisioner",
    "none": "dinv.provisioners.none:NoneProvisioner",
}

_DOCKER_MACHINES = "dinv.provisioners.docker_machine:DockerMachineProvisioner"
"""Of the machines that docker-machine made; nobody can choose it."""


class Provisioner(ABC):
    """Makes one machine serve."""

    name: str

    def __init__(
        self,
        config: MachineConfig,
        driver: Driver,
        contract: ImageContract,
        *,
        trace: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config
        self.driver = driver
        self.contract = contract
        self.trace = trace

    @abstractmethod
    def provision(self) -> None:
        """Put in what the machine needs: certificates, options. It need not run."""

    @abstractmethod
    def activate(self, *, starting: bool = False) -> None:
        """Make a running machine take what `provision` has put in.

        `starting`: it was started just before; one that has come up with that already is left alone.
        """

    @abstractmethod
    def health(self, *, timeout: float, progress: Progress) -> str:
        """Wait until it serves; returns the version of what serves.

        Raises MachineDied, MachineNotReady, ClientNotRefused. `timeout` in seconds.
        """

    def prove(self, progress: Progress) -> None:  # noqa: B027  (nothing, where answering is all)
        """See that what answers also works, if nobody has seen it of a machine of this kind yet.

        Raises ContainersCannotRun.
        """

    @classmethod
    @abstractmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        """The environment variables by which clients reach a machine; asks nobody."""


def find(name: str) -> type[Provisioner]:
    """The provisioner of this name, built in or a plugin's. Raises PluginNotFound, PluginBroken."""
    provisioner: type[Provisioner] = plugins.find(name, group=GROUP, built_in=_BUILT_IN, what="provisioner")
    return provisioner


def of(config: MachineConfig) -> type[Provisioner]:
    """The provisioner of a machine. Raises InputError where that is not installed."""
    if config.by_dinv:
        return find(str(config.ours.get("Provisioner") or "docker"))
    provisioner: type[Provisioner] = plugins.load(_DOCKER_MACHINES)
    return provisioner

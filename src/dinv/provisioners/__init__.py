"""The Provisioner seam: what turns a bare machine into a Docker host, or whatever it serves.

A provisioner knows the machine's driver and image contract, never how the machine was made. A plugin
registers a Provisioner subclass as entry point in the group `dinv.provisioners`. One that sets up a Docker
daemon derives from DockerdProvisioner, or from `dinv.provisioners.docker.DockerProvisioner`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from dinv.declaration import Option
    from dinv.drivers import Driver
    from dinv.images import ImageContract
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig

GROUP = "dinv.provisioners"

_BUILT_IN = {
    "docker": "dinv.provisioners.docker:DockerProvisioner",
    "none": "dinv.provisioners.none:NoneProvisioner",
}
SEAM = plugins.Seam("provisioner", GROUP, _BUILT_IN, "dinv.provisioners:Provisioner")

_DOCKER_MACHINES = "dinv.provisioners.docker_machine:DockerMachineProvisioner"
"""The provisioner of machines that docker-machine made; it cannot be chosen."""


class Provisioner(ABC):
    """Makes one machine serve.

    `secrets` are the values of options that are not in the machine's record, by keyword, perhaps along with
    other seams'.
    """

    name: str
    provisions = True
    """Whether it puts anything in; one that does not goes with drivers that make no machines."""

    def __init__(
        self,
        config: MachineConfig,
        driver: Driver,
        contract: ImageContract,
        *,
        trace: Callable[[str], None] | None = None,
        secrets: Mapping[str, Any] | None = None,
    ) -> None:
        self.config = config
        self.driver = driver
        self.contract = contract
        self.trace = trace
        self.secrets = dict(secrets or {})

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        """Return the options this provisioner adds to `create`.

        One that is `secret` has no flag and is not recorded: its variable is read whenever it is needed.
        """
        return ()

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        """Record this provisioner and the values of its options, except secrets, in a machine's record.

        Raises InputError for values that it cannot use.
        """
        from dinv.declaration import to_record

        config.provisioner = cls.name
        recorded = to_record(cls.create_flags(), options)
        if recorded:
            config.provisioner_options = recorded

    @property
    def options(self) -> dict[str, Any]:
        """Return the values of its options, by keyword: recorded, secret, or the declared defaults."""
        import os

        from dinv.declaration import from_record

        recorded = self.config.provisioner_options
        return from_record(self.create_flags(), recorded, self.secrets, os.environ)

    @abstractmethod
    def provision(self) -> None:
        """Put in what the machine needs: certificates, options. It need not run."""

    @abstractmethod
    def activate(self, *, starting: bool = False) -> None:
        """Make a running machine use what `provision` has put in.

        `starting`: it was started just before; if it started with that already, it is left alone.
        """

    @abstractmethod
    def health(self, *, timeout: float, progress: Progress) -> str:
        """Wait until it serves; return the version of what serves.

        Raises MachineDied, MachineNotReady, AcceptsAnyone. `timeout` in seconds.
        """

    def prove(self, progress: Progress) -> None:  # noqa: B027  (nothing by default: answering is enough)
        """Check that what answers also works, unless that is known of machines of this kind already.

        Raises ContainersCannotRun.
        """

    @classmethod
    @abstractmethod
    def credentials(cls, config: MachineConfig) -> Mapping[str, str]:
        """Return the environment variables by which clients reach a machine; makes no calls."""


class DockerdProvisioner(Provisioner):
    """A provisioner whose options are docker-machine's --engine-*, recorded where docker-machine has them."""

    @classmethod
    def create_flags(cls) -> Sequence[Option]:
        from dinv.provisioners.engine_options import OPTIONS

        return OPTIONS

    @classmethod
    def record(cls, config: MachineConfig, options: Mapping[str, Any]) -> None:
        from dinv.provisioners import engine_options

        own = {option.key for option in engine_options.OPTIONS}
        config.engine_options.update(
            engine_options.recorded({key: value for key, value in options.items() if key in own})
        )
        super().record(config, {key: value for key, value in options.items() if key not in own})


def known() -> list[str]:
    """Return the names of all provisioners, built in or not, sorted."""
    return SEAM.known()


def find(name: str) -> type[Provisioner]:
    """Return the provisioner of this name, built in or a plugin's. Raises PluginNotFound, PluginBroken."""
    provisioner: type[Provisioner] = SEAM.find(name)
    return provisioner


def of(config: MachineConfig) -> type[Provisioner]:
    """Return the provisioner of a machine. Raises InputError if it is not installed."""
    if config.by_dinv:
        return find(config.provisioner)
    provisioner: type[Provisioner] = plugins.load(_DOCKER_MACHINES)
    return provisioner

"""The driver that stands in for all of docker-machine's."""

from __future__ import annotations

from dinv.drivers.docker_machine import facts
from dinv.drivers.recorded import RecordedDriver
from dinv.errors import NotSupported, WithoutDriver
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar, NoReturn

    from dinv.channel import Channel
    from dinv.declaration import Option
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.progress import Progress
    from dinv.states import Status
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

_DONE = {
    "starting it": "started",
    "stopping it": "stopped",
    "killing it": "killed",
    "restarting it": "restarted",
}
"""What is being done, by what the lock would say of it."""


class DockerMachineDriver(RecordedDriver):
    """Reads docker-machine's record; only checks whether the daemon accepts connections."""

    name = "docker-machine"
    shows_last_url: ClassVar[bool] = True

    @classmethod
    def create_flags(cls) -> tuple[Option, ...]:
        return ()

    def set_config_from_flags(self, values: Mapping[str, Any], progress: Progress) -> None:
        self.refuse("create")

    def pre_create_check(self, progress: Progress) -> None:
        self.refuse("create")

    # What its record says

    @property
    def url(self) -> str:
        return facts.url(self.config)

    @property
    def ip(self) -> str:
        return facts.ip(self.config)

    # Its state

    @classmethod
    def states(
        cls,
        configs: Iterable[MachineConfig],
        store: Store,
        *,
        timeout: float,
        trace: Callable[[str], None] | None = None,
    ) -> dict[str, Status]:
        return facts.states(configs, timeout=timeout)

    # Whose it is

    @property
    def keeper(self) -> str:
        return "" if self._without_driver else "docker-machine"

    @classmethod
    def check_change(cls, config: MachineConfig, doing: str) -> None:
        _needs_driver(config, doing)

    @property
    def left_alone(self) -> str:
        return (
            f"was made by docker-machine, with its driver {self.config.driver_name}: dinv reads it, and "
            f"changes nothing of it"
        )

    def check_removal(self) -> None:
        if self._without_driver:
            return
        name = self.config.name
        raise NotSupported(
            name,
            f'Machine "{name}" was made by docker-machine, with its driver {self.config.driver_name}, which '
            "dinv does not have: docker-machine itself removes it. "
            + command("rm", "-f", name)
            + " forgets it, keys and all, and leaves it running.",
        )

    def remove(self, *, keep_cache: bool = False) -> list[str]:
        return [f"{self.config.name} was made by docker-machine: forgotten here, nothing done where it runs."]

    def refuse(self, doing: str) -> NoReturn:
        _needs_driver(self.config)

    # Into it

    def ssh_address(self) -> SSHAddress:
        from dinv.drivers.docker_machine import ssh

        if self._without_driver:
            _needs_driver(self.config)
        return ssh.address(self.config)

    def channel(self) -> Channel:
        from dinv.drivers.ssh_channel import SSHChannel

        return SSHChannel(self.config.name, self.ssh_address())

    @property
    def _without_driver(self) -> bool:
        return self.config.driver_name in facts.WITHOUT_DRIVER


def _needs_driver(config: MachineConfig, doing: str = "") -> NoReturn:
    """Raise NotSupported: what was asked for, such as "stopping it", is its driver's to do."""
    if config.driver_name in facts.WITHOUT_DRIVER:
        reason = (
            f'Machine "{config.name}" was added to docker-machine by its URL, without a driver '
            f"({config.driver_name}): dinv can connect to it, and do nothing to it."
        )
        if doing in _DONE:
            raise WithoutDriver(config.name, _DONE[doing], reason)
        raise NotSupported(config.name, reason)
    raise NotSupported(
        config.name,
        f'Machine "{config.name}" was made by docker-machine, with its driver {config.driver_name}, which '
        f"dinv does not have: ls, env, config, url, ip, inspect, ssh, scp, mount, forward and df work, and "
        f"nothing is changed.",
    )

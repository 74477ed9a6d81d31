"""Drivers: what makes and controls machines, found by name.

driver.py       the Driver seam
replacement.py  how a driver recreates a machine from another image
recorded.py     the base of drivers whose machines dinv only records
ssh_address.py  where a machine's own SSH server is
ssh_channel.py  files and commands by the system's ssh
docker/         machines as containers on a Docker endpoint
docker_machine/ machines that docker-machine made
none.py         daemons that somebody else manages

A plugin registers a Driver subclass as entry point in the group `dinv.drivers`. Entry points are only read
for a name that is not built in. Everything that a plugin needs is imported from here: `Driver`, `Flag`,
`AddressTaken`, `Replacement` and `Offer`.
"""

from __future__ import annotations

from dinv import plugins
from dinv.drivers.driver import AddressTaken, Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.declaration import Option as Flag
    from dinv.drivers.replacement import Offer, Replacement
    from dinv.store.record import MachineConfig

__all__ = [
    "AddressTaken",
    "Driver",
    "Flag",
    "Offer",
    "Replacement",
    "find",
    "ip",
    "known",
    "of",
    "reader",
    "url",
]

GROUP = "dinv.drivers"

_BUILT_IN = {
    "ci-test": "dinv.drivers.none:NoneDriver",
    "docker": "dinv.drivers.docker.driver:DockerDriver",
    "none": "dinv.drivers.none:NoneDriver",
}
SEAM = plugins.Seam("driver", GROUP, _BUILT_IN, "dinv.drivers.driver:Driver")

_DOCKER_MACHINES = "dinv.drivers.docker_machine.driver:DockerMachineDriver"
"""Stands in for all of docker-machine's drivers, whatever their names."""

_HOMES = {
    "Flag": "dinv.declaration:Option",
    "Offer": "dinv.drivers.replacement:Offer",
    "Replacement": "dinv.drivers.replacement:Replacement",
}
"""Modules of names that `ls` and `env` do not use: loaded on first access."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return plugins.load(_HOMES[name])


def known() -> list[str]:
    """Return the names of all drivers, built in or not, sorted."""
    return SEAM.known()


def find(name: str) -> type[Driver]:
    """Return the driver of this name, built in or a plugin's. Raises PluginNotFound, PluginBroken."""
    driver: type[Driver] = SEAM.find(name)
    return driver


def of(config: MachineConfig) -> type[Driver]:
    """Return the driver of a machine. Raises InputError if it is not installed."""
    found = reader(config)
    return find(config.driver_name) if found is Driver else found


def reader(config: MachineConfig) -> type[Driver]:
    """Return the class that can read a machine's record: `recorded_url`, `recorded_ip`, `shown`.

    No driver is loaded for a record that dinv wrote, and it need not be installed.
    """
    if config.by_dinv:
        return Driver
    found: type[Driver] = plugins.load(_DOCKER_MACHINES)
    return found


def url(config: MachineConfig) -> str:
    """Return where a machine's daemon was last known to listen: `tcp://HOST:PORT`, or ""."""
    return reader(config).recorded_url(config)


def ip(config: MachineConfig) -> str:
    """Return the host in a machine's URL, or ""."""
    return reader(config).recorded_ip(config)

"""Drivers: what makes and controls machines, found by name.

driver.py       the Driver seam
replacement.py  how a driver recreates a machine from another image
alteration.py   how a driver changes a machine after it was made
remote.py       what a service does for machines that it looks after
recorded.py     the base of drivers whose machines dinv only records
listening.py    whether daemons listen that nobody can be asked about
ssh_address.py  where a machine's own SSH server is
ssh_channel.py  files and commands by the system's ssh
docker/         machines as containers on a Docker endpoint
docker_machine/ machines that docker-machine made
server/         machines that a dinv server makes and looks after
none.py         daemons that somebody else manages

A plugin registers a Driver subclass as entry point in the group `dinv.drivers`. Entry points are only read
for a name that is not built in. Everything that a plugin needs is imported from here: `Driver`, `Flag`,
`AddressTaken`, `Replacement` and `Offer`, `Alteration` and `Difference`.
"""

from __future__ import annotations

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

    from dinv.declaration import Option as Flag
    from dinv.drivers.alteration import Alteration, Difference
    from dinv.drivers.driver import AddressTaken, Driver
    from dinv.drivers.replacement import Offer, Replacement
    from dinv.store.record import MachineConfig

__all__ = [
    "AddressTaken",
    "Alteration",
    "Difference",
    "Driver",
    "Flag",
    "Offer",
    "Replacement",
    "cert_path",
    "find",
    "ip",
    "known",
    "of",
    "shown",
    "url",
]

GROUP = "dinv.drivers"

_BUILT_IN = {
    "ci-test": "dinv.drivers.none:NoneDriver",
    "docker": "dinv.drivers.docker.driver:DockerDriver",
    "none": "dinv.drivers.none:NoneDriver",
    "server": "dinv.drivers.server.driver:ServerDriver",
}
SEAM = plugins.Seam("driver", GROUP, _BUILT_IN, "dinv.drivers.driver:Driver")

_DOCKER_MACHINES = "dinv.drivers.docker_machine.driver:DockerMachineDriver"
"""Stands in for all of docker-machine's drivers, whatever their names."""

_HOMES = {
    "AddressTaken": "dinv.drivers.driver:AddressTaken",
    "Alteration": "dinv.drivers.alteration:Alteration",
    "Difference": "dinv.drivers.alteration:Difference",
    "Driver": "dinv.drivers.driver:Driver",
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
    """The driver of a machine. Raises PluginNotFound, PluginBroken."""
    if config.by_dinv:
        return find(config.driver_name)
    found: type[Driver] = plugins.load(_DOCKER_MACHINES)
    return found


# What a record says, for callers that start often: no driver is loaded, and none need be installed.


def url(config: MachineConfig) -> str:
    """Where a machine's daemon was last known to listen: `tcp://HOST:PORT`, or ""."""
    return config.url if config.by_dinv else str(_facts().url(config))


def ip(config: MachineConfig) -> str:
    """The host in a machine's URL, or ""."""
    return config.ip if config.by_dinv else str(_facts().ip(config))


def cert_path(config: MachineConfig) -> str:
    """The directory with a machine's clients' ca.pem, cert.pem and key.pem; "" for one without TLS."""
    if not config.by_dinv:
        return str(_facts().cert_path(config))
    given = config.tls
    if given is None:
        # There were none when it was recorded. Made since, they are for it, as in docker-machine.
        from dinv.pki.client_files import complete

        given = complete(config.cert_directory)
    return config.cert_directory if given else ""


def shown(config: MachineConfig) -> dict[str, Any]:
    """The document with absolute paths: what `inspect` shows."""
    return config.shown() if config.by_dinv else dict(_facts().shown(config))


def _facts() -> ModuleType:
    """What knows how docker-machine's drivers keep these things."""
    from dinv.drivers.docker_machine import facts

    return facts

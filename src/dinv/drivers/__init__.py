"""Drivers: what makes and controls machines, found by name.

driver.py       the Driver seam
flag.py         a flag that a driver adds to `create`
replacement.py  how a driver makes a machine anew from another image
docker/         machines as containers on a Docker endpoint
none.py         daemons that somebody else looks after

A plugin registers a Driver subclass as entry point in the group `dinv.drivers`. They are looked at only
for a name that is not built in. All that a plugin needs is imported from here: `Driver`, `Flag`,
`AddressTaken`, `Replacement` and `Offer`.
"""

from __future__ import annotations

from dinv import plugins
from dinv.drivers.driver import AddressTaken, Driver

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.drivers.flag import Flag
    from dinv.drivers.replacement import Offer, Replacement

__all__ = ["AddressTaken", "Driver", "Flag", "Offer", "Replacement", "find", "known"]

GROUP = "dinv.drivers"

_BUILT_IN = {
    "ci-test": "dinv.drivers.none:NoneDriver",
    "docker": "dinv.drivers.docker.driver:DockerDriver",
    "none": "dinv.drivers.none:NoneDriver",
}

_HOMES = {
    "Flag": "dinv.drivers.flag:Flag",
    "Offer": "dinv.drivers.replacement:Offer",
    "Replacement": "dinv.drivers.replacement:Replacement",
}
"""Where those are that `ls` and `env` have no use for: they are loaded when they are asked for."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return plugins.load(_HOMES[name])


def known() -> list[str]:
    """The names of all drivers there are, built in or not, sorted."""
    return plugins.known(group=GROUP, built_in=_BUILT_IN)


def find(name: str) -> type[Driver]:
    """The driver of this name, built in or a plugin's. Raises PluginNotFound, PluginBroken."""
    driver: type[Driver] = plugins.find(name, group=GROUP, built_in=_BUILT_IN, what="driver")
    return driver

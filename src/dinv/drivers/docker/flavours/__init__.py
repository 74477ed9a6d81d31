"""Flavours of endpoint: how one and the same machine is asked of different Docker APIs.

The user is never asked for it: `/info` tells. A flavour writes the create calls' bodies from a machine's
specification, and reads in what comes back whether that was honoured. A new one is a subclass of
EngineFlavour in a file of its own, and a row of the table here.
"""

from __future__ import annotations

from dinv import plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.drivers.docker.flavours.engine import EngineFlavour

_ENGINE = "engine"
_FLAVOURS = {
    "vch": "dinv.drivers.docker.flavours.vch:VchFlavour",
    "podman": "dinv.drivers.docker.flavours.podman:PodmanFlavour",
    _ENGINE: "dinv.drivers.docker.flavours.engine:EngineFlavour",
}
"""By the name that a machine's record keeps, in the order in which they are asked: the last takes any."""


def detect(info: Mapping[str, Any]) -> EngineFlavour:
    """The flavour of an endpoint, from its `/info`: the first that says that it is its own."""
    return next(flavour for flavour in map(of_name, _FLAVOURS) if flavour.recognises(info))(info)


def of_name(name: str) -> type[EngineFlavour]:
    """The flavour of this name, as a machine's record keeps it; a plain engine for one that is not known."""
    flavour: type[EngineFlavour] = plugins.load(_FLAVOURS.get(name, _FLAVOURS[_ENGINE]))
    return flavour

"""Flavours of endpoint: how the same machine is requested from different Docker APIs.

The user is never asked: `/info` tells. A flavour writes the bodies of the create calls from a machine's
specification, and checks in the answers whether that was honoured. A new one is a subclass of EngineFlavour
in a file of its own, and a row of the table here.
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
"""By the name in a machine's record, in the order in which they are asked: the last accepts any endpoint."""


def detect(info: Mapping[str, Any]) -> EngineFlavour:
    """Return the flavour of an endpoint with this `/info`: the first that recognises it."""
    return next(flavour for flavour in map(of_name, _FLAVOURS) if flavour.recognises(info))(info)


def of_name(name: str) -> type[EngineFlavour]:
    """Return the flavour of this name in a machine's record; a plain engine if it is unknown."""
    flavour: type[EngineFlavour] = plugins.load(_FLAVOURS.get(name, _FLAVOURS[_ENGINE]))
    return flavour

"""Faults that a VCH has now and then, on demand.

A fault is an error that VIC returns to one call, but not when the same call is repeated: locks, collisions of
operations, copies that may be cut short. If the port layer fails, VIC says what it makes of that
(port_layer.py). Conditions last until they are switched off.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from dinv.testing.vch.rules import errors
from dinv.testing.vch.rules.port_layer import OPERATIONS, PortLayerError, told

if TYPE_CHECKING:
    from dinv.testing.vch.rules.errors import VicError

MUTATING = frozenset(
    (
        "ContainerCreate",
        "ContainerStart",
        "ContainerStop",
        "ContainerRestart",
        "ContainerKill",
        "ContainerRename",
        "ContainerRm",
        "ContainerExtractToDir",
        "ContainerExecCreate",
        "VolumeCreate",
        "VolumeRm",
        "CreateNetwork",
        "DeleteNetwork",
        "ConnectContainerToNetwork",
    )
)
"""Operations that change something in the port layer: there locks are taken and operations collide."""


_CONCURRENT = "Cannot complete operation due to concurrent modification by another operation."
_POWER = "Reconfigure: collision of concurrent operations - expected power state poweredOff, found poweredOn"
_HOST = "The ESX host is temporarily disconnected. Please try again later."
_BELOW: dict[str, tuple[tuple[str, int, str], ...]] = {
    "ContainerExtractToDir": (("ImportArchive", 409, ""), ("ImportArchive", 423, "")),
    "ContainerRm": (("ContainerRemove", 500, f"Couldn't remove container. {_HOST}"),),
    "VolumeRm": (("RemoveVolume", 500, "Failed to lock the file"),),
}
_AT_COMMIT = (("Commit", 503, _CONCURRENT), ("Commit", 503, _POWER), ("Commit", 409, _CONCURRENT))


def _rotation(operation: str) -> list[VicError]:
    """What VIC was seen to say, for a while, to calls of this operation, and what its issues report."""
    below = _BELOW.get(operation, _AT_COMMIT)
    return [
        *(told(operation, PortLayerError(*each), "") for each in below),
        errors.disk_locked(),
        errors.collision(),
        errors.locked("the container is in use by another operation"),
    ]


class Faults:
    """The simulator's faults and conditions. All may be set while it runs.

    `every`: each so many-th mutating call fails, 0 for none. `leak_labels`: a container shows the labels
    of another one made from the same image (vic#8545). `storage_quota`: nothing that takes storage can be
    made.
    """

    def __init__(self, every: int = 0) -> None:
        self.every = every
        self.leak_labels = False
        self.storage_quota = False
        self._lock = threading.Lock()
        self._mutating = 0
        self._failed = 0
        self._planned: list[tuple[str, VicError]] = []
        self._below: list[tuple[str, int, str]] = []

    def fail(self, operation: str, error: VicError | None = None, *, times: int = 1) -> None:
        """Let the next `times` calls of an operation, such as ContainerStart, fail.

        Without an error it is 409, collision of concurrent operations.
        """
        with self._lock:
            self._planned += [(operation, error or errors.collision())] * times

    def port_layer(self, operation: str, status: int, message: str = "boom", *, times: int = 1) -> None:
        """Let the next `times` calls that the API server makes to its port layer fail.

        `operation` is the port layer's name for the call: Commit, ImportArchive, GetContainerInfo, ... VIC
        repeats some by itself, such as a start's Commit that is answered with 409. Raises ValueError for an
        unknown call.
        """
        if operation not in OPERATIONS:
            raise ValueError(
                f"no {operation} of the port layer's is simulated: {', '.join(sorted(OPERATIONS))}"
            )
        with self._lock:
            self._below += [(operation, status, message)] * times

    def below(self, operation: str, device: str = "") -> None:
        """A call of the port layer's, about `device`. Raises PortLayerError if it is to fail."""
        with self._lock:
            for index, (planned, status, message) in enumerate(self._below):
                if planned == operation:
                    del self._below[index]
                    raise PortLayerError(operation, status, message, device, planned=True)

    def next(self, operation: str) -> VicError | None:
        """Return the error that this call gets instead of its answer, if any."""
        with self._lock:
            for index, (planned, error) in enumerate(self._planned):
                if planned == operation:
                    del self._planned[index]
                    return error
            if operation not in MUTATING:
                return None
            self._mutating += 1
            if not self.every or self._mutating % self.every:
                return None
            rotation = _rotation(operation)
            error = rotation[self._failed % len(rotation)]
            self._failed += 1
            return error

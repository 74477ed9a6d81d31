"""Volumes on an endpoint."""

from __future__ import annotations

from dinv.errors.base import DinvError


class VolumeError(DinvError):
    """A volume cannot be removed, or copied. `volume` is its name."""

    def __init__(self, volume: str, message: str) -> None:
        super().__init__(message)
        self.volume = volume


class VolumeMissing(VolumeError):
    """No endpoint that was asked has a volume of dinv's of this name."""


class VolumeInUse(VolumeError):
    """A machine has the volume, or another container. `users` are the names of these containers."""

    def __init__(self, volume: str, message: str, users: list[str]) -> None:
        super().__init__(volume, message)
        self.users = users

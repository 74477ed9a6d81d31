"""Caches: registry caches, and the volumes in which machines keep their images."""

from __future__ import annotations

from dinv.errors.base import DinvError
from dinv.wording import command, option


class CacheError(DinvError):
    """A registry cache cannot do what was asked. `cache` is its name."""

    def __init__(self, cache: str, message: str) -> None:
        super().__init__(message)
        self.cache = cache


class CacheNotFound(CacheError):
    """The store has no registry cache of this name. `alike`: a name that resembles it, or ""."""

    def __init__(self, cache: str, alike: str = "") -> None:
        meant = f'\nDid you mean "{alike}"?' if alike else ""
        super().__init__(
            cache,
            f'There is no registry cache "{cache}". '
            + command("cache", "ls")
            + " lists the existing ones, "
            + command("cache", "create", cache)
            + f" creates it.{meant}",
        )
        self.alike = alike


class CacheExists(CacheError):
    """There is a registry cache of this name, and it differs from what was asked for in `what`."""

    def __init__(self, cache: str, what: str) -> None:
        super().__init__(
            cache,
            f'Registry cache "{cache}" already exists, and its {what} cannot be changed. What it has stored '
            "can be kept: " + command("cache", "rm", "--keep-data", cache) + ", and create it again.",
        )
        self.what = what


class CacheBusy(CacheError):
    """Another process holds the cache's lock."""

    def __init__(self, cache: str, holder: str = "") -> None:
        what = f" ({holder})" if holder else ""
        super().__init__(
            cache,
            f'Another dinv is at work on registry cache "{cache}"{what}. Wait until it has finished and try '
            "again.",
        )
        self.holder = holder


class CacheInUse(CacheError):
    """Machines use the cache; `machines` are their names."""

    def __init__(self, cache: str, machines: tuple[str, ...]) -> None:
        super().__init__(
            cache,
            f'Registry cache "{cache}" is used by {", ".join(machines)}. Without it they pull from the '
            "registries themselves. To remove it anyway: " + command("cache", "rm", "--force", cache),
        )
        self.machines = machines


class CacheNotReady(CacheError):
    """The cache does not serve. `log` are the last lines of its container."""

    def __init__(self, cache: str, reason: str, log: str) -> None:
        tail = "".join(f"\n  {line}" for line in log.splitlines())
        super().__init__(
            cache,
            f'Registry cache "{cache}" does not serve: {reason}.'
            + (f" Its last lines:{tail}" if tail else ""),
        )
        self.reason = reason
        self.log = log


class CacheUnreached(CacheError):
    """A machine does not reach the cache that it was made with. `machine` is its name."""

    def __init__(self, cache: str, machine: str, address: str, reason: str) -> None:
        super().__init__(
            cache,
            f'Machine "{machine}" does not reach registry cache "{cache}" at {address}: {reason}. Both have '
            "to be on the same endpoint and network: leave "
            + option("network")
            + " and "
            + option("publish")
            + " away, or name one network for both. "
            + command("cache", "ls")
            + " shows whether the cache runs; this starts it: "
            + command("cache", "create", cache),
        )
        self.machine = machine
        self.address = address
        self.reason = reason


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

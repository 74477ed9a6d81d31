"""The volumes of a machine on its endpoint: created, checked to be free, removed."""

from __future__ import annotations

import contextlib
import time

from dinv.drivers.docker import containers
from dinv.drivers.docker.containers import CHANGE_SECONDS
from dinv.errors import (
    BadRequest,
    Conflict,
    MachineError,
    NotFound,
    PreCreateCheckFailed,
    ServerError,
)
from dinv.labels import LABEL, LABEL_ID, LABEL_ROLE, LABEL_STORE
from dinv.store import identity
from dinv.wording import command, option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from dinv.drivers.docker.site import Site

CACHE = "cache"
LOCAL = "local"
"""The volume driver: a VCH refuses a create call that names none (vic-observed: all of 1.1 to 1.5.8)."""
_HOLDING = ("running", "starting", "stopping", "paused", "restarting")
"""States of a container whose volumes are attached to it."""
_GIVE_WAY_SECONDS = 10.0
"""Seconds for another create to start its machine, or to remove it."""
REMOVE_SECONDS = 10.0
"""Seconds that a volume may still be in use by something that is being removed."""


def make(site: Site, mounts: Mapping[str, str]) -> list[tuple[str, str]]:
    """Create the machine's volumes; return them with the path of each. Raises PreCreateCheckFailed.

    A volume that the image declares and the contract does not know is named as well: an anonymous one would
    stay behind if somebody removed the container without `v`.
    """
    kept = site.config.driver
    made = []
    for role, path in {**mounts, **_data_roles(site, mounts)}.items():
        if role == CACHE:
            volume = site.cache_volume
            if not kept["CacheVolumeKept"]:
                _make(site, volume, role, int(kept["CacheSize"]) or site.flavour.default_cache)
        else:
            # By the container's name: an imported machine may have another name here.
            volume = f"{site.container}-{role}"
            _make(site, volume, role, 0)
        made.append((volume, path))
    return made


def _data_roles(site: Site, mounts: Mapping[str, str]) -> dict[str, str]:
    """Return the paths that the image declares, by the role of each one's volume.

    A path keeps its role once it has one: the next image may declare other paths, which would otherwise get
    this one's volume.
    """
    declared = sorted(site.declared_volumes - set(mounts.values()))
    if not declared:
        return {}
    roles: dict[str, str] = site.config.driver.setdefault("DataVolumes", {})
    for path in declared:
        roles.setdefault(path, f"data{len(roles) + 1}")
    return {roles[path]: path for path in declared}


def _make(site: Site, name: str, role: str, size: int) -> None:
    config, engine = site.config, site.engine
    labels = {LABEL: config.name, LABEL_ID: config.identity, LABEL_ROLE: role}
    if whose := identity.of(site.store):
        labels[LABEL_STORE] = whose
    options = site.flavour.volume_options(size, str(config.driver.get("VolumeStore") or ""))
    try:
        volume = engine.volumes.create(
            name, labels=labels, driver=LOCAL, driver_opts=options, timeout=CHANGE_SECONDS
        )
    except (BadRequest, Conflict, ServerError) as error:
        try:
            # A VCH returns an error for a name that exists, even if our own call was just made again.
            volume = engine.volumes.inspect(name)
        except NotFound:
            reason = site.flavour.volume_refused(error, size) or error.message
            raise PreCreateCheckFailed(f"The volume {name} cannot be made: " + reason + ".") from error
    if (volume.get("Labels") or {}).get(LABEL_ID) != config.identity:
        # Made by another client since the check; an engine returns it as if it were new.
        raise PreCreateCheckFailed(f"{site.endpoint} has a volume {name} of somebody else.")


def check_free(site: Site) -> None:
    """Raise MachineError if another running container has one of the machine's volumes.

    A VCH would try for more than a minute, and then only say that a device is in use.
    """
    mounts = site.engine.containers.inspect(site.container).get("Mounts") or ()
    for volume in sorted(_names(mounts)):
        for name, state in users(site, volume):
            if name != site.container and state in _HOLDING:
                raise MachineError(
                    site.config.name,
                    f'Volume {volume} of machine "{site.config.name}" is in use by container {name}, which '
                    f"runs: a VCH attaches a volume to one running container at a time. Stop that one first.",
                )


def check_sole_user(site: Site) -> None:
    """Check that no other container got an earlier cache volume since it was found to be free.

    The machine is made, and not started. Everybody makes theirs before they look, so of two at once at least
    one sees the other. If both do, the first by name waits until the other has given way. Raises
    PreCreateCheckFailed.
    """
    if not site.config.driver["CacheVolumeKept"]:
        return
    volume, own = site.cache_volume, site.container
    end = time.monotonic() + _GIVE_WAY_SECONDS
    while others := {user: state for user, state in users(site, volume) if user != own}:
        first = all(state == "created" and own < user for user, state in others.items())
        if not first or time.monotonic() > end:
            raise in_use(volume, others)
        time.sleep(0.1)


def in_use(volume: str, users: Iterable[str]) -> PreCreateCheckFailed:
    """Return the error that containers with these names have the volume."""
    return PreCreateCheckFailed(
        f"Volume {volume} is in use by {', '.join(users)}: two daemons on one image store destroy it. "
        "Remove that one first ("
        + command("rm", "--keep-cache")
        + " leaves the volume), or name another "
        + option("cache-volume")
        + "."
    )


def users(site: Site, volume: str) -> Iterator[tuple[str, str]]:
    """Return the names of the containers that have a volume, and the state of each in lower case.

    The filter matches any mount whose name or path contains the words. A VCH's list has no mounts (seen, with
    `"Mounts": null`): there each container is queried.
    """
    calls = site.engine.containers
    for found in calls.list(all=True, filters={"volume": [volume]}):
        name = (found.get("Names") or ["?"])[0].lstrip("/")
        mounts = found.get("Mounts")
        if not mounts:
            with contextlib.suppress(NotFound):
                mounts = calls.inspect(str(found.get("Id") or name)).get("Mounts")
        if volume in _names(mounts or ()):
            yield name, str(found.get("State", "")).lower()


def _names(mounts: Iterable[Mapping[str, Any]]) -> set[str]:
    return {str(mount["Name"]) for mount in mounts if mount.get("Name")}


def remove_all(site: Site, *, keep_cache: bool) -> None:
    """Remove the machine's volumes, with `keep_cache` all but its cache volume."""
    identity = site.config.identity
    for found in site.engine.volumes.list(filters={"label": [f"{LABEL_ID}={identity}"]}):
        labels = found.get("Labels") or {}
        kept = keep_cache and found["Name"] == site.cache_volume
        if labels.get(LABEL_ID) == identity and not kept:
            _remove(site, found["Name"])


def unlabelled(site: Site, *, keep_cache: bool) -> list[str]:
    """Return the volumes of the machine's container that have its name and no label.

    An engine that runs a create call after the volumes for it were removed creates others by itself.
    """
    if not containers.own_id(site, site.container):
        return []
    kept = keep_cache or site.config.driver.get("CacheVolumeKept")
    mounts = site.engine.containers.inspect(site.container).get("Mounts") or ()
    names = [str(mount.get("Name") or "") for mount in mounts]
    return [
        name
        for name in names
        if name.startswith(f"{site.container}-")
        and not (kept and name == site.cache_volume)
        and not _is_labelled(site, name)
    ]


def _is_labelled(site: Site, name: str) -> bool:
    try:
        return bool(site.engine.volumes.inspect(name).get("Labels"))
    except NotFound:
        return False


def remove(site: Site, names: Iterable[str]) -> None:
    """Remove these volumes; missing ones are not an error."""
    for name in names:
        _remove(site, name)


def _remove(site: Site, name: str) -> None:
    """Remove a volume, and any container that a killed create has since attached to it."""
    end = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            site.engine.volumes.remove(name, timeout=CHANGE_SECONDS)
        except NotFound:
            return
        except Conflict:
            if time.monotonic() > end:
                raise
        else:
            containers.check_done(
                site, lambda: _is_there(site, name), f"removed volume {name}", "still has it"
            )
            return
        time.sleep(0.1)
        containers.remove(site, site.container)


def _is_there(site: Site, name: str) -> bool:
    filters = {"label": [f"{LABEL_ID}={site.config.identity}"]}
    return name in [found["Name"] for found in site.engine.volumes.list(filters=filters)]

"""Removing everything that a machine has on its endpoint, and reporting what stays on purpose."""

from __future__ import annotations

import time

from dinv import images
from dinv.drivers.docker import containers, volumes
from dinv.endpoints import own_network
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers.docker.site import Site

LATE_LOOKS = 20
LATE_SECONDS = 0.25
"""How often, and after how many seconds each, something may come that a client asked for who is gone."""


def remove(site: Site, *, keep_cache: bool) -> list[str]:
    """Remove the machine's containers and volumes; return a line for each thing that stays on purpose."""
    kept = site.config.driver
    if not kept.get("Endpoint"):
        return []
    if site.adopted:
        return [_left_behind(site)]
    there = _remove_objects(site, keep_cache=keep_cache)
    if site.config.unfinished and not there and site.may_come_late:
        _remove_late(site, keep_cache=keep_cache)
    volume = site.cache_volume
    if kept.get("CacheVolumeKept"):
        return [f"Volume {volume} stays: it was there before. Remove it: docker volume rm {volume}"]
    if keep_cache:
        again = command("create", "--cache-volume", volume, "NAME")
        return [f"Volume {volume} stays. Use it again: " + again]
    return []


def _left_behind(site: Site) -> str:
    name = site.container
    said = (
        f"Container {name} stays on {site.endpoint} with its volumes, as dinv did not make it. "
        f"Remove it: docker rm -f {name}"
    )
    anew = images.find(site.config.image_contract or "dinv").own_certificates
    if not anew:
        return said
    return (
        f"{said}\nThe certificates that it has are of no more use to anybody. For some of its own: "
        f"docker exec {name} sh -c '{anew}', then docker restart {name}"
    )


def _remove_late(site: Site, *, keep_cache: bool) -> None:
    """Remove what an engine makes only now, for the create call of a client that is gone."""
    for _ in range(LATE_LOOKS):
        time.sleep(LATE_SECONDS)
        late = volumes.unlabelled(site, keep_cache=keep_cache)
        came = _remove_objects(site, keep_cache=keep_cache)
        volumes.remove(site, late)
        if came:
            return


def _remove_objects(site: Site, *, keep_cache: bool) -> bool:
    """Return whether there was a container: that is the last thing that a create asks for."""
    there = containers.remove(site, site.container)
    if site.config.unfinished:
        there = containers.remove(site, site.trial) or there
    if site.config.unsettled:
        containers.remove(site, site.aside)
    # Also of an upgrade that was killed, and taken back before the engine had made it.
    containers.remove(site, site.beside)
    volumes.remove_all(site, keep_cache=keep_cache)
    if site.config.driver.get("OwnNetwork"):
        own_network.remove_unused(site.engine)
    return there

"""Giving a machine that exists a registry cache, another one, or none: `dinv set --registry-cache`.

For its daemon that is a registry mirror more or less, which is changed as `--engine-registry-mirror` is. What
else belongs to a cache is files in the machine's directory and in the machine, which dockerd reads at each
pull: nothing stops for them, and `provision` puts them in again if this was killed.
"""

from __future__ import annotations

import contextlib

from dinv.drivers.alteration import RELOAD, Difference
from dinv.lifecycle.change.plan import Plan
from dinv.lifecycle.host import registry_cache
from dinv.registries import cache_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from dinv.lifecycle.host import Host

OPTION = "registry_cache"


def translated(machine: Host, options: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the options with the cache's mirror in place of the cache, and the cache if it is to change.

    Raises CacheNotFound, CacheError, PreCreateCheckFailed for a cache that the machine cannot have.
    """
    found = dict(options)
    name = found.pop(OPTION, None)
    former = machine.config.registry_cache
    if name is None or str(name) == former:
        return found, None
    name = str(name)
    new = cache_files.mirror(registry_cache.usable(machine, name)) if name else ""
    kept = cache_files.kept(machine.directory) if former else None
    old = cache_files.mirror_of(kept[0]) if kept is not None else ""
    if old not in (machine.config.engine_options.get("RegistryMirror") or ()):
        old = ""  # it was taken away by itself
    for key, mirror in (("engine_registry_mirror", new), ("engine_registry_mirror_rm", old)):
        if mirror and new != old:
            found[key] = (*(found.get(key) or ()), mirror)
    return found, name


def planned(plan: Plan, machine: Host, name: str | None) -> Plan:
    """Return the plan with the change of the cache in it, if there is one, which by itself stops nothing."""
    if name is None:
        return plan
    difference = Difference("registry-cache", machine.config.registry_cache, name, ())
    difference.means = RELOAD
    return Plan(
        plan.machine,
        [difference, *plan.differences],
        means=plan.means or (RELOAD,),
        running=plan.running,
        stops=plan.stops,
        driver=plan.driver,
        engine_options=plan.engine_options,
    )


@contextlib.contextmanager
def taken(machine: Host, name: str | None) -> Iterator[None]:
    """Give the machine its new cache, "" for none, and its former one again if what is inside fails.

    None is no change. The caller must hold the machine's lock.
    """
    former = machine.config.registry_cache
    if name is not None:
        _take(machine, name)
    try:
        yield
    except BaseException:
        if name is not None:
            _take(machine, former)
        raise


def _take(machine: Host, name: str) -> None:
    """Record the cache, and put all that belongs to it but the mirror where it belongs."""
    gone = cache_files.without(machine.directory)
    machine.config.registry_cache = name
    if name:
        registry_cache.hand_out(machine)
    else:
        cache_files.forget(machine.directory)
    machine.store.save(machine.config)
    there = cache_files.machine_files(machine.directory)
    paths = {file.path for file in there}
    machine.driver.channel().put([*(file for file in gone if file.path not in paths), *there])

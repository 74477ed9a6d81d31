"""The containers of a machine on its endpoint: told apart from others, and removed.

Whose a container or a volume is, is decided by name, label and store together: labels alone can leak from
one container to another (vic#8545), and names alone may have been used again by somebody else.
"""

from __future__ import annotations

import contextlib
import time

from dinv.drivers.docker.site import is_machine
from dinv.drivers.docker.status import unsettled
from dinv.errors import Conflict, DeadlineExceeded, EngineError, MachineError, MachineGone, NotDone, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.drivers.docker.site import Site
    from dinv.engine import Engine

CHANGE_SECONDS = 60.0
"""Seconds for a call that makes, renames or removes something: little work, but a busy disk takes time."""
LAG_SECONDS = 10.0
"""Seconds that an endpoint may still show what it has removed, or list as running what it has stopped."""


def own_id(site: Site, name: str) -> str:
    """Return the id of the container with this name, if it is the machine's; else ""."""
    try:
        found = site.engine.containers.inspect(name)
    except NotFound:
        return ""
    labels = (found.get("Config") or {}).get("Labels") or {}
    identity = str(found.get("Id", ""))
    return identity if is_machine(site.config, identity, labels) else ""


def gone(site: Site) -> MachineError:
    """Return the error that the machine's container does not exist."""
    config = site.config
    if config.unsettled:
        return MachineError(config.name, f"{config.name}: " + unsettled(config))
    return MachineGone(config.name, site.container, str(site.endpoint))


def remove(site: Site, name: str) -> bool:
    """Remove the container with this name, if it is the machine's; return whether there was one."""
    there = bool(own_id(site, name))
    if there:
        with contextlib.suppress(NotFound):
            try:
                site.engine.containers.remove(name, force=True, volumes=True, timeout=CHANGE_SECONDS)
            except Conflict:
                # "removal ... is already in progress": by a dinv that was killed meanwhile.
                await_removal(site.engine, name)
            else:
                # What stayed would be on the endpoint without a record here.
                check_done(site, lambda: own_id(site, name), f"removed container {name}", "still has it")
    return there


def check_done(site: Site, undone: Callable[[], object], did: str, but: str) -> None:
    """Check that what the endpoint reported as done is done, for LAG_SECONDS at most.

    `undone` looks, and returns whether it is not. Raises NotDone with the words `did` and `but`.
    """
    end = time.monotonic() + LAG_SECONDS
    while undone():
        if time.monotonic() >= end:
            raise NotDone(str(site.endpoint), did, but)
        time.sleep(0.02)


def await_removal(engine: Engine, name: str) -> None:
    """Wait until an engine has removed a container, which it is at already.

    Raises NotFound then, DeadlineExceeded after CHANGE_SECONDS.
    """
    end = time.monotonic() + CHANGE_SECONDS
    while time.monotonic() < end:
        engine.containers.inspect(name)
        time.sleep(0.05)
    raise DeadlineExceeded(f"The removal of container {name}", CHANGE_SECONDS)


def take_name(site: Site) -> None:
    """Rename the machine's container as its record has it, as far as the endpoint lets us.

    It keeps the name that it has where another container is called so, and where its name is part of the
    names of its volumes. A rename that was killed before anybody took note of it is found.
    """
    kept = site.config.driver
    before, after = site.container, f"dinv-{site.config.name}"
    if before == after or site.adopted or kept.get("DataVolumes"):
        return
    try:
        site.engine.containers.rename(before, after, timeout=CHANGE_SECONDS)
    except EngineError:
        # Renamed already, perhaps; or the name is another's; or an API without this call; or it is gone,
        # which whoever needs it finds out.
        if not own_id(site, after):
            return
    kept["Container"] = after

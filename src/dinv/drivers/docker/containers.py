"""The containers of a machine on its endpoint: told from those of others, and removed.

Whose a container or a volume is, is told by name, label and store together: labels alone can leak from
one container to another (vic#8545), names alone may have been used again by somebody else.
"""

from __future__ import annotations

import contextlib
import time

from dinv.drivers.docker.flavours import LABEL_ID
from dinv.errors import Conflict, DeadlineExceeded, NotDone, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from dinv.drivers.docker.driver import DockerDriver
    from dinv.store.record import MachineConfig

CHANGE_SECONDS = 60.0
"""For a call that makes, renames or removes something: little work, but a busy disk can take its time."""


LAG_SECONDS = 10.0
"""How long an endpoint may still show what it has removed."""


def is_of(config: MachineConfig, container_id: str, labels: Mapping[str, str]) -> bool:
    """Whether a container with the machine's name is the machine, and not another that has its name.

    Labels can leak from one container to another (vic#8545), so the id that was recorded counts as well;
    a create that was killed may not have come to recording it.
    """
    return labels.get(LABEL_ID) == config.identity or container_id == config.driver.get("ContainerID")


def own_id(driver: DockerDriver, name: str) -> str:
    """The id of the container that has this name, if it is the machine's; else ""."""
    try:
        found = driver.engine.containers.inspect(name)
    except NotFound:
        return ""
    labels = (found.get("Config") or {}).get("Labels") or {}
    identity = str(found.get("Id", ""))
    return identity if is_of(driver.config, identity, labels) else ""


def remove(driver: DockerDriver, name: str) -> None:
    """Remove the container that has this name, if it is the machine's. What is gone already is no error."""
    if own_id(driver, name):
        with contextlib.suppress(NotFound):
            try:
                driver.engine.containers.remove(name, force=True, volumes=True, timeout=CHANGE_SECONDS)
            except Conflict:
                # "removal ... is already in progress": of a dinv that was killed meanwhile.
                _await_removal(driver, name)
            else:
                _check_removed(driver, name)


def _check_removed(driver: DockerDriver, name: str) -> None:
    """A success is looked at: what stays would be on the endpoint with nothing here that knows it."""
    end = time.monotonic() + LAG_SECONDS
    while own_id(driver, name):
        if time.monotonic() >= end:
            raise NotDone(str(driver.endpoint), f"removed container {name}", "still has it")
        time.sleep(0.05)


def _await_removal(driver: DockerDriver, name: str) -> None:
    """Wait until the engine has removed the container. Raises NotFound then, DeadlineExceeded."""
    end = time.monotonic() + CHANGE_SECONDS
    while time.monotonic() < end:
        driver.engine.containers.inspect(name)
        time.sleep(0.05)
    raise DeadlineExceeded(f"The removal of container {name}", CHANGE_SECONDS)

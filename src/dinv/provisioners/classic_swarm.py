"""The swarm of docker-machine's days: its settings, kept in config.json, and no more.

That swarm was containers of the image `swarm`, which docker-machine ran in each machine it provisioned, and
dinv does not. Hosts that somebody else looks after can be members of one: they are recorded as such, and
listed by their master (docker/machine: libmachine/swarm/swarm.go, commands/create.go).
"""

from __future__ import annotations

import re

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

DEFAULT_IMAGE = "swarm:latest"
DEFAULT_STRATEGY = "spread"
DEFAULT_HOST = "tcp://0.0.0.0:3376"


def swarm_options(
    *,
    swarm: bool = False,
    swarm_master: bool = False,
    swarm_discovery: str = "",
    swarm_image: str = "",
    swarm_strategy: str = "",
    swarm_host: str = "",
    swarm_addr: str = "",
    swarm_opt: Iterable[str] = (),
    swarm_join_opt: Iterable[str] = (),
    swarm_experimental: bool = False,
) -> dict[str, Any]:
    """The swarm.Options of libmachine, from the flags of docker-machine's `create`; {} where there is none.

    Raises InputError when the discovery is no URL.
    """
    if not (swarm or swarm_master or swarm_discovery):
        return {}
    if swarm_discovery and not re.match(r"[^:]*://", swarm_discovery):
        raise InputError(
            f"Error parsing swarm discovery: Swarm Discovery URL was in the wrong format: {swarm_discovery}"
        )
    return {
        "IsSwarm": swarm or swarm_master,
        "Address": swarm_addr,
        "Discovery": swarm_discovery,
        "Agent": swarm,
        "Master": swarm_master,
        "Host": swarm_host or DEFAULT_HOST,
        "Image": swarm_image or DEFAULT_IMAGE,
        "Strategy": swarm_strategy or DEFAULT_STRATEGY,
        "Heartbeat": 0,
        "Overcommit": 0,
        "ArbitraryFlags": list(swarm_opt),
        "ArbitraryJoinFlags": list(swarm_join_opt),
        "Env": None,
        "IsExperimental": swarm_experimental,
    }


def no_swarm() -> dict[str, Any]:
    """The swarm.Options of a machine that is in none, as docker-machine writes them."""
    return {**swarm_options(swarm=True), "IsSwarm": False, "Agent": False}


def driver_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """What libmachine's BaseDriver repeats of them (libmachine/drivers/base.go)."""
    return {
        "SwarmMaster": options["Master"],
        "SwarmHost": options["Host"],
        "SwarmDiscovery": options["Discovery"],
    }


def refuse(name: str) -> InputError:
    """The error that dinv makes no member of such a swarm, and what to do."""
    return InputError(
        "--swarm: the swarm of docker-machine's days, containers of the image swarm, is no more. "
        "Docker's own swarm mode is what is left: create the machine without, then "
        f"docker --context {name} swarm init"
    )

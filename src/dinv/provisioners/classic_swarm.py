"""Docker's classic swarm: its settings, kept in config.json, and no more.

That swarm consisted of containers of the image `swarm`, which docker-machine ran in each machine it
provisioned, and dinv does not. Hosts that dinv only records can be members of one: they are recorded as such,
and listed by their master (docker/machine: libmachine/swarm/swarm.go, commands/create.go).
"""

from __future__ import annotations

import re

from dinv.errors import InputError, MachineNotRunning, NoSwarm
from dinv.formats import host_port
from dinv.store.record import NO_SWARM
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from dinv.store.record import MachineConfig


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
    """Return libmachine's swarm.Options from the flags of docker-machine's `create`; {} if there are none.

    Raises InputError if the discovery is not a URL.
    """
    if not (swarm or swarm_master or swarm_discovery):
        return {}
    if swarm_discovery and not re.match(r"[^:]*://", swarm_discovery):
        raise InputError(
            f"Error parsing swarm discovery: Swarm Discovery URL was in the wrong format: {swarm_discovery}"
        )
    return {
        **NO_SWARM,
        "IsSwarm": swarm or swarm_master,
        "Address": swarm_addr,
        "Discovery": swarm_discovery,
        "Agent": swarm,
        "Master": swarm_master,
        "Host": swarm_host or NO_SWARM["Host"],
        "Image": swarm_image or NO_SWARM["Image"],
        "Strategy": swarm_strategy or NO_SWARM["Strategy"],
        "ArbitraryFlags": list(swarm_opt),
        "ArbitraryJoinFlags": list(swarm_join_opt),
        "IsExperimental": swarm_experimental,
    }


def master_url(config: MachineConfig, url: str) -> str:
    """Return the address of the swarm whose master is the machine of this record, with its daemon at `url`.

    Raises NoSwarm if it is not a master, MachineNotRunning if its address is not known.
    """
    if not config.swarm_options.get("Master"):
        raise NoSwarm(config.name)
    listening = config.swarm_options.get("Host")
    host, _ = host_port.of_url(url) or ("", 0)
    _, port = host_port.of_url(listening if isinstance(listening, str) else "", missing=0) or ("", 0)
    if not host or not port:
        raise MachineNotRunning(config.name, "without a known address")
    return f"tcp://{host_port.join(host, port)}"


def driver_fields(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the copies of them that libmachine's BaseDriver keeps (libmachine/drivers/base.go)."""
    return {
        "SwarmMaster": options["Master"],
        "SwarmHost": options["Host"],
        "SwarmDiscovery": options["Discovery"],
    }


def refuse(name: str) -> InputError:
    """Return the error that dinv cannot make a member of such a swarm, with advice."""
    return InputError(
        option("swarm") + ": the swarm of docker-machine's days, containers of the image swarm, is no more. "
        "Docker's own swarm mode is what is left: create the machine without, then "
        f"docker --context {name} swarm init"
    )

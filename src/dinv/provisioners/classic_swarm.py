"""docker-machine's --swarm* flags: Docker's classic swarm, and what they mean for its swarm mode.

The classic swarm consisted of containers of the image `swarm`, which docker-machine ran in each machine it
provisioned, and dinv does not: for a machine that dinv makes, they choose the provisioner of swarm mode.
Hosts that dinv only records can be members of a classic one: they are recorded as such, and listed by their
master (docker/machine: libmachine/swarm/swarm.go, commands/create.go).
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

PROVISIONER = "swarm"
"""What makes machines that are in a swarm of Docker's own."""


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


def wanted(given: Mapping[str, Any]) -> bool:
    """Return whether a machine is to be in a swarm, by the keywords of docker-machine's flags."""
    return bool(given.get("swarm") or given.get("swarm_master"))


def as_options(swarm: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a provisioner's options with what docker-machine's flags mean for them.

    `swarm` are libmachine's swarm options. The one that joins has to say whom: tokens of a discovery service
    name nobody. Raises InputError.
    """
    if not swarm["IsSwarm"]:
        return dict(values)
    if "join" not in values:
        raise InputError(
            option("swarm") + " is for a machine that is in a swarm: " + option("provisioner", PROVISIONER)
        )
    if not (swarm["Master"] or values["join"]):
        raise InputError(
            option("swarm")
            + ": name a manager of the swarm that it is to join: "
            + option("join", "NAME")
            + ". The first machine of a swarm is made with "
            + option("swarm-master")
        )
    found = dict(values)
    if values["join"] and swarm["Master"]:
        found["role"] = values["role"] or "manager"
    address, _ = host_port.of_url(f"tcp://{swarm['Address']}", missing=0) or ("", 0)
    found["advertise_addr"] = values["advertise_addr"] or address or None
    return found


def without_meaning(swarm: Mapping[str, Any]) -> list[str]:
    """Return a remark on each of docker-machine's flags that was given and means nothing to swarm mode."""
    return [
        f"--{flag} does nothing here: {why}."
        for flag, key, why in _WITHOUT_MEANING
        if swarm[key] and swarm[key] != NO_SWARM.get(key)
    ]


_DISCOVERY = "nodes of a swarm find each other by its managers"
_NO_CONTAINERS = "Docker's own swarm mode takes no containers of the image swarm"
_WITHOUT_MEANING = (
    ("swarm-discovery", "Discovery", _DISCOVERY),
    ("swarm-image", "Image", _NO_CONTAINERS),
    ("swarm-opt", "ArbitraryFlags", _NO_CONTAINERS),
    ("swarm-join-opt", "ArbitraryJoinFlags", _NO_CONTAINERS),
    ("swarm-host", "Host", "a manager is reached like any machine"),
    ("swarm-strategy", "Strategy", "Docker's own swarm mode spreads tasks over its nodes"),
    ("swarm-experimental", "IsExperimental", "there is nothing experimental in Docker's own swarm mode"),
)

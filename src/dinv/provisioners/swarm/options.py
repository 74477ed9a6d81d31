"""The options of machines in a swarm, checked before anything is made."""

from __future__ import annotations

import ipaddress

from dinv.declaration import CHOICE, INTEGER, SWITCH, Option
from dinv.errors import InputError, OptionError
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

MANAGER = "manager"
WORKER = "worker"

OPTIONS = (
    Option(
        "join", "", "machine, a manager, whose swarm it joins (default: it begins a swarm)", metavar="NAME"
    ),
    Option(
        "role",
        "",
        "its role in the swarm that it joins: worker or manager (default: worker)",
        type=CHOICE,
        values=(WORKER, MANAGER),
        metavar="ROLE",
    ),
    Option(
        "advertise-addr",
        "",
        "address at which the other nodes reach it (default: its own)",
        metavar="ADDRESS",
        rare=True,
    ),
    Option(
        "availability",
        "",
        "whether it takes tasks: active, pause or drain (default: active)",
        type=CHOICE,
        values=("active", "pause", "drain"),
        metavar="KIND",
        rare=True,
    ),
    Option(
        "autolock",
        "",
        "managers that start are locked until they are given a key, which dinv keeps",
        type=SWITCH,
        default=False,
        rare=True,
    ),
    Option(
        "data-path-port",
        "",
        "UDP port of the traffic between containers, of the whole swarm (default: 4789)",
        type=INTEGER,
        metavar="PORT",
        rare=True,
    ),
    Option(
        "default-addr-pool",
        "",
        "subnet from which overlay networks are given theirs (default: one that nothing there uses)",
        metavar="SUBNET",
        repeatable=True,
        rare=True,
    ),
    Option(
        "default-addr-pool-mask-length",
        "",
        "prefix length of these (default: 24)",
        type=INTEGER,
        metavar="BITS",
        rare=True,
    ),
)

OF_THE_SWARM = ("autolock", "data_path_port", "default_addr_pool", "default_addr_pool_mask_length")
"""Options, by keyword, of a swarm that begins: who joins one takes what it has."""

_PORTS = range(1024, 49152)  # moby: daemon/cluster/listen_addr.go
_LONGEST_PREFIX = 29
LIVE_RESTORE = "live-restore"


def check(values: Mapping[str, Any], flags: Iterable[str] = ()) -> None:
    """Check values of OPTIONS, by keyword, and the options of dockerd beside them. Raises InputError."""
    if values.get("join"):
        for key in OF_THE_SWARM:
            if values.get(key):
                raise InputError(
                    option(key.replace("_", "-"))
                    + " is for a machine that begins a swarm. One that joins takes what the swarm has"
                )
    elif values.get("role") == WORKER:
        raise InputError(
            option("role", WORKER)
            + " needs "
            + option("join", "NAME")
            + ": the first machine of a swarm is a manager"
        )
    port = values.get("data_path_port")
    if port and port not in _PORTS:
        raise OptionError(
            f"is not a port from {_PORTS.start} to {_PORTS.stop - 1}", option="data-path-port", value=port
        )
    address(values.get("advertise_addr"))
    pools(values)
    check_flags(flags)


def check_flags(flags: Iterable[str]) -> None:
    """Check options of dockerd, without dashes: in a swarm there is no live-restore. Raises OptionError."""
    for flag in flags:
        name, _, value = str(flag).partition("=")
        if name == LIVE_RESTORE and value.lower() not in {"false", "f", "0"}:
            raise OptionError(
                "is not for a machine in a swarm: dockerd has one or the other",
                option="engine-opt",
                value=flag,
            )


def address(text: object) -> str:
    """Return an address to advertise; "" for none. Raises OptionError."""
    if not text:
        return ""
    try:
        found = ipaddress.ip_address(str(text))
    except ValueError:
        raise OptionError("is not an IP address", option="advertise-addr", value=text) from None
    if found.is_unspecified or found.is_loopback or found.is_multicast:
        raise OptionError("is not an address that others can reach", option="advertise-addr", value=text)
    return str(found)


def pools(values: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return the subnets for overlay networks, and their prefix length, 0 for the default.

    Raises OptionError.
    """
    bits = int(values.get("default_addr_pool_mask_length") or 0)
    found = []
    for text in values.get("default_addr_pool") or ():
        try:
            pool = ipaddress.IPv4Network(text)
        except ValueError:
            raise OptionError(
                "is not an IPv4 subnet, such as 10.20.0.0/16", option="default-addr-pool", value=text
            ) from None
        if pool.prefixlen > (bits or 24):
            raise OptionError(
                f"has no room for networks of /{bits or 24}", option="default-addr-pool", value=text
            )
        found.append(str(pool))
    if bits and not 1 <= bits <= _LONGEST_PREFIX:
        raise OptionError(
            f"is not a prefix length of {_LONGEST_PREFIX} at most",
            option="default-addr-pool-mask-length",
            value=bits,
        )
    return found, bits

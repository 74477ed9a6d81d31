"""A machine on a machine: how the outer one affects where the inner one is reached.

The outer machine is an endpoint like others, recognised by its record in the store. If its own address can be
reached, so can everything published on it. If only a published port of it can be reached, the inner machine
needs one of the further ports that lead into the outer one, from its `--publish-ports`. Each inner machine
gets some such ports for machines that are made on it in turn, out of those of its outer one.
"""

from __future__ import annotations

from dinv.errors import PreCreateCheckFailed
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dinv.store.record import MachineConfig

SPARE = 8
"""How many further ports a machine on a machine gets, for those that are made on it."""


def leading_in(outer: MachineConfig) -> list[int] | None:
    """Return the ports of the outer machine that can be reached besides its daemon's; None for all."""
    kept = outer.driver
    if not kept.get("Port"):
        return None
    return [
        int(port["Port"])
        for port in kept.get("PublishPorts") or ()
        if port["Port"] == port["MachinePort"] and port["Protocol"] == "tcp"
    ]


def no_port(outer: MachineConfig) -> PreCreateCheckFailed:
    """Return the error that no port is left which leads to a machine on the outer one."""
    return PreCreateCheckFailed(
        f'A machine on machine "{outer.name}" could not be reached from here: {outer.name} is reached at a '
        "published port, and no other that is free leads into it. Make it with some: "
        + command("create", "--publish-ports", "24000-24007", outer.name)
    )


def add_spare_ports(
    further: list[dict[str, Any]], port: int, candidates: Iterable[int], is_free: Callable[[int], bool]
) -> None:
    """Give an inner machine, whose daemon is published on `port`, ports for machines that are made on it.

    `candidates` lead into the outer one. Half of those that are free are left for others.
    """
    taken = {int(each["Port"]) for each in further} | {port}
    free = []
    for candidate in candidates:
        if candidate not in taken and is_free(candidate):
            free.append(candidate)
            if len(free) == SPARE * 2:
                break
    further += [
        {"Address": "", "Port": each, "MachinePort": each, "Protocol": "tcp", "Chosen": True}
        for each in free[: len(free) // 2]
    ]


def to_avoid(outer: MachineConfig | None) -> list[str]:
    """Return subnets that are in use around the outer machine, by its record."""
    kept: Mapping[str, Any] = outer.driver if outer is not None else {}
    return [str(subnet) for subnet in kept.get("Avoid") or ()]

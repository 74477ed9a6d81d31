"""Ports of a machine that clients reach besides its daemon's, by its provisioner's wish.

At the machine's own address there is nothing to do. If the daemon is published, each of them is as well: at a
port that the user named for it (`--publish-ports`), or at one that is chosen as the daemon's is.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


def want(kept: dict[str, Any], inner: Iterable[int]) -> None:
    """Note in a machine's config which of its TCP ports are to be reached."""
    kept["Serves"] = sorted(inner)


def add(kept: dict[str, Any]) -> None:
    """Add those that are not published yet to the ports to publish, without saying where: Port 0."""
    further = kept.setdefault("PublishPorts", [])
    published = {port["MachinePort"] for port in further if port["Protocol"] == "tcp"}
    further += [
        {
            "Address": kept["PublishAddress"],
            "Port": 0,
            "MachinePort": inner,
            "Protocol": "tcp",
            "Chosen": True,
        }
        for inner in kept.get("Serves") or ()
        if inner not in published
    ]


def place(further: list[dict[str, Any]], candidates: Iterable[int], is_free: Callable[[int], bool]) -> bool:
    """Choose where those without a port are published; return whether there was one for each."""
    taken = {port["Port"] for port in further}
    open_ones = [port for port in further if not port["Port"]]
    for candidate in candidates if open_ones else ():
        if candidate not in taken and is_free(candidate):
            open_ones.pop(0)["Port"] = candidate
            if not open_ones:
                break
    return not open_ones


def drop(kept: dict[str, Any]) -> None:
    """Publish none of those that dinv has chosen: the machine is reached elsewhere, or at an address anew."""
    kept["PublishPorts"] = [port for port in kept.get("PublishPorts") or () if not port.get("Chosen")]

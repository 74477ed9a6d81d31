"""Addresses of a swarm: what a node advertises, and the subnets of overlay networks."""

from __future__ import annotations

import ipaddress

from dinv.formats import host_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Network
    from typing import Any

PORT = 2377
LISTEN = f"0.0.0.0:{PORT}"

DEFAULT_BITS = 24
_LARGE, _SMALL = 12, 16


def host(address: str) -> str:
    """Return the host of ADDRESS:PORT, as managers have it; "" for none, and for one that means nothing."""
    found, _ = host_port.of_url(f"tcp://{address}", missing=PORT) or ("", 0)
    return "" if found in {"0.0.0.0", "::"} else found  # noqa: S104  (swarmkit's word for "not known yet")


def of_node(node: Mapping[str, Any]) -> str:
    """Return the address that a node has advertised, without its port; "" if it is not known."""
    as_manager = str((node.get("ManagerStatus") or {}).get("Addr") or "")
    return host(as_manager) or host(str((node.get("Status") or {}).get("Addr") or ""))


def overlay_pool(taken: Iterable[str]) -> list[str]:
    """Return a pool for overlay networks that overlaps nothing of `taken`; [] for dockerd's own, 10.0.0.0/8.

    dockerd gives out its pool from the start, whatever else is there: 10.0.0.0/24, 10.0.1.0/24, ...
    """
    around = list(_networks(taken))
    base = ipaddress.IPv4Network("10.0.0.0/8")
    for bits in (_LARGE, _SMALL):
        for candidate in base.subnets(new_prefix=bits):
            if not any(candidate.overlaps(network) for network in around):
                return [str(candidate)]
    return []


def overlapping(pools: Iterable[str], taken: Iterable[str]) -> list[str]:
    """Return those of `taken` that overlap the pools of a swarm, as far as it gives them out soon.

    Of a pool as large as dockerd's own only the beginning is looked at: nobody makes 4096 networks.
    """
    soon = [
        next(iter(pool.subnets(new_prefix=_LARGE))) if pool.prefixlen < _LARGE else pool
        for pool in _networks(pools)
    ]
    return [str(each) for each in _networks(taken) if any(each.overlaps(pool) for pool in soon)]


def _networks(texts: Iterable[str]) -> Iterable[IPv4Network]:
    for text in texts:
        try:
            yield ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            continue  # IPv6

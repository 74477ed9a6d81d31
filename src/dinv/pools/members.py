"""The machines of a pool: unclaimed ones in its own store, and claimed ones, which are their owners'."""

from __future__ import annotations

import contextlib
import time

from dinv.errors import ConfigError, MachineNotFound, StoreError
from dinv.pki.validity import rfc3339
from dinv.pools.planning import CLAIMED, CREATING, FAILED, READY, STATES, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

LEFT = "left"
"""The state of what a killed reconciler has left half made or half removed; nobody is at work on it."""


class PoolMachine:
    """One machine of a pool, as its record has it.

    `state` is one of `planning.STATES`, or LEFT. `since`, seconds, is when it came into it, `why` what has
    failed, or "". `key` is its name in the pool, or in the store once it is claimed. `image` is the ID of the
    image that it was made from, or "".
    """

    def __init__(
        self,
        key: str,
        state: str,
        config: MachineConfig | None,
        *,
        generation: str = "",
        since: float = 0.0,
        why: str = "",
        image: str = "",
    ) -> None:
        self.key = key
        self.state = state
        self.generation = generation
        self.since = since
        self.why = why
        self.image = image
        self.config = config

    def __repr__(self) -> str:
        return f"<PoolMachine {self.key} {self.state}>"

    def is_of(self, generation: str, image: str) -> bool:
        """Return whether it is of a pool's generation, and of the image that this stands for now.

        An image whose ID is not known, "", is any.
        """
        return self.generation == generation and image in ("", self.image or image)

    def member(self, generation: str, image: str) -> Member:
        """Return it as planning has it, in a pool of this generation and image."""
        own = self.generation
        if own == generation and not self.is_of(generation, image):
            own = f"{own} {self.image}"
        return Member(self.key, self.state, own, self.since)


def unclaimed(machines: Store, *, generation: str = "") -> list[PoolMachine]:
    """Return the machines of a pool that nobody has claimed; `generation` is that of what is being made."""
    found = []
    for key in machines.names():
        try:
            config = machines.load(key)
        except MachineNotFound:  # it has just been claimed
            continue
        except (ConfigError, StoreError):
            config = None
        kept = _of_record(key, config)
        if kept is not None:
            found.append(kept)
            continue
        state = CREATING if machines.holder(key) is not None else LEFT
        found.append(PoolMachine(key, state, config, generation=generation))
    return found


def claimed(store: Store, pool: str) -> list[PoolMachine]:
    """Return the machines of the store that were claimed from a pool, and are still there."""
    found = []
    for name in store.names():
        with contextlib.suppress(StoreError, MachineNotFound, ConfigError):
            config = store.load(name)
            if config.pool.get("Name") == pool:
                since = _seconds(str(config.pool.get("Since") or ""))
                found.append(
                    PoolMachine(
                        name, CLAIMED, config, generation=str(config.pool.get("Generation")), since=since
                    )
                )
    return found


def entry(pool: str, state: str, *, generation: str, why: str = "", image: object = "") -> dict[str, Any]:
    """Return what a record has of a pool, from now on."""
    found = {
        "Name": pool,
        "Generation": generation,
        "State": state,
        "Since": rfc3339(time.time()),
        "Why": why[:1000],
    }
    return {**found, "Image": str(image)} if image else found


def mark(
    machines: Store,
    config: MachineConfig,
    pool: str,
    state: str,
    *,
    generation: str,
    why: str = "",
    image: str = "",
) -> None:
    """Record the state of a machine; its `image` once. The caller must hold its lock."""
    image = image or str(config.pool.get("Image") or "")
    config.pool = entry(pool, state, generation=generation, why=why, image=image)
    machines.save(config)


def order(found: Iterable[PoolMachine], generation: str, image: str = "") -> list[PoolMachine]:
    """Return those that can be claimed, in the order to try: of this generation first, and the oldest."""
    ready = [each for each in found if each.state == READY]
    return sorted(ready, key=lambda each: (not each.is_of(generation, image), each.since, each.key))


def _of_record(key: str, config: MachineConfig | None) -> PoolMachine | None:
    if config is None or config.pool.get("State") not in STATES:
        return None
    kept = config.pool
    if config.unfinished and kept["State"] not in (FAILED, "parked"):
        return None
    since = _seconds(str(kept.get("Since") or ""))
    why = str(kept.get("Why") or "")
    generation = str(kept.get("Generation") or "")
    image = str(kept.get("Image") or "")
    return PoolMachine(
        key, str(kept["State"]), config, generation=generation, since=since, why=why, image=image
    )


def _seconds(text: str) -> float:
    from datetime import datetime

    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0

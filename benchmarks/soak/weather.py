"""Bad luck by a schedule: endpoints that die, hang, fill up and come back, and machines that others touch."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from fake_machines import World

WELL = "well"
DEAD = "dead"
HANGING = "hanging"
FULL = "full"
PERIOD = 240
"""Seconds from one bout of an endpoint to its next, about: each has a period of its own."""
BOUT = 45
HANG_SECONDS = 10.0
STEP = 5.0
TOUCH_EVERY = 20
ROOM = 1_000_000
_TROUBLES = {"dies": DEAD, "hangs": HANGING, "fills": FULL}


def at(second: float, endpoint: str) -> str:
    """Return how an endpoint is at this second of the soak; it is well while the soak begins."""
    trouble = _TROUBLES.get(endpoint)
    if trouble is None:
        return WELL
    period = PERIOD + 20 * sorted(_TROUBLES).index(endpoint)
    return trouble if second % period >= period - BOUT else WELL


class Weather:
    """Changes a world; `changes` counts."""

    def __init__(self, world: World, endpoints: tuple[str, ...], dice: random.Random) -> None:
        self._world = world
        self._now = dict.fromkeys(endpoints, WELL)
        self._dice = dice
        self.changes = 0
        self.touched = 0

    async def blow(self, seconds: float) -> None:
        """Make the weather of so many seconds."""
        passed = 0.0
        while passed < seconds:
            for endpoint in self._now:
                self._set(endpoint, at(passed, endpoint))
            if passed % TOUCH_EVERY == 0 and passed:
                self._touch()
            await asyncio.sleep(min(STEP, seconds - passed))
            passed += STEP

    def clear(self) -> None:
        """Let all be well again."""
        for endpoint in self._now:
            self._set(endpoint, WELL)

    def _set(self, endpoint: str, state: str) -> None:
        if self._now[endpoint] == state:
            return
        self._now[endpoint] = state
        self.changes += 1
        self._world.well(endpoint)
        room = len(self._world.things(endpoint)) if state == FULL else ROOM
        self._world.run("UPDATE endpoints SET room = ? WHERE name = ?", room, endpoint)
        if state == DEAD:
            self._world.fail(endpoint)
        elif state == HANGING:
            self._world.hang(endpoint, HANG_SECONDS)

    def _touch(self) -> None:
        """Somebody stops, starts or removes a machine on its endpoint; another one is not used any more."""
        things = self._world.things()
        if not things:
            return
        self.touched += 1
        try:
            self._world.set_state(
                self._dice.choice(things), self._dice.choice(["stopped", "running", "gone"])
            )
            self._world.set_idle(self._dice.choice(things), self._dice.choice([0.0, 3600.0]))
        except sqlite3.OperationalError:
            # Another process writes to the world for that long: somebody may come later.
            self.touched -= 1

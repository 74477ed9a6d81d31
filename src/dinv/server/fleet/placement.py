"""On which endpoint a machine goes: pure functions of what is free.

The emptiest comes first, as a share of what it has; an endpoint of weight 2 takes twice as much before one of
weight 1 is as good, and one of weight 0 gets nothing more. There is no scheduling beyond that: what moves
machines about stands below an endpoint (vSphere under a VCH, a swarm, Kubernetes).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf

NOMINAL_MACHINES = 100
"""What an endpoint without any bound is compared by."""


@dataclass(frozen=True)
class Need:
    """What a machine takes; 0 for CPUs or memory that its template does not bound. `labels` as wanted."""

    cpus: float = 0.0
    memory: int = 0
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Place:
    """An endpoint as placement sees it. None: no bound."""

    id: str
    name: str
    weight: int = 1
    max_machines: int | None = None
    cpus: float | None = None
    memory: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = True
    """Enabled, and neither unreachable nor left alone for a while because creates fail there."""
    machines: int = 0
    used_cpus: float = 0.0
    used_memory: int = 0

    def could_ever(self, need: Need) -> bool:
        """Whether it would take such a machine if it were empty."""
        for name, value in need.labels:
            if self.labels.get(name) != value:
                return False
        return _load(self, need, 1, need.cpus, need.memory) <= 1

    def has_room(self, need: Need) -> bool:
        """Whether it takes such a machine now."""
        return self.is_open and self.weight > 0 and self.could_ever(need) and self.load_with(need) <= 1

    def load_with(self, need: Need) -> float:
        """Return how full it would be with it: 1 is full, by whichever bound is met first."""
        cpus, memory = self.used_cpus + need.cpus, self.used_memory + need.memory
        return _load(self, need, self.machines + 1, cpus, memory)

    def taken(self, need: Need) -> Place:
        """Return it with the machine on it."""
        return replace(
            self,
            machines=self.machines + 1,
            used_cpus=self.used_cpus + need.cpus,
            used_memory=self.used_memory + need.memory,
        )


def _load(place: Place, need: Need, machines: int, cpus: float, memory: int) -> float:
    load = _share(machines, place.max_machines)
    if need.cpus:
        load = max(load, _share(cpus, place.cpus))
    if need.memory:
        load = max(load, _share(memory, place.memory))
    return load or min(machines / NOMINAL_MACHINES, 1.0)


def _share(used: float, limit: float | None) -> float:
    if limit is None:
        return 0.0
    if limit <= 0:
        return inf
    share = used / limit
    # Sums of tenths: 0.1 + 0.2 fits in 0.3.
    return 1.0 if 1 < share <= 1 + 1e-9 else share


def ranked(places: Iterable[Place], need: Need) -> list[Place]:
    """Return those that have room, the best first."""
    fit = [place for place in places if place.has_room(need)]
    return sorted(fit, key=lambda place: (place.load_with(need) / place.weight, place.name))


def reserved(places: Mapping[str, Place], need: Need) -> Place | None:
    """Return the endpoint that one who waits, and is due, will get first; None if there is none.

    What is free there is kept for it: else small machines that come later would take it for ever.
    """
    could = [
        place for place in places.values() if place.is_open and place.weight > 0 and place.could_ever(need)
    ]
    return min(could, key=lambda place: (place.load_with(need), place.name), default=None)


def keep_for(places: dict[str, Place], need: Need, count: int) -> None:
    """Take, in `places`, what so many who wait with one need are to have before those who come later."""
    for _ in range(count):
        best = ranked(places.values(), need)
        if not best:
            place = reserved(places, need)
            if place is not None:
                places[place.id] = place.taken(need)
            return
        places[best[0].id] = best[0].taken(need)


def obstacle(places: Iterable[Place], need: Need) -> str:
    """Say why nothing has room: what one who waits is told. "" if there is room."""
    every = list(places)
    if ranked(every, need):
        return ""
    could = [place for place in every if place.could_ever(need)]
    if not could:
        return "an endpoint that is large enough, with the labels of the template"
    if not any(place.is_open and place.weight > 0 for place in could):
        return "an endpoint that answers"
    return "room on an endpoint"

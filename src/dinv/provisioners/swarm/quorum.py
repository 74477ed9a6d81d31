"""How many managers a swarm can lose: Raft's arithmetic, as swarmkit has it.

(swarmkit: manager/state/raft/raft.go, CanRemoveMember; the figures are those of Docker's admin guide.)
"""

from __future__ import annotations


def needed(managers: int) -> int:
    """Return how many of so many managers have to be reachable: more than half."""
    return managers // 2 + 1


def has(managers: int, reachable: int) -> bool:
    """Return whether so many reachable managers, of all, can still decide."""
    return managers > 0 and reachable >= needed(managers)


def survives(managers: int, reachable: int, *, leaver_reachable: bool) -> bool:
    """Return whether a manager can be taken out: the others decide before, and after.

    `reachable` counts the leaving one, if it is. That there is another one at all is the caller's to know.
    """
    rest = reachable - leaver_reachable
    return has(managers, reachable) and has(managers - 1, rest)

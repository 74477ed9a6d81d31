"""Claims of machines that are ready in a pool, whole process, beside `env` on the same computer."""

from __future__ import annotations

import os

from benchmarks.process import output_of, seconds_of
from benchmarks.report import Figure, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.session import Session

CLAIMED = Figure(0.3)
"""Seconds."""
POOL = f"bench-{os.urandom(4).hex()}-pool"
"""Named so that the next run finds what one that was killed has left on the endpoint."""
_AT_ONCE = 5
"""Machines in the pool: a small computer cannot have many."""


def measure(session: Session, runs: int, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Claim `runs` machines and more, a pool of five at a time; return lines of the table."""
    environment = session.environment
    output_of(session.command("pool", "create", POOL, "--size", str(_AT_ONCE)), environment)
    claims: list[float] = []
    envs: list[float] = []
    try:
        while len(claims) < runs:
            tell(f"claim {len(claims)} of {runs}")
            output_of(session.command("pool", "reconcile", "-q", POOL), environment)
            names = [f"{POOL}-{number}" for number in range(_AT_ONCE)]
            try:
                for name in names:
                    claims.append(
                        seconds_of(session.command("create", "-q", "--pool", POOL, name), environment)
                    )
                    envs.append(1000 * seconds_of(session.command("env", name), environment))
            finally:
                output_of(session.command("rm", "-y", *names), environment)
    finally:
        output_of(session.command("pool", "rm", "-y", POOL), environment)
    return [
        row("`create --pool`, a claim", claims, "s", CLAIMED),
        row("`env` of the machine just claimed", envs, "ms"),
    ]

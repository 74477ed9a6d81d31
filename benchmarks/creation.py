"""`dinv create` and the floor in turn, so that what else the computer does meets both alike."""

from __future__ import annotations

import time

from benchmarks.floor import Floor
from benchmarks.process import RunFailed, output_of, timed_lines
from benchmarks.report import Figure, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.process import Line
    from benchmarks.session import Session

TIMES_FLOOR = 1.10
SETTLE_SECONDS = 1.0
"""After a machine is removed its endpoint still writes; the next one is not to pay for it."""


def measure(session: Session, runs: int, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Make `runs` machines each way, in turn; returns lines of the table."""
    floor = Floor(session)
    floors, firsts, readies, ends = [], [], [], []
    for number in range(1, runs + 1):
        name = session.name(f"floor-{number}")
        floors.append(floor.create(name))
        session.remove(name)
        time.sleep(SETTLE_SECONDS)
        name = session.name(f"create-{number}")
        # The trace says when the first TLS call was answered, which is before dinv has checked that
        # a client without a certificate is refused, and before it says "ready".
        argv = session.command("--debug", "create", name)
        end, lines = timed_lines(argv, session.environment)
        firsts.append(_when(argv, lines, "stderr", "GET /_ping at tcp://", "answered"))
        readies.append(_when(argv, lines, "stdout", "Docker", " ready at "))
        ends.append(end)
        output_of(session.command("rm", "-y", name), session.environment)
        time.sleep(SETTLE_SECONDS)
        tell(f"create {number} of {runs}: floor {floors[-1]:.2f} s, dinv {firsts[-1]:.2f} s")
    ratios = [first / base for first, base in zip(firsts, floors, strict=True)]
    return [
        row("the floor: bare API calls", floors, "s"),
        row("`create`, to the first answer over TLS", firsts, "s"),
        row("`create` / the floor before it", ratios, "x", Figure(TIMES_FLOOR)),
        row('`create`, until it says "ready"', readies, "s"),
        row("`create`, until the process has ended", ends, "s"),
    ]


def _when(argv: list[str], lines: list[Line], stream: str, begin: str, within: str) -> float:
    for line in lines:
        if line.stream == stream and line.text.startswith(begin) and within in line.text:
            return line.seconds
    raise RunFailed(
        argv, 0, f'it did not say "{begin}... {within}", but: {"".join(line.text for line in lines)}'
    )

"""What runs in shell profiles and prompts, with one machine, beside the start of Python itself."""

from __future__ import annotations

from benchmarks.process import seconds_of
from benchmarks.report import Figure, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.session import Session

FIGURE = Figure(26, 32)
"""Milliseconds: 1.3 times the 20 to 25 that docker-machine takes."""


def measure(session: Session, runs: int, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Run each command `runs` times, all of them in turn; returns lines of the table."""
    name = session.machine
    python = {
        "`python -c pass`": [session.interpreter, "-c", "pass"],
        "`python -I -c pass`": [session.interpreter, "-I", "-c", "pass"],
    }
    dinv = {
        "`env`": session.command("env", name),
        "`url`": session.command("url", name),
        "`status`": session.command("status", name),
        "`ls -q`": session.command("ls", "-q"),
        "`ls`": session.command("ls"),
    }
    commands = {**python, **dinv}
    for argv in commands.values():  # bytecode written, files in the page cache
        seconds_of(argv, session.environment)
    taken: dict[str, list[float]] = {what: [] for what in commands}
    for number in range(1, runs + 1):
        for what, argv in commands.items():
            taken[what].append(seconds_of(argv, session.environment) * 1000)
        if number % 10 == 0:
            tell(f"commands {number} of {runs}")
    figures = {what: FIGURE for what in dinv if what != "`ls`"}
    return [row(what, values, "ms", figures.get(what)) for what, values in taken.items()]

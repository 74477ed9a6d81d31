"""The tables of a soak."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.report import table
from benchmarks.soak import samples
from benchmarks.soak.samples import MB

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.soak.people import Crowd
    from benchmarks.soak.samples import Sample

PARTS = 10


def words(sample: Sample) -> str:
    """One sample in a line."""
    return (
        f"{sample.seconds:5.0f} s: {sample.memory / MB:.1f} MB, {sample.files} files, "
        f"{sample.threads} threads, {sample.cpu:.0f} s of processor, database {sample.database / MB:.1f} MB"
    )


def process(idle: Sample, busy: Sequence[Sample], after: Sample) -> str:
    """What the server used: before people came, while they were there, and after."""
    moments = [("nobody is there yet", idle)]
    moments += [
        (f"people are there, {part}/{PARTS}", busy[part * (len(busy) - 1) // PARTS])
        for part in range(1, PARTS + 1)
    ]
    moments.append(("nobody is there any more", after))
    rows = [
        (
            what,
            f"{each.seconds:.0f}",
            f"{each.memory / MB:.1f}",
            str(each.files),
            str(each.threads),
            f"{each.database / MB:.1f}",
        )
        for what, each in moments
    ]
    slope = samples.slope(samples.after_warm_up(busy)) / MB
    spent = (busy[-1].cpu - busy[0].cpu) / max(1.0, busy[-1].seconds - busy[0].seconds)
    shown = table(rows, ("the server", "seconds", "memory, MB", "open files", "threads", "database, MB"))
    return (
        f"{shown}\n\nThe memory's slope after a quarter of the time: {slope:+.1f} MB an hour; "
        f"at its largest {max(each.memory for each in busy) / MB:.1f} MB. "
        f"{100 * spent:.0f} % of a processor."
    )


def answers(crowd: Crowd) -> str:
    """What was asked, and what came of it."""
    rows = []
    for kind in sorted({what for what, _ in crowd.answers}):
        counts = sorted((status, count) for (what, status), count in crowd.answers.items() if what == kind)
        slowest = f"{1000 * crowd.slowest[kind]:.0f}" if kind in crowd.slowest else ""
        rows.append((kind, ", ".join(f"{status}: {count}" for status, count in counts), slowest))
    return table(rows, ("what was asked", "answers by status", "slowest, ms"))

"""What the server's process uses: looked at again and again, and judged at the end."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks import running

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MB = 1_000_000
LEAST_SECONDS = 900.0
"""A shorter soak is not judged by its memory: a server grows until its caches are full."""
WARM_UP = 0.25
"""That share of the time is not looked at: caches fill up."""
GROWTH = 0.03
SLACK_MEMORY = 2 * MB
"""The last third after that may have so much more memory than the second one, as a share and in bytes."""
SLACK_FILES = 12
SLACK_THREADS = 12
IDLE_FILES = 100
IDLE_THREADS = 45
"""What may be kept when everybody has gone: 16 connections to the database, of three files each; the frame's
threads for requests, which end when they have been idle for long."""


@dataclass(frozen=True)
class Sample:
    """The process at one moment."""

    seconds: float
    memory: int
    files: int
    threads: int
    cpu: float
    database: int


class Samples:
    """`size` tells the database's size in bytes."""

    def __init__(self, pid: int, size: Callable[[], int]) -> None:
        self._pid = pid
        self._size = size
        self._begun = time.monotonic()
        self.every: list[Sample] = []

    def take(self) -> Sample:
        """Look now."""
        sample = Sample(
            time.monotonic() - self._begun,
            running.resident(self._pid),
            running.descriptors(self._pid),
            running.threads(self._pid),
            running.cpu(self._pid),
            self._size(),
        )
        self.every.append(sample)
        return sample


def slope(samples: Sequence[Sample]) -> float:
    """Return by how many bytes an hour the memory grows, by least squares; 0 for fewer than two."""
    if len(samples) < 2:
        return 0.0
    seconds = [sample.seconds for sample in samples]
    if seconds[0] == seconds[-1]:
        return 0.0
    return 3600 * statistics.linear_regression(seconds, [float(sample.memory) for sample in samples]).slope


def after_warm_up(samples: Sequence[Sample]) -> list[Sample]:
    """Return those that are judged."""
    begin = samples[0].seconds + WARM_UP * (samples[-1].seconds - samples[0].seconds)
    return [sample for sample in samples if sample.seconds >= begin]


def thirds(samples: Sequence[Sample]) -> list[list[Sample]]:
    """Return three parts of equal length in time."""
    first, last = samples[0].seconds, samples[-1].seconds
    parts: list[list[Sample]] = [[], [], []]
    for sample in samples:
        part = int(3 * (sample.seconds - first) / (last - first)) if last > first else 0
        parts[min(part, 2)].append(sample)
    return parts


def wrong(samples: Sequence[Sample]) -> list[str]:
    """Return sentences about what grew, of samples while people are there."""
    if samples[-1].seconds - samples[0].seconds < LEAST_SECONDS:
        return []
    _, second, last = thirds(after_warm_up(samples))
    found = []
    before, after = (statistics.median(sample.memory for sample in part) for part in (second, last))
    if after > before * (1 + GROWTH) + SLACK_MEMORY:
        found.append(f"The memory grew from {before / MB:.1f} to {after / MB:.1f} MB.")
    for what, slack in (("files", SLACK_FILES), ("threads", SLACK_THREADS)):
        before, after = (
            statistics.median(getattr(sample, what) for sample in part) for part in (second, last)
        )
        if after > before + slack:
            found.append(f"The {what} grew from {before:.0f} to {after:.0f}.")
    return found


def wrong_when_idle(before: Sample, after: Sample) -> list[str]:
    """Return sentences about what was kept once everybody had gone."""
    found = []
    if after.files > before.files + IDLE_FILES:
        found.append(f"{after.files} files are open when nobody is there; before it were {before.files}.")
    if after.threads > before.threads + IDLE_THREADS:
        found.append(f"{after.threads} threads are there with nobody; before it were {before.threads}.")
    return found

"""The server's process: begun, ended, and what its log complains of."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 120.0
STOP_SECONDS = 75.0


@contextmanager
def server(directory: str, database: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The server, which has ended afterwards; and its URL. Its log is the file `log`."""
    command = [sys.executable, "-m", "benchmarks.soak.server", directory, f"{directory}/world.db"]
    if database:
        command.append(database)
    with (
        open(f"{directory}/log", "w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        try:
            yield process, _url(process)
        finally:
            process.kill()


def _url(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    watch = time.monotonic() + START_SECONDS
    for line in process.stdout:
        if line.startswith("The page: "):
            return line.removeprefix("The page: ").strip()
        assert time.monotonic() < watch, "the server does not start"
    raise RuntimeError("the server has ended before it began")


def ended(process: subprocess.Popen[str]) -> list[str]:
    """End it by SIGTERM; return sentences about what was wrong with that."""
    process.send_signal(signal.SIGTERM)
    try:
        status = process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        return [f"The server did not end within {STOP_SECONDS:.0f} s of SIGTERM."]
    return [f"The server ended with status {status}."] if status else []


def complaints(directory: str) -> list[str]:
    """Return what the server's log says of mistakes, each kind once."""
    found: Counter[str] = Counter()
    with open(f"{directory}/log") as file:
        for line in file:
            try:
                entry = json.loads(line)
            except ValueError:
                found[f"The server said: {line.strip()[:200]}"] += 1
                continue
            if entry["level"] in ("error", "critical"):
                last = entry.get("error", "").strip().rpartition("\n")[2]
                found[f"The log: {entry['message'][:80]} {last[:200]}"] += 1
    return [f"{count} times: {text}" for text, count in found.most_common(10)]

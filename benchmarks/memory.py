"""Memory: of a machine that has nothing to do, and of the client at its largest."""

from __future__ import annotations

import time

from benchmarks.process import output_of, peak_memory
from benchmarks.report import Figure, row

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.session import Session

MB = 1_000_000
MACHINE = Figure(55)
CLIENT = Figure(40)
"""Both in MB, 10^6 bytes."""
IDLE_SECONDS = 10.0
_RUNS = 3


def measure(session: Session, tell: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Returns lines of the table."""
    tell(f"memory, after {IDLE_SECONDS:g} s in which nobody asks the machine for anything")
    time.sleep(IDLE_SECONDS)
    rows = _machine(session)
    name = session.machine
    commands = {
        "`env`": ("env", name),
        "`url`": ("url", name),
        "`status`": ("status", name),
        "`ls -q`": ("ls", "-q"),
        "`ls`": ("ls",),
        "`inspect`": ("inspect", name),
        "`version NAME`": ("version", name),
        "`df`": ("df", name),
        "`logs`": ("logs", name),
        "`ssh NAME true`": ("ssh", name, "true"),
    }
    for what, words in commands.items():
        values = [peak_memory(session.command(*words), session.environment) / MB for _ in range(_RUNS)]
        rows.append(row(f"client, peak: {what}", values, "MB", CLIENT))
    return [*rows, *_create_and_rm(session)]


def _machine(session: Session) -> list[tuple[str, ...]]:
    """What an idle machine's processes have for themselves; and what `docker stats` shows.

    The latter is all of the container's cgroup without inactive page cache (docker/cli:
    cli/command/container/stats_helpers.go): mapped programs count for the machine that read them first, for
    others of the same image not.
    """
    own, shown = [], []
    for _ in range(_RUNS):
        memory = session.engine.containers.stats(session.container())["memory_stats"]
        kinds = memory["stats"]
        # cgroup v1 has the total with the machine's own cgroups below it, v2 has nothing else.
        cache = kinds.get("total_inactive_file", kinds.get("inactive_file", 0))
        shown.append((memory["usage"] - cache) / MB)
        own.append(kinds.get("total_rss", kinds.get("anon", 0)) / MB)
        time.sleep(1)
    return [
        row("an idle machine, its processes' own memory", own, "MB", MACHINE),
        row("an idle machine, as `docker stats` shows it", shown, "MB"),
    ]


def _create_and_rm(session: Session) -> list[tuple[str, ...]]:
    create, remove = [], []
    for number in range(_RUNS):
        name = session.name(f"memory-{number}")
        try:
            create.append(peak_memory(session.command("create", name), session.environment) / MB)
        except BaseException:
            output_of(session.command("rm", "-y", name), session.environment, check=False)
            raise
        remove.append(peak_memory(session.command("rm", "-y", name), session.environment) / MB)
    return [
        row("client, peak: `create`", create, "MB", CLIENT),
        row("client, peak: `rm`", remove, "MB", CLIENT),
    ]

"""What UCP wants of a machine, found out before it is made: memory.

UCP's minimum is 8 GB for a manager and 4 GB for a worker (Mirantis: common requirements). What counts is what
the endpoint has, and what the machine is allowed of it; UCP's installer looks at the first alone.
"""

from __future__ import annotations

import re

from dinv.errors import RequirementMissing
from dinv.wording import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.drivers import Driver
    from dinv.progress import Progress

COMMAND = [
    "sh",
    "-c",
    """cat /proc/meminfo
cd /sys/fs/cgroup
for file in memory.max memory/memory.limit_in_bytes; do
    test ! -r $file || echo "Limit: $(cat $file)"
done""",
]
SECONDS = 30.0
GB = 1024**3
MANAGER_GB = 8
WORKER_GB = 4
SLACK = 0.94
"""A computer of 8 GB tells its users of some 7.6: firmware and kernel have the rest."""


def memory(said: str) -> int:
    """Return the bytes that the output of COMMAND tells of; 0 if it does not."""
    total = re.search(r"^MemTotal:\s+(\d+) kB$", said, re.MULTILINE)
    found = int(total[1]) * 1024 if total else 0
    for limit in re.findall(r"^Limit: (\d{1,18})$", said, re.MULTILINE):
        found = min(found, int(limit)) if found else int(limit)
    return found


def examine(machine: str, driver: Driver, progress: Progress, *, manager: bool, forced: bool) -> None:
    """Check that there is enough memory; with `forced` only warn. Raises RequirementMissing."""
    tried = driver.try_out(COMMAND, timeout=SECONDS)
    if tried is None:
        return
    found = memory(tried[1].decode(errors="replace"))
    least = MANAGER_GB if manager else WORKER_GB
    limit = driver.memory_limit
    found = min(found, limit) if limit and found else found or limit
    if not found or found >= least * GB * SLACK:
        return
    role = "manager" if manager else "worker"
    said = f"It has {found / GB:.1f} GB of memory, and UCP wants {least} GB on a {role}."
    if forced:
        progress.warn(said)
        return
    raise RequirementMissing(
        machine,
        "Docker Datacenter",
        [said + " Give it more, or go on with less by " + option("ucp-force-minimums") + "."],
    )

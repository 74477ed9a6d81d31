"""How full a machine's image cache is: its volume's file system, and what the daemon stores there."""

from __future__ import annotations

from dinv.errors import ProtocolError
from dinv.lifecycle.host import clients

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dinv.lifecycle.host import Host

CALL_SECONDS = 60.0
"""Deadline for each call; the daemon walks through all volumes to measure them."""


class DiskUsage:
    """Disk usage of a machine's cache volume; all sizes in bytes.

    `size` and `available` describe the file system of the cache volume, which on a plain engine is shared
    with others; `images`, `containers`, `volumes` and `build_cache` are what the machine's daemon stores
    there (`docker system df`). `used_percent` is a percentage of `size`.
    """

    def __init__(
        self, machine: str, volume: str, *, size: int, available: int, usage: Mapping[str, Any]
    ) -> None:
        self.machine = machine
        self.volume = volume
        self.size = size
        self.available = available
        self.used_percent = 100 * (1 - available / size) if size else 0.0
        self.images = int(usage.get("LayersSize") or 0)
        self.containers = sum(int(each.get("SizeRw") or 0) for each in usage.get("Containers") or ())
        self.volumes = sum(
            max(0, int((each.get("UsageData") or {}).get("Size") or 0)) for each in usage.get("Volumes") or ()
        )
        self.build_cache = sum(
            int(each.get("Size") or 0) for each in usage.get("BuildCache") or () if not each.get("Shared")
        )


def measure(machine: Host) -> DiskUsage:
    """Measure a machine's image cache, by df and by its daemon.

    Raises MachineNotRunning, MachineGone, EngineError, and ProtocolError if df fails or its output is
    unexpected.
    """
    channel = machine.channel()
    with clients.engine(machine) as engine:
        usage = engine.disk_usage(timeout=CALL_SECONDS)
        # The daemon of a machine that docker-machine made may keep its images elsewhere.
        path = str(engine.info().get("DockerRootDir") or machine.contract.mounts["cache"])
    said, complaint = bytearray(), bytearray()
    status = channel.run(
        ["df", "-P", "-k", path], stdout=said.extend, stderr=complaint.extend, timeout=CALL_SECONDS
    )
    text = said.decode(errors="replace").strip()
    fields = text.splitlines()[-1].split() if text else []
    # The columns that POSIX gives df -P: file system, size, used, available, capacity, mounted on.
    if status or len(fields) < 6 or not (fields[1] + fields[3]).isdecimal():
        why = complaint.decode(errors="replace").strip() or text or f"it ended with status {status}"
        raise ProtocolError(
            f'How full {path} in machine "{machine.name}" is cannot be told: df said: {why}. '
            f"What the daemon itself counts: docker system df"
        )
    volume = str(machine.config.driver.get("CacheVolume", ""))
    return DiskUsage(
        machine.name, volume, size=int(fields[1]) * 1024, available=int(fields[3]) * 1024, usage=usage
    )

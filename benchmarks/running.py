"""What a process that runs uses, as Linux tells it (proc_pid_stat(5), proc_pid_statm(5), proc_pid_fd(5))."""

from __future__ import annotations

import os


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu(pid: int) -> float:
    """Seconds of processor that it has had."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(pid: int) -> int:
    """How many it has."""
    return int(_stat(pid)[17])


def descriptors(pid: int) -> int:
    """Open files, sockets among them."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()

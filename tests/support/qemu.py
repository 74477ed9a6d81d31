"""A virtual machine under qemu, in software emulation: /dev/kvm may be there, and boot no stock kernel."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self

PROGRAM = "qemu-system-x86_64"
MEGABYTES = 2048
END_SECONDS = 120


class VirtualMachine:
    """Runs until the `with` ends. `ports` leads from ports of 127.0.0.1 to its own."""

    def __init__(
        self, directory: Path, disks: Sequence[str], ports: Mapping[int, int], more: Sequence[str] = ()
    ) -> None:
        if shutil.which(PROGRAM) is None:
            pytest.fail(f"{PROGRAM} is not installed: apt-get install qemu-system-x86")
        self._console = directory / "console.log"
        self._monitor = directory / "monitor"
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{ours}-:{its}" for ours, its in ports.items())
        self._command = [
            # One processor: with two, a guest's kernel that patches itself while the other runs has panicked
            # (int3 in sched_clock_cpu, seen once).
            *(PROGRAM, "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1"),
            *("-m", str(MEGABYTES), "-display", "none", "-no-reboot", "-serial", f"file:{self._console}"),
            *("-monitor", f"unix:{self._monitor},server,nowait", "-device", "virtio-rng-pci"),
            *("-netdev", f"user,id=net,restrict=on{forwards}", "-device", "virtio-net-pci,netdev=net"),
            *(word for disk in disks for word in ("-drive", f"{disk},if=virtio")),
            *more,
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def console(self) -> str:
        """What it has said so far."""
        with contextlib.suppress(FileNotFoundError):
            return self._console.read_text(errors="replace")
        return ""

    def runs(self) -> bool:
        return self._process.poll() is None

    def tell(self, command: str) -> None:
        """Give qemu's monitor a command, such as system_powerdown."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(60)  # in emulation, on a busy computer
            monitor.connect(os.fspath(self._monitor))
            # It is told once the prompt has come again: what comes before the first, and hangs up, is lost.
            _prompted(monitor)
            monitor.sendall(f"{command}\n".encode())
            _prompted(monitor)

    def wait(self) -> int:
        """Wait until it has turned itself off; return qemu's exit status."""
        try:
            return self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"the virtual machine does not turn itself off:\n{self.console[-3000:]}")


def _prompted(monitor: socket.socket) -> None:
    """Read until the monitor asks for a command; its greeting, and the echo of one, come in pieces."""
    said = b""
    while not said.rstrip().endswith(b"(qemu)"):
        piece = monitor.recv(4096)
        assert piece, f"qemu's monitor hung up: {said!r}"
        said += piece


def until(end: float, what: str, machine: VirtualMachine) -> bool:
    """Return True after a pause; fail with the machine's console if it has ended, or the time is up."""
    if not machine.runs() or time.monotonic() > end:
        pytest.fail(f"{what} did not come about:\n{machine.console[-4000:]}")
    time.sleep(0.5)
    return True

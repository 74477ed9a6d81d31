"""dinv mount: what is looked at first, how sshfs is called, and what becomes of its errors."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import needs
import pytest

from dinv.access import mount, ssh
from dinv.errors import (
    DeadlineExceeded,
    DinvError,
    InputError,
    LocalError,
    MachineError,
    MachineNotRunning,
    MountError,
    ProgramMissing,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dinv.lifecycle.host import Host


class FakeMachine:
    """One with an sftp-server, unless `status` says otherwise."""

    def __init__(self, store: str) -> None:
        self.name = "dev"
        self.driver = SimpleNamespace(ssh_address=lambda: None)
        self.store = SimpleNamespace(path=store)
        self.status = 0
        self.running = True

    def channel(self) -> FakeMachine:
        if not self.running:
            raise MachineNotRunning(self.name)
        return self

    def run(self, argv: Sequence[str], *, timeout: float) -> int:
        return self.status


class Computer:
    """One with programs that are scripts, a device, and a list of mounts."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.programs = directory / "bin"
        self.programs.mkdir()
        self.mounts = directory / "mountinfo"
        self.device = directory / "fuse"
        self.device.touch()
        self.fake = FakeMachine(str(directory / "a store"))
        self.machine: Host = self.fake  # type: ignore[assignment]
        self.script("sshfs", "")
        self.script("a ssh", "")
        self.mounted()
        monkeypatch.setenv("PATH", f"{self.programs}")
        monkeypatch.setattr(ssh, "transport", lambda store: [f"{self.programs}/a ssh", "-s", store])
        monkeypatch.setattr("dinv.system.mounts.MOUNTS", str(self.mounts))
        monkeypatch.setattr(mount, "_DEVICE", str(self.device))

    def script(self, name: str, text: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\nPATH=/usr/bin:/bin\n{text}\n")
        (self.programs / name).chmod(0o755)

    def mounted(self, *mounts: tuple[str, str]) -> None:
        """The type and the path of each."""
        lines = ["22 1 0:1 / / rw - ext4 /dev/sda1 rw"]
        for kind, path in mounts:
            escaped = path.replace("\\", "\\134").replace(" ", "\\040")
            lines.append(f"60 22 0:9 / {escaped} rw,nosuid shared:1 - {kind} dev:/root rw")
        self.mounts.write_text("\n".join(lines) + "\n")


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    return Computer(tmp_path, monkeypatch)


@pytest.fixture
def here(tmp_path: Path) -> str:
    (tmp_path / "mount point").mkdir()
    return str(tmp_path / "mount point")


def test_sshfs_gets_dinv_ssh_for_ssh(computer: Computer, here: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    # What sshfs does: it splits at blanks, and appends its own words.
    computer.script(
        "sshfs",
        f"""
        for word; do printf '%s\\n' "$word" >>{log}; done
        for word; do case $word in ssh_command=*) set -- ${{word#ssh_command=}};; esac; done
        "$@" -x -s -- dev sftp
        """,
    )
    computer.script("a ssh", f"for word; do printf '%s\\n' \"$word\" >>{log}.ssh; done")
    mount.mount(computer.machine, "~/a b", here)
    words = log.read_text().splitlines()
    assert words[words.index("idmap=user") - 1] == "-o"
    assert words[words.index(here) - 1] == "dev:a b"
    assert not any(word.startswith("reconnect") for word in words), "it must not wait for what is gone"
    ssh = (tmp_path / "log.ssh").read_text().splitlines()
    assert ssh == ["-s", f"{tmp_path}/a store", "-x", "-s", "--", "dev", "sftp"]


@pytest.mark.parametrize("source", ["dev:", "root@dev:/x", "dev:x/~/y"])
def test_sources(computer: Computer, here: str, tmp_path: Path, source: str) -> None:
    computer.script("sshfs", f'for word; do printf "%s\\n" "$word" >>{tmp_path}/log; done')
    login, _, path = source.partition(":")
    mount.mount(computer.machine, path or "~", here, user=login.rpartition("@")[0])
    assert (tmp_path / "log").read_text().splitlines()[-2:] == [source, here]


def test_what_sshfs_says_is_the_error(computer: Computer, here: str) -> None:
    computer.script("sshfs", "echo one >&2; echo dinv: two >&2; echo; echo three >&2; echo four; exit 1")
    with pytest.raises(DinvError, match=r"dev:/x cannot be mounted: two\nthree\nfour$"):
        mount.mount(computer.machine, "/x", here)
    computer.script("a ssh", "echo dinv: not to be reached >&2; exit 255")
    with pytest.raises(DinvError, match=r"dev:/x cannot be mounted: not to be reached$"):
        mount.mount(computer.machine, "/x", here)
    (computer.programs / "a ssh").unlink()
    computer.script("sshfs", "exit 4")
    with pytest.raises(DinvError, match="sshfs ended with 4"):
        mount.mount(computer.machine, "/x", here)


def test_what_is_in_the_way_here(computer: Computer, here: str, tmp_path: Path) -> None:
    def fails(match: str, directory: str = here) -> None:
        with pytest.raises(LocalError, match=match):
            mount.mount(computer.machine, "/x", directory)

    fails("mkdir -p '.*no t'", f"{tmp_path}/no t")
    fails("Not a directory", str(computer.mounts))
    fails("not empty", str(tmp_path))
    computer.mounted(("fuse.sshfs", here))
    fails("mounted at .* already")
    computer.mounted()
    computer.device.unlink()
    fails("fuse is missing")
    computer.mounts.unlink()  # elsewhere than on Linux there is neither
    mount.mount(computer.machine, "/x", here)
    (computer.programs / "sshfs").unlink()
    fails("no sshfs on this computer")


def test_what_is_in_the_way_there(computer: Computer, here: str) -> None:
    computer.fake.status = 1
    with pytest.raises(MachineError, match="no sftp-server"):
        mount.mount(computer.machine, "/x", here)
    computer.fake.running = False
    with pytest.raises(MachineNotRunning):
        mount.mount(computer.machine, "/x", here)
    with pytest.raises(InputError, match="run as root"):
        mount.mount(computer.machine, "/x", here, user="ann")


PGREP = shutil.which("pgrep") or ""


def processes(marker: str) -> list[str]:
    found = subprocess.run([PGREP, "-f", marker], capture_output=True, text=True, check=False)
    return found.stdout.split()


@needs.programs("pgrep")
@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_an_sshfs_that_hangs_is_ended_with_its_ssh(
    computer: Computer,
    here: str,
    monkeypatch: pytest.MonkeyPatch,
    error: type[BaseException] | None,
) -> None:
    seconds = f"1000{os.getpid()}"
    computer.script("sshfs", f"sleep {seconds} & wait")
    monkeypatch.setattr(mount, "MOUNT_SECONDS", 0.5)

    def interrupted(*_: Any) -> int:
        monkeypatch.undo()
        raise KeyboardInterrupt

    if error is not None:
        monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(error or DeadlineExceeded):
        mount.mount(computer.machine, "/x", here)
    end = time.monotonic() + 20
    while processes(f"sleep {seconds}"):
        assert time.monotonic() < end, "left running"
        time.sleep(0.02)


def test_an_sshfs_that_does_not_want_to_end(
    computer: Computer, here: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heedless = tmp_path / "heedless"
    computer.script("sshfs", f"trap '' TERM; : >{heedless}; while :; do sleep 0.05; done")
    monkeypatch.setattr(mount, "MOUNT_SECONDS", 0.3)
    monkeypatch.setattr(mount, "_STOP_SECONDS", 0.3)
    sent: list[int] = []
    real = os.killpg

    def killpg(group: int, number: int) -> None:
        sent.append(number)
        end = time.monotonic() + 30
        while not heedless.exists() and time.monotonic() < end:  # the shell may not have got there yet
            time.sleep(0.01)
        real(group, number)

    monkeypatch.setattr(os, "killpg", killpg)
    with pytest.raises(DeadlineExceeded):
        mount.mount(computer.machine, "/x", here)
    assert sent == [signal.SIGTERM, signal.SIGKILL]


# Unmounting


@pytest.mark.parametrize("name", ["fusermount3", "fusermount", "umount"])
def test_what_unmounts(computer: Computer, here: str, tmp_path: Path, name: str) -> None:
    computer.mounted(("fuse.sshfs", here))
    computer.script(name, f'echo "$@" >{tmp_path}/log')
    mount.unmount(here)
    assert (tmp_path / "log").read_text() == f"{'' if name == 'umount' else '-u '}{here}\n"


def test_only_what_sshfs_has_mounted(computer: Computer, here: str) -> None:
    computer.script("fusermount", "exit 0")
    with pytest.raises(MountError, match="Nothing is mounted"):
        mount.unmount(here)
    computer.mounted(("fuse.sshfs", here), ("tmpfs", here))
    with pytest.raises(MountError, match="tmpfs"):
        mount.unmount(here)
    computer.mounts.unlink()  # not to be known: left to the program
    mount.unmount(here)


def test_what_keeps_it_mounted(computer: Computer, here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    computer.mounted(("fuse.sshfs", here))
    with pytest.raises(ProgramMissing, match="no umount on this computer"):
        mount.unmount(here)
    computer.script("umount", "echo umount: target is busy >&2; exit 32")
    with pytest.raises(DinvError, match=r"target is busy\n.*umount -l '"):
        mount.unmount(here)
    computer.script("fusermount3", "echo Device or resource busy >&2; exit 1")
    with pytest.raises(DinvError, match=r"busy\n.*fusermount3 -u -z '"):
        mount.unmount(here)
    computer.script("fusermount3", "exit 1")
    with pytest.raises(DinvError, match="fusermount3 ended with status 1"):
        mount.unmount(here)
    computer.script("fusermount3", "exec sleep 60")
    monkeypatch.setattr(mount, "UNMOUNT_SECONDS", 0.3)
    with pytest.raises(DeadlineExceeded):
        mount.unmount(here)

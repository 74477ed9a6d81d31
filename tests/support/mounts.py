"""File systems that are not a local disk's, mounted for a test."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 20.0
_SFTP_SERVER = "/usr/lib/openssh/sftp-server"


@contextlib.contextmanager
def bindfs(directory: str, *options: str) -> Iterator[str]:
    """Another directory by FUSE; what is open when it is removed gets another name (`.fuse_hidden...`)."""
    source, place = _made(directory, "source", "mounted")
    with _mounted(place, "bindfs", *options, source, place):
        yield place


@contextlib.contextmanager
def sshfs(directory: str) -> Iterator[str]:
    """A directory by SFTP: no sockets, no fsync of directories; the server's program without ssh."""
    source, place = _made(directory, "source", "mounted")
    ssh = os.path.join(directory, "ssh")
    with open(ssh, "w", encoding="utf-8") as file:
        file.write(f"#!/bin/sh\nexec {_SFTP_SERVER}\n")
    os.chmod(ssh, stat.S_IRWXU)
    with _mounted(place, "sshfs", "-o", f"ssh_command={ssh}", f"nobody:{source}", place):
        yield place


@contextlib.contextmanager
def exfat(directory: str, *options: str) -> Iterator[str]:
    """A USB stick: no permissions, no links, no sockets, names in upper and lower case alike."""
    (place,) = _made(directory, "mounted")
    image = os.path.join(directory, "image")
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    _run("mkfs.exfat", image)
    device = _run("losetup", "--find", "--show", image).strip()
    try:
        with _mounted(place, "mount.exfat-fuse", *options, device, place):
            yield place
    finally:
        _run("losetup", "--detach", device)


def _made(directory: str, *names: str) -> list[str]:
    paths = [os.path.join(directory, name) for name in names]
    for path in paths:
        os.makedirs(path)
    return paths


@contextlib.contextmanager
def _mounted(place: str, *argv: str) -> Iterator[None]:
    _run(*argv)
    try:
        yield
    finally:
        end = time.monotonic() + _SECONDS
        while subprocess.run(["umount", place], stderr=subprocess.DEVNULL, check=False).returncode:
            if not os.path.ismount(place) or time.monotonic() > end:
                subprocess.run(["umount", "--lazy", place], check=False)
                break
            time.sleep(0.1)


def _run(*argv: str) -> str:
    try:
        done = subprocess.run(
            argv,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS,
            text=True,
        )
    except OSError as error:
        pytest.fail(f"{argv[0]} cannot be started: {error.strerror}")
    assert done.returncode == 0, f"{argv}: {done.stdout}"
    return done.stdout

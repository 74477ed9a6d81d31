"""The store on file systems that are not a local disk's: every verb, or words that say what is missing."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import mounts
import pytest
from users import LS

from dinv.store import identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from harness import Dinv

    from dinv.machines import Machines

NO_FLOCK = """\
#include <errno.h>
#include <stdlib.h>
int flock(int fd, int op) { (void)fd; (void)op; errno = atoi(getenv("NO_FLOCK")); return -1; }
"""


@pytest.fixture(params=["bindfs", "sshfs", "exfat"])
def mounted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    directory = str(tmp_path / "mount")
    if request.param == "bindfs":
        mount = mounts.bindfs(directory)
    elif request.param == "sshfs":
        mount = mounts.sshfs(directory)
    else:
        mount = mounts.exfat(directory, "-o", "umask=077")
    with mount as place:
        yield place


def test_the_whole_life_of_a_machine(mounted: str, machines: Machines, dinv: Dinv) -> None:
    assert machines.names() == []
    store = os.path.join(mounted, "store")
    there = {"MACHINE_STORAGE_PATH": store}
    try:
        dinv("create", "-q", "dev", check=True, env=there)
        for words in (
            "stop dev",
            "start dev",
            "regenerate-certs -f --client-certs dev",
            "provision dev",
            "upgrade dev",
            "env --shell sh dev",
        ):
            dinv(*words.split(), check=True, env=there)
        assert "Running" in dinv(*LS, check=True, env=there).stdout
        assert dinv("ssh", "dev", "echo", "hello", check=True, env=there).stdout == "hello\n"
        links = "mkdir box && cd box && echo x >file && ln file hard && ln -s file soft"
        dinv("ssh", "dev", links, check=True, env=there)
        dinv("scp", "-r", "dev:box", mounted, check=True, env=there)
        assert {"file", "hard"} <= set(os.listdir(os.path.join(mounted, "box"))) <= {"file", "hard", "soft"}
        for name in os.listdir(os.path.join(store, "machines", "dev")):
            assert not os.stat(os.path.join(store, "machines", "dev", name)).st_mode & 0o077 or name in (
                "ca.pem",
                "cert.pem",
                "server.pem",
            )
    finally:
        dinv("rm", "-f", "-y", "dev", check=True, env=there)
    # Also of what FUSE keeps under another name for as long as it is open.
    assert os.listdir(os.path.join(store, "machines")) == [identity.FILE]


def test_nothing_private_gets_to_where_there_are_no_permissions(
    machines: Machines, dinv: Dinv, tmp_path: Path
) -> None:
    assert machines.names() == []
    with mounts.exfat(str(tmp_path / "mount")) as place:
        there = {"MACHINE_STORAGE_PATH": os.path.join(place, "store")}
        done = dinv("create", "dev", env=there)
        assert done.returncode
        assert "keeps no permissions" in done.stderr
        assert "umask=077" in done.stderr
        assert os.listdir(os.path.join(place, "store", "machines")) == []
        assert dinv("ls", "-q", check=True, env=there).stdout == ""


@pytest.mark.parametrize("kind", ["exfat", "sshfs"])
def test_no_engine_where_there_are_no_sockets(dinv: Dinv, tmp_path: Path, kind: str) -> None:
    directory = str(tmp_path / "mount")
    with mounts.exfat(directory) if kind == "exfat" else mounts.sshfs(directory) as place:
        done = dinv("-s", os.path.join(place, "store"), "engine", "start")
        assert done.returncode
        assert "its file system has no sockets" in done.stderr


@pytest.fixture(scope="module")
def without_flock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A library for LD_PRELOAD, by which flock(2) fails."""
    directory = tmp_path_factory.mktemp("preload")
    (directory / "noflock.c").write_text(NO_FLOCK)
    library = str(directory / "noflock.so")
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", library, str(directory / "noflock.c")], check=True, timeout=60
    )
    return library


@pytest.mark.parametrize("number", [37, 38, 95])  # ENOLCK, ENOSYS, EOPNOTSUPP
def test_without_flock_another_kind_of_lock_has_to_do(without_flock: str, dinv: Dinv, number: int) -> None:
    there = {"LD_PRELOAD": without_flock, "NO_FLOCK": str(number)}
    dinv("create", "-q", "-d", "none", "--url", "tcp://127.0.0.1:9", "dev", check=True, env=there)
    dinv("rm", "-y", "dev", check=True, env=there)

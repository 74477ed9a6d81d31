"""Whether a container runs in a machine: tried once, and remembered."""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, cast

import needs
import pytest
from unpacking import unpack

from dinv.errors import ContainersCannotRun, DeadlineExceeded, NotFound, ServerError
from dinv.provisioners import trial

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.engine import Engine

KIND = "unix:///var/run/docker.sock engine 26.1.5 6.1.0 2 capabilities sha256:1"


class Daemon:
    """A machine's daemon, as far as a trial asks it; `fails` is what a start ends in."""

    def __init__(self, arch: str = "amd64", fails: Exception | None = None, status: int = 0) -> None:
        self.arch = arch
        self.fails = fails
        self.status = status
        self.archive = b""
        self.there: set[str] = set()
        self.containers = self.images = self

    def version(self) -> dict[str, str]:
        return {"Arch": self.arch}

    def import_(self, archive: io.BytesIO, **_: Any) -> str:
        self.archive = archive.read()
        self.there.add("image")
        return "image"

    def create(self, name: str, body: dict[str, Any], **_: Any) -> tuple[str, list[str]]:
        assert (name, body) == ("dinv-trial", {"Image": "image", "Cmd": ["/true"]})
        self.there.add("container")
        return "container", []

    def start(self, container: str, **_: Any) -> None:
        if self.fails:
            raise self.fails

    def wait(self, container: str, **_: Any) -> int:
        return self.status

    def remove(self, name: str, **_: Any) -> None:
        if name not in self.there:
            raise NotFound("no such thing", status=404, method="DELETE", path=f"/{name}")
        self.there.remove(name)


def run(daemon: Daemon) -> bool:
    return trial.run(cast("Engine", daemon), "dev", "Look.")


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_it_runs_a_program_and_leaves_nothing(arch: str) -> None:
    daemon = Daemon(arch)
    assert run(daemon)
    assert daemon.there == set()
    with tarfile.open(fileobj=io.BytesIO(daemon.archive)) as archive:
        assert [(member.name, member.mode) for member in archive] == [("true", 0o755)]


@needs.linux("the program is one of Linux")
@pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="no program for this processor")
def test_the_program_runs(tmp_path: Path) -> None:
    daemon = Daemon({"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()])
    run(daemon)
    with tarfile.open(fileobj=io.BytesIO(daemon.archive)) as archive:
        unpack(archive, tmp_path)
    subprocess.run([tmp_path / "true"], check=True, timeout=10)


def test_there_is_none_for_other_processors() -> None:
    daemon = Daemon("s390x")
    assert not run(daemon)
    assert daemon.archive == b""


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("OCI runtime create failed: unable to apply caps: operation not permitted", "default_capabilities"),
        ("mkdir /sys/fs/cgroup/cpu/docker: read-only file system", 'isolation="privileged"'),
        ('error mounting "proc" to rootfs at "/proc": operation not permitted', "hides parts of /proc"),
        ("something else", "Look."),
    ],
)
def test_what_keeps_it_from_running_is_said(reason: str, advice: str) -> None:
    daemon = Daemon(fails=ServerError(reason, status=500, method="POST", path="/start"))
    with pytest.raises(ContainersCannotRun, match="no container runs in it") as caught:
        run(daemon)
    assert caught.value.reason == reason
    assert advice in str(caught.value)
    assert daemon.there == set()


def test_one_that_ends_otherwise_has_not_run() -> None:
    with pytest.raises(ContainersCannotRun, match="status 127"):
        run(Daemon(status=127))


class Once(Daemon):
    """Fails to start a container the first time."""

    started = 0

    def start(self, container: str, **_: Any) -> None:
        self.started += 1
        if self.started == 1:
            super().start(container)


def test_one_that_is_lost_is_tried_again() -> None:
    lost = ServerError("read init-p: connection reset by peer", status=500, method="POST", path="/start")
    daemon = Once(fails=lost)
    assert run(daemon)
    assert (daemon.started, daemon.there) == (2, set())


def test_what_is_known_to_fail_is_not_tried_again() -> None:
    daemon = Once(fails=ServerError("unable to apply caps", status=500, method="POST", path="/start"))
    with pytest.raises(ContainersCannotRun):
        run(daemon)
    assert (daemon.started, daemon.there) == (1, set())


def test_one_that_never_starts_has_not_run() -> None:
    daemon = Daemon(fails=DeadlineExceeded("POST /start", 30))
    with pytest.raises(ContainersCannotRun):
        run(daemon)
    assert daemon.there == set()


def test_it_is_remembered(tmp_path: Path) -> None:
    store = str(tmp_path)
    assert not trial.remembered(store, KIND)
    trial.remember(store, KIND)
    assert trial.remembered(store, KIND)
    assert not trial.remembered(store, f"{KIND}2")
    assert os.stat(tmp_path / trial.FILE).st_mode & 0o777 == 0o600


def test_what_has_no_kind_is_tried_each_time(tmp_path: Path) -> None:
    trial.remember(str(tmp_path), "")
    assert not trial.remembered(str(tmp_path), "")


def test_the_oldest_are_forgotten(tmp_path: Path) -> None:
    for number in range(trial.KEPT + 5):
        trial.remember(str(tmp_path), f"kind {number}")
    found = json.loads((tmp_path / trial.FILE).read_text())
    assert list(found) == [f"kind {number}" for number in range(5, trial.KEPT + 5)]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"[" * 10**5, b"\xff", b'{"kind": "yes"}'])
def test_a_file_that_says_nothing_is_written_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / trial.FILE).write_bytes(content)
    assert not trial.remembered(str(tmp_path), "kind")
    trial.remember(str(tmp_path), "kind")
    assert trial.remembered(str(tmp_path), "kind")


def test_nothing_is_read_that_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / trial.FILE)
    assert not trial.remembered(str(tmp_path), KIND)
    trial.remember(str(tmp_path), KIND)
    assert trial.remembered(str(tmp_path), KIND)


def test_a_store_that_cannot_be_written_to_is_none_of_its_business(tmp_path: Path) -> None:
    trial.remember(str(tmp_path / "nowhere"), KIND)

"""Installers, run on a daemon that is made up here: what they are given, and when they have failed."""

from __future__ import annotations

import io
import tarfile
import threading
from typing import Any, Self

import pytest

from dinv.channel import File
from dinv.errors import Conflict, DatacenterError, DeadlineExceeded, InstallerFailed, InstallerHangs, NotFound
from dinv.labels import LABEL_INSTALLER
from dinv.progress import Progress
from dinv.provisioners.datacenter import installer
from dinv.provisioners.datacenter.installer import Run, run

PASSWORD = "tomato-soup"


class Daemon:
    """`says` are pieces of output, `status` is how it ends, None if that gets lost."""

    def __init__(self, *says: tuple[str, bytes], status: int | None = 0, hangs: bool = False) -> None:
        self.says = says
        self.status = status
        self.hangs = hangs
        self.containers = self
        self.created: list[tuple[str, dict[str, Any]]] = []
        self.put: list[bytes] = []
        self.removed: list[str] = []
        self.taken: list[dict[str, Any] | None] = []
        """What `inspect` finds of another installer, one after the other; None for gone."""
        self.security: list[str] = []
        self.started = threading.Event()

    def info(self, timeout: float) -> dict[str, Any]:
        return {"SecurityOptions": self.security}

    def create(self, name: str, body: dict[str, Any], *, timeout: float) -> tuple[str, list[str]]:
        if self.taken:
            raise Conflict("name in use", status=409)
        self.created.append((name, body))
        return "id", []

    def inspect(self, name: str, *, timeout: float) -> dict[str, Any]:
        found = self.taken[0]
        if found is None:
            self.taken.clear()
            raise NotFound("no such container", status=404)
        if len(self.taken) > 1:
            self.taken.pop(0)
        return found

    def archive_put(self, container: str, path: str, data: bytes, *, timeout: float) -> None:
        assert (container, path) == ("id", "/")
        assert not self.started.is_set()
        self.put.append(data)

    def attach(self, container: str, *, tty: bool, timeout: float) -> Self:
        assert not self.started.is_set()
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, container: str, *, timeout: float) -> None:
        self.started.set()

    def copy(self, *, stdout: Any, stderr: Any, timeout: Any) -> None:
        for stream, data in self.says:
            (stdout if stream == "stdout" else stderr)(data)
        if self.hangs:
            raise DeadlineExceeded("the installer", 1)

    def wait(self, container: str, *, condition: str, timeout: float) -> int:
        assert condition == "removed"
        self.started.wait(5)
        if self.status is None:
            raise NotFound("no such container", status=404)
        return self.status

    def remove(self, container: str, *, force: bool, timeout: float) -> None:
        self.removed.append(container)
        self.taken.clear()


class Told(Progress):
    def __init__(self) -> None:
        self.updates: list[str] = []
        self.notes: list[str] = []

    def update(self, text: str) -> None:
        self.updates.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)


def wanted(**more: Any) -> Run:
    return Run(
        "mirantis/ucp:3.8.10",
        "install",
        ["--swarm-port", "3376"],
        timeout=5,
        environment={"UCP_ADMIN_USER": "admin", "UCP_ADMIN_PASSWORD": PASSWORD},
        secrets=(PASSWORD,),
        **more,
    )


def line(level: str, text: str) -> tuple[str, bytes]:
    return "stderr", f'time="2026-01-01T00:00:00Z" level={level} msg="{text}"\n'.encode()


def test_what_it_is_given() -> None:
    daemon = Daemon(("stdout", b"a result\n"), line("info", "Checking"), line("debug", "much"))
    progress = Told()
    output = run(daemon, "m", wanted(files=[File("/config/x.lic", b"{}", 0o600)]), progress)  # type: ignore[arg-type]
    assert output == b"a result\n"
    assert progress.updates == ["a result", "Checking"]
    [(name, body)] = daemon.created
    assert name == "ucp"
    assert body["Cmd"] == ["install", "--swarm-port", "3376"]
    assert body["Env"] == ["UCP_ADMIN_USER=admin", f"UCP_ADMIN_PASSWORD={PASSWORD}"]
    assert body["HostConfig"] == {
        "AutoRemove": True,
        "Binds": ["/var/run/docker.sock:/var/run/docker.sock"],
    }
    [archive] = daemon.put
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert "config/x.lic" in tar.getnames()
    assert daemon.removed == ["id"]


def test_selinux_and_an_installer_without_the_socket() -> None:
    daemon = Daemon()
    daemon.security = ["name=seccomp,profile=default", "name=selinux"]
    run(daemon, "m", wanted(socket=False), Told())  # type: ignore[arg-type]
    assert daemon.created[0][1]["HostConfig"] == {"AutoRemove": True, "SecurityOpt": ["label=disable"]}


def test_a_fatal_line_counts_whatever_the_status() -> None:
    for status in (0, None, 1):
        daemon = Daemon(line("info", "begin"), line("fatal", "no memory"), status=status)
        with pytest.raises(InstallerFailed, match="no memory") as raised:
            run(daemon, "m", wanted(), Told())  # type: ignore[arg-type]
        assert raised.value.exit_status == status
        assert raised.value.reasons == ["no memory"]
        assert daemon.removed == ["id"]


def test_a_status_counts_without_a_fatal_line() -> None:
    daemon = Daemon(line("info", "begin"), ("stderr", b"Traceback, of whatever"), status=137)
    with pytest.raises(InstallerFailed, match=r"exit status 137") as raised:
        run(daemon, "m", wanted(), Told())  # type: ignore[arg-type]
    assert raised.value.reasons == ["begin", "Traceback, of whatever"]


def test_an_error_that_it_went_on_after_is_none() -> None:
    run(Daemon(line("error", "trying again"), line("info", "done")), "m", wanted(), Told())  # type: ignore[arg-type]
    # ... and without a status its words are all there is.
    run(Daemon(line("info", "done"), status=None), "m", wanted(), Told())  # type: ignore[arg-type]


def test_one_that_hangs_is_stopped() -> None:
    daemon = Daemon(line("info", "waiting for the moon"), hangs=True)
    with pytest.raises(InstallerHangs, match="waiting for the moon"):
        run(daemon, "m", wanted(), Told())  # type: ignore[arg-type]
    assert daemon.removed == ["id"]


def test_no_password_is_shown() -> None:
    daemon = Daemon(line("info", f"it is {PASSWORD}"), line("fatal", f"{PASSWORD} is too short"))
    progress = Told()
    with pytest.raises(InstallerFailed) as raised:
        run(daemon, "m", wanted(), progress)  # type: ignore[arg-type]
    assert PASSWORD not in f"{raised.value}{raised.value.reasons}{progress.updates}"


def test_one_that_a_killed_dinv_has_left_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "POLL_SECONDS", 0.001)
    daemon = Daemon()
    daemon.taken = [{"State": {"Running": True}}, {"State": {"Running": True}}, None]
    progress = Told()
    run(daemon, "m", wanted(), progress)  # type: ignore[arg-type]
    assert daemon.created
    assert "at work on m already" in progress.notes[0]


def test_one_that_was_never_started_is_removed() -> None:
    daemon = Daemon()
    daemon.taken = [{"State": {"Running": False}, "Config": {"Labels": {LABEL_INSTALLER: "x"}}}]
    run(daemon, "m", wanted(), Told())  # type: ignore[arg-type]
    assert daemon.removed == ["ucp", "id"]


def test_a_container_of_somebody_elses_is_left_alone() -> None:
    daemon = Daemon()
    daemon.taken = [{"State": {"Running": False}, "Config": {"Labels": None}}]
    with pytest.raises(DatacenterError, match="dinv did not make"):
        run(daemon, "m", wanted(), Told())  # type: ignore[arg-type]
    assert daemon.removed == []


def test_one_that_never_ends_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installer, "POLL_SECONDS", 0.001)
    daemon = Daemon()
    daemon.taken = [{"State": {"Running": True}}]
    what = wanted()
    what.timeout = 0.05
    with pytest.raises(InstallerHangs):
        run(daemon, "m", what, Told())  # type: ignore[arg-type]

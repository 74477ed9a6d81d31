"""What killed daemons leave in the machines of images that do not clean up: emptied before each start."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, cast

import pytest
from docker_machine import made
from fake_engine import FakeEngine

from dinv.channel import FileStat
from dinv.drivers.docker.leftovers import empty_pid_files
from dinv.store.record import CREATING, READY

if TYPE_CHECKING:
    from dinv.channel import Channel


class Files:
    """A machine's files: content by path, None for a directory; links by path."""

    def __init__(self, files: dict[str, bytes | None], links: dict[str, str]) -> None:
        self.files, self.links = files, links
        self.emptied: list[str] = []

    def stat(self, path: str) -> FileStat | None:
        path = self.links.get(path, path)
        if path not in self.files:
            return None
        content = self.files[path]
        directory = content is None
        return FileStat(path, is_directory=directory, is_regular=not directory, size=len(content or b""))

    def put_archive(self, directory: str, archive: bytes) -> None:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for entry in tar:
                assert (entry.isreg(), entry.size) == (True, 0)
                self.emptied.append(f"{directory}/{entry.name}")


def test_only_files_that_are_there_and_say_something() -> None:
    files = Files(
        {"/run": None, "/run/docker.pid": b"7", "/run/x": None, "/run/x/a.pid": b"", "/run/x/b.pid": b"1"},
        {"/var/run": "/run", "/var/run/x": "/run/x"},
    )
    paths = [
        "/var/run/docker.pid",
        "/var/run/x/a.pid",
        "/var/run/x/b.pid",
        "/var/run/gone/c.pid",
        "/var/run/d",
    ]
    empty_pid_files(cast("Channel", files), paths)
    assert files.emptied == ["/run/docker.pid", "/run/x/b.pid"]


@pytest.mark.parametrize(
    ("contract", "phase", "looked"),
    [("dch-photon", READY, True), ("dind", READY, True), ("dind", CREATING, False), ("dinv", READY, False)],
)
def test_before_each_start_but_the_first(
    monkeypatch: pytest.MonkeyPatch, *, contract: str, phase: str, looked: bool
) -> None:
    engine = FakeEngine()
    driver = made(engine)
    driver.config.ours.update(ImageContract=contract, Phase=phase)
    files = Files({"/var/run": None, "/var/run/docker.pid": b"7"}, {})
    monkeypatch.setattr(driver.site, "channel", lambda: files)
    driver.start(timeout=1)
    assert files.emptied == (["/var/run/docker.pid"] if looked else [])

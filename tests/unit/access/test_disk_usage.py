"""How full the image cache is: what `df` and the daemon say, and what happens when they say nonsense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.access.disk_usage import measure
from dinv.errors import ProtocolError
from dinv.lifecycle.host import clients

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dinv.access.disk_usage import DiskUsage
    from dinv.lifecycle.host import Host

HEAD = "Filesystem     1024-blocks      Used Available Capacity Mounted on\n"
LINE = "overlay          100 60 40      60% /var/lib/docker\n"


class FakeMachine:
    """Answers `df` and `/system/df`."""

    name = "dev"

    def __init__(self, said: str, status: int = 0, usage: Any = None) -> None:
        self.said, self.exit_status, self.usage = said, status, usage
        self.contract = self.config = self
        self.mounts = {"cache": "/var/lib/docker"}
        self.driver = {"CacheVolume": "dinv-dev-cache"}
        self.root = ""

    def channel(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(
        self,
        argv: Sequence[str],
        *,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        timeout: float,
    ) -> int:
        assert argv == ["df", "-P", "-k", self.root or "/var/lib/docker"]
        if self.exit_status:
            stderr(f"df: {argv[-1]}: No such file or directory\n".encode())
        for start in range(0, len(self.said), 7):
            stdout(self.said[start : start + 7].encode())
        return self.exit_status

    def info(self) -> dict[str, str]:
        return {"DockerRootDir": self.root} if self.root else {}

    def disk_usage(self, *, timeout: float) -> Any:
        return self.usage


def ask(said: str, status: int = 0, usage: Any = None, root: str = "") -> DiskUsage:
    machine = FakeMachine(said, status, usage or {})
    machine.root = root
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clients, "engine", lambda machine: machine)
        return measure(cast("Host", machine))


def test_sizes_are_bytes() -> None:
    usage = {
        "LayersSize": 1000,
        "Containers": [{"SizeRw": 5}, {}, {"SizeRw": None}],
        "Volumes": [{"UsageData": {"Size": 7}}, {"UsageData": {"Size": -1}}, {"UsageData": None}],
        "BuildCache": [{"Size": 11, "Shared": False}, {"Size": 100, "Shared": True}],
    }
    found = ask(HEAD + LINE, usage=usage)
    assert (found.machine, found.volume) == ("dev", "dinv-dev-cache")
    assert (found.size, found.available) == (100 * 1024, 40 * 1024)
    assert found.used_percent == pytest.approx(60)
    assert (found.images, found.containers, found.volumes, found.build_cache) == (1000, 5, 7, 11)


def test_lists_that_are_null_are_empty() -> None:
    """As old engines write them."""
    found = ask(HEAD + LINE, usage={"LayersSize": 0, "Containers": None, "Volumes": None, "BuildCache": None})
    assert (found.images, found.containers, found.volumes, found.build_cache) == (0, 0, 0, 0)


def test_an_empty_file_system_is_not_divided_by() -> None:
    assert ask(f"{HEAD}none 0 0 0 - /var/lib/docker\n").used_percent == 0


@pytest.mark.parametrize("said", ["", "\n", HEAD, "df: not found\n", "overlay - - - - /var/lib/docker\n"])
def test_nonsense_is_a_protocol_error(said: str) -> None:
    with pytest.raises(ProtocolError, match="dev"):
        ask(said)


def test_a_df_that_fails_is_told_with_what_it_said() -> None:
    with pytest.raises(ProtocolError, match=r"df: /var/lib/docker: No such file.* docker system df"):
        ask(HEAD + LINE, status=1)
    with pytest.raises(ProtocolError, match="it ended with status 0"):
        ask("")


def test_the_file_system_is_that_of_the_daemons_own_directory() -> None:
    assert ask(HEAD + LINE.replace("/var/lib/docker", "/data"), root="/data").size == 100 * 1024


@given(st.text(max_size=60) | st.lists(st.text(max_size=5), min_size=6, max_size=7).map(" ".join))
def test_anything_df_says_is_understood_or_a_protocol_error(said: str) -> None:
    try:
        found = ask(said)
    except ProtocolError:
        return
    assert found.size >= 0

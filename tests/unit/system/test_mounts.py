"""The kernel's list of mounts, read."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import needs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.system import mounts

if TYPE_CHECKING:
    from pathlib import Path

POINTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12).map(
    "/".__add__
)
KINDS = st.sampled_from(["ext4", "fuse.sshfs", "overlay"])
TAGS = st.lists(st.sampled_from(["shared:1", "master:2", "unbindable"]), max_size=2)


def line(point: str, kind: str, tags: list[str]) -> str:
    """As the kernel writes it: linux, fs/proc_namespace.c, mangle()."""
    escaped = "".join(f"\\{ord(char):03o}" if char in " \t\n\\" else char for char in point)
    return " ".join(["36", "35", "98:0", "/r", escaped, "rw", *tags, "-", kind, "source", "rw"])


@given(st.lists(st.tuples(POINTS, KINDS, TAGS), max_size=4))
def test_each_is_read_as_the_kernel_writes_it(given_: list[tuple[str, str, list[str]]]) -> None:
    text = "".join(f"{line(*each)}\n" for each in given_)
    assert mounts.parse(text) == [(point, kind) for point, kind, _ in given_]


@pytest.fixture
def three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(
        f"{line(point, kind, [])}\n"
        for point, kind in [("/a", "ext4"), ("/a/b c", "overlay"), ("/ab", "tmpfs"), ("/a", "fuse.sshfs")]
    )
    (tmp_path / "mountinfo").write_text(text)
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "mountinfo"))


@pytest.mark.usefixtures("three")
def test_what_is_inside_a_directory() -> None:
    assert mounts.below("/a") == mounts.below("/a/") == ["/a/b c"]
    assert mounts.below("/") == ["/a", "/a/b c", "/ab", "/a"]


@pytest.mark.usefixtures("three")
def test_the_last_one_mounted_at_a_place_is_seen() -> None:
    assert [mounts.kind_at(path) for path in ("/a", "/ab", "/a/b")] == ["fuse.sshfs", "tmpfs", ""]


def test_without_a_list_it_cannot_be_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTS", str(tmp_path / "none"))
    assert mounts.kind_at("/") is None
    with pytest.raises(FileNotFoundError):
        mounts.below("/")


@needs.linux("it reads /proc")
@pytest.mark.skipif(sys.platform != "linux", reason="the list is Linux's")
def test_the_list_of_this_computer() -> None:
    assert mounts.kind_at("/proc") == "proc"
    assert all(os.path.isabs(point) for point, _ in mounts.listed())

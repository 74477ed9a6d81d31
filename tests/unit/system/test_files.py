"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.system import files
from kills import Killed, killed_at_change

if TYPE_CHECKING:
    from collections.abc import Callable


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0, 0o077, 0o777])
def test_the_mode_is_as_asked_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        files.write(str(tmp_path / "key"), b"k", mode=0o600)
        files.write(str(tmp_path / "cert"), b"c", mode=0o644)
    finally:
        os.umask(old)
    assert (mode(tmp_path / "key"), mode(tmp_path / "cert")) == (0o600, 0o644)


def test_a_key_is_private_from_the_moment_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    real = os.open

    def spy(path: str, flags: int, create_mode: int) -> int:
        descriptor = real(path, flags, create_mode)
        modes.append(stat.S_IMODE(os.fstat(descriptor).st_mode))
        assert flags & os.O_EXCL
        return descriptor

    old = os.umask(0)
    try:
        monkeypatch.setattr(os, "open", spy)
        files.write(str(tmp_path / "key"), b"k", mode=0o600)
    finally:
        os.umask(old)
    assert modes == [0o600]


def test_what_is_there_is_replaced_and_a_link_is_not_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"untouched")
    (tmp_path / "file").symlink_to(elsewhere)
    files.write(str(tmp_path / "file"), b"new", mode=0o600)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert elsewhere.read_bytes() == b"untouched"
    assert not (tmp_path / "file").is_symlink()


def test_a_full_disk_is_told_with_the_files_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(OSError, match="No space") as failed:
        files.write(str(tmp_path / "a"), b"new", mode=0o600)
    assert failed.value.filename == str(tmp_path / "a")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_a_failure_leaves_no_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    names = ["a", "b", "c"]
    for name in names:
        (tmp_path / name).write_bytes(b"old")
    moved: list[str] = []
    real = os.replace

    def replace(source: str, target: str) -> None:
        if len(moved) == failing:
            raise OSError(28, "No space left on device")
        real(source, target)
        moved.append(os.path.basename(target))

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="No space"):
        files.write_all([(str(tmp_path / name), b"new", 0o644) for name in names])
    assert sorted(os.listdir(tmp_path)) == names
    assert [(tmp_path / name).read_bytes() for name in names] == [
        b"new" if name in moved else b"old" for name in names
    ]
    assert moved == names[:failing]


def test_nothing_is_moved_before_all_is_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        files.write_all(
            [
                (str(tmp_path / "a"), b"new", 0o600),
                (str(tmp_path / "missing" / "b"), b"new", 0o600),
            ]
        )
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"old"


def test_sweep_removes_what_a_killed_writer_left_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / "key.pem").touch()
    with monkeypatch.context() as killed:
        killed.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(5, "killed")))
        killed.setattr(os, "unlink", lambda _: None)
        with pytest.raises(OSError, match="killed"):
            files.write(str(tmp_path / "key.pem"), b"k", mode=0o600)
    assert len(os.listdir(tmp_path)) == 3
    files.sweep(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [".lock", "key.pem"]
    files.sweep(str(tmp_path / "missing"))


# Sets


OLD = {"key": b"old key", "cert": b"old cert", "ca": b"old ca"}
NEW = {"key": b"new key", "cert": b"new cert", "ca": b"new ca"}


def entries(content: dict[str, bytes]) -> list[tuple[str, bytes, int]]:
    return [(name, data, 0o600) for name, data in content.items()]


def found(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in os.listdir(directory) if name in OLD}


def test_a_set_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    files.replace_set(str(tmp_path), entries(OLD))
    files.replace_set(str(tmp_path), [("key", b"new key", 0o600), ("cert", b"new cert", 0o644)])
    assert found(tmp_path) == {**NEW, "ca": b"old ca"}
    assert (mode(tmp_path / "key"), mode(tmp_path / "cert")) == (0o600, 0o644)
    assert sorted(os.listdir(tmp_path)) == sorted(OLD)


def test_what_cannot_be_staged_is_not_decided_on(tmp_path: Path) -> None:
    files.replace_set(str(tmp_path), entries(OLD))
    with pytest.raises(FileNotFoundError):
        files.stage_set(str(tmp_path), [("key", b"new key", 0o600), ("missing/cert", b"new", 0o600)])
    files.move_set(str(tmp_path))
    assert found(tmp_path) == OLD
    assert sorted(os.listdir(tmp_path)) == sorted(OLD)


def test_a_set_that_was_decided_on_is_moved_before_the_next(tmp_path: Path) -> None:
    files.stage_set(str(tmp_path), entries(OLD))
    files.stage_set(str(tmp_path), [("key", b"new key", 0o600)])
    files.move_set(str(tmp_path))
    files.end_set(str(tmp_path))
    assert found(tmp_path) == {**OLD, "key": b"new key"}
    assert files.PENDING not in os.listdir(tmp_path)


def test_nothing_decided_on_is_nothing_to_move(tmp_path: Path) -> None:
    files.move_set(str(tmp_path))
    files.move_set(str(tmp_path / "missing"))
    files.end_set(str(tmp_path))


def test_a_directory_that_a_killed_writer_left_is_swept_and_a_link_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".set.1.dinv-tmp").mkdir()
    (tmp_path / ".set.1.dinv-tmp" / "key").write_bytes(b"k")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_bytes(b"")
    (tmp_path / ".link.dinv-tmp").symlink_to(tmp_path / "kept")
    files.sweep(str(tmp_path))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["file"]


@given(st.lists(st.tuples(st.sets(st.sampled_from(sorted(OLD)), min_size=1), st.integers(0, 14)), max_size=6))
def test_whatever_is_killed_each_set_is_whole_or_not_there(steps: list[tuple[set[str], int]]) -> None:
    """Sets of any of the files, one after the other; each killed before the change of that number."""
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        expected: dict[str, bytes] = {}
        for turn, (names, number) in enumerate(steps):
            wanted = dict.fromkeys(names, b"%d" % turn)
            with killed_at_change(number), contextlib.suppress(Killed):
                files.replace_set(place, entries(wanted))
            files.move_set(place)
            now = found(directory)
            assert now in (expected, {**expected, **wanted})
            expected = now
        files.sweep(place)
        files.end_set(place)
        assert set(os.listdir(place)) == set(expected)


def test_after_a_kill_9_at_any_moment_a_set_is_as_it_was_or_as_it_was_to_be(tmp_path: Path) -> None:
    """Really killed: a process that replaces the set by turns is, some time after it began."""
    program = (
        "import sys; from dinv.system import files\n"
        f"sets = {[entries(OLD), entries(NEW)]!r}\n"
        "files.replace_set(sys.argv[1], sets[0]); print(flush=True)\n"
        "for turn in range(10**9): files.replace_set(sys.argv[1], sets[turn % 2])\n"
    )
    for number in range(25):
        child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
        with child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(number * 0.0013)
            child.kill()
        files.move_set(str(tmp_path))
        assert found(tmp_path) in (OLD, NEW)


# File systems that are not a local disk's


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_chmod_that_is_not_offered_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fchmod", refusing(number))
    files.write(str(tmp_path / "f"), b"x", mode=0o644)
    files.write(str(tmp_path / "key"), b"x", mode=0o600)
    assert (tmp_path / "key").read_bytes() == b"x"


def test_nothing_private_is_written_where_permissions_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on exFAT, which passes over a chmod in silence."""
    chmod = os.fchmod
    monkeypatch.setattr(os, "fchmod", lambda descriptor, _mode: chmod(descriptor, 0o755))
    written: list[bytes] = []
    monkeypatch.setattr(os, "fsync", written.append)
    with pytest.raises(PermissionError, match="keeps no permissions"):
        files.write(str(tmp_path / "key"), b"secret", mode=0o600)
    with pytest.raises(PermissionError, match="keeps no permissions"):
        files.stage_set(str(tmp_path), [("key", b"secret", 0o600)])
    assert os.listdir(tmp_path) == []
    assert not written
    files.write(str(tmp_path / "ca.pem"), b"x", mode=0o644)


def test_an_fsync_that_is_not_offered_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", refusing(errno.EINVAL))
    files.replace_set(str(tmp_path), [("f", b"x", 0o600)])
    assert (tmp_path / "f").read_bytes() == b"x"
    monkeypatch.setattr(os, "fsync", refusing(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        files.sync_directory(str(tmp_path))


def test_a_rename_that_replaces_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = os.rename

    def strict(source: str, target: str) -> None:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        rename(source, target)

    (tmp_path / files.PENDING).mkdir()
    monkeypatch.setattr(os, "rename", strict)
    files.replace_set(str(tmp_path), [("f", b"x", 0o600)])
    assert os.listdir(tmp_path) == ["f"]


def test_a_set_that_is_half_in_place_can_be_read_without_a_move(tmp_path: Path) -> None:
    directory = str(tmp_path)
    files.replace_set(directory, [("a", b"old", 0o600), ("b", b"old", 0o600)])
    assert not files.is_pending(directory)
    files.stage_set(directory, [("b", b"new", 0o600)])
    assert [files.read(files.current(directory, name)) for name in ("a", "b")] == [b"old", b"new"]
    assert files.is_pending(directory)
    assert [files.is_pending(directory, name) for name in ("a", "b")] == [False, True]
    files.move_set(directory)
    assert files.is_pending(directory)
    assert not files.is_pending(directory, "a", "b")
    files.end_set(directory)
    assert not files.is_pending(directory)

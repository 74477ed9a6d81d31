"""Locks where flock(2) works, where another kind has to do, and where there is none."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING

import needs
import pytest

from dinv.errors import LocksNotKept, StoreError
from dinv.system import locks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.store.store import Store

KINDS = {"flock": 0, "ENOLCK": errno.ENOLCK, "ENOSYS": errno.ENOSYS, "EOPNOTSUPP": errno.EOPNOTSUPP}


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The file system takes flock(2), or answers it with this."""
    if KINDS[request.param]:
        monkeypatch.setattr(fcntl, "flock", refusing(KINDS[request.param]))
    return str(request.param)


def is_taken(path: str) -> bool:
    descriptor = locks.is_held(path)
    if descriptor is None:
        return False
    os.close(descriptor)
    return True


@pytest.mark.usefixtures("kind")
def test_one_holder_at_a_time_also_within_a_process(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert not is_taken(path)
    with locks.held(path):
        assert is_taken(path)
        assert is_taken(path)  # looking has not dropped it, as closing a file drops POSIX's own locks
        with pytest.raises(BlockingIOError):
            locks.open_locked(path)
    assert not is_taken(path)
    with locks.held(path):
        pass


def test_it_is_the_childrens_too_and_ends_with_the_last(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    descriptor = locks.open_locked(path)
    child = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(descriptor,), close_fds=True
    )
    try:
        os.close(descriptor)
        assert is_taken(path), kind
    finally:
        child.kill()
        child.communicate()
    assert not is_taken(path)


@pytest.mark.usefixtures("kind")
def test_those_who_look_do_not_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.touch()
    with open(path, "rb") as looking:
        locks.take(looking.fileno(), str(path), shared=True)
        assert not is_taken(str(path))
        with pytest.raises(BlockingIOError):
            locks.open_locked(str(path))


def ended_process() -> int:
    """The number of a process that is no more."""
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


@pytest.mark.parametrize(
    ("words", "outlasts"),
    [
        (None, True),
        ("", True),
        ("removing it, process {ended}\n", True),
        (f"removing it, process {10**30}\n", True),
        ("removing it, process {own}\n", False),
        ("removing it, process 1\n", False),  # somebody else's
        ("words that are cut off before the num", False),
    ],
)
def test_who_looks_is_waited_for_longer_than_who_says_that_it_holds_it(
    tmp_path: Path,
    words: str | None,
    outlasts: bool,  # noqa: FBT001
) -> None:
    path = tmp_path / "lock"
    if words is not None:
        path.write_text(words.format(ended=ended_process(), own=os.getpid()))
    pauses = list(iter(locks.past_lookers(str(path)), None))
    longer = locks.LOOKED_AT_LONGER_SECONDS if outlasts else ()
    assert pauses == [*locks.LOOKED_AT_SECONDS, *longer]


@pytest.mark.usefixtures("kind")
def test_waiting_goes_on_until_it_is_enough(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = locks.open_locked(path)
    waited: list[float] = []

    def wait() -> float | None:
        waited.append(0)
        if len(waited) == 3:
            os.close(first)
        return 0.001

    os.close(locks.open_locked(path, wait=wait))
    assert len(waited) == 3


@pytest.mark.usefixtures("kind")
def test_a_lock_whose_file_was_removed_meanwhile_is_let_go(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    first = locks.open_locked(path)

    def wait() -> float | None:
        if os.path.exists(path):
            os.unlink(path)
            os.close(first)
        return 0.001

    descriptor = locks.open_locked(path, wait=wait)
    assert locks.is_current(descriptor, path)
    os.close(descriptor)


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        locks.open_locked(str(tmp_path / "gone" / "lock"))


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", refusing(errno.ENOLCK))
    monkeypatch.setattr(fcntl, "fcntl", refusing(errno.ENOLCK))


@pytest.mark.usefixtures("no_locks")
def test_without_any_it_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with pytest.raises(LocksNotKept, match=r"No locks available.*MACHINE_STORAGE_PATH.*Lustre"):
        locks.open_locked(path)
    assert locks.is_held(path) is None


@pytest.mark.usefixtures("no_locks")
def test_a_store_without_any_is_not_written(store: Store) -> None:
    with pytest.raises(LocksNotKept, match="machines/dev"), store.claim("dev", "creating it"):
        pass
    with pytest.raises(StoreError), store.lock("dev", "removing it"):
        pass
    assert store.names() == []
    os.makedirs(store.directory("dev"))
    with pytest.raises(LocksNotKept), store.lock("dev", "removing it"):
        pass
    assert store.names() == ["dev"]
    assert store.holder("dev") is None


def test_numbers_that_are_never_the_same_are_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some file systems make up the number of a file each time."""
    monkeypatch.setattr(locks, "is_current", lambda *_: False)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    with pytest.raises(LocksNotKept, match="inode number"):
        locks.open_locked(str(tmp_path / "lock"))


def test_a_file_that_an_nfs_server_has_removed_is_not_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    descriptor = locks.open_locked(str(tmp_path / "lock"))
    with monkeypatch.context() as stale, contextlib.closing(os.fdopen(descriptor)):
        stale.setattr(os, "fstat", refusing(errno.ESTALE))
        assert not locks.is_current(descriptor, str(tmp_path / "lock"))


def test_waiting_goes_on_until_a_moment() -> None:
    assert locks.until(time.monotonic() + 60, 0.25)() == 0.25
    assert locks.until(time.monotonic() - 1, 0.25)() is None


# Names


@needs.linux("names of abstract sockets are Linux's")
def test_they_come_one_after_the_other() -> None:
    name = f"dinv-{uuid.uuid4()}"
    inside: list[int] = []
    most: list[int] = []
    together = threading.Barrier(4)

    def work(number: int) -> None:
        together.wait(10)
        with locks.alone(name, seconds=60):
            inside.append(number)
            most.append(len(inside))
            threading.Event().wait(0.02)
            inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


def test_who_never_lets_go_is_not_waited_for_for_ever() -> None:
    name = f"dinv-{uuid.uuid4()}"
    with locks.alone(name, seconds=60), locks.alone(name, seconds=0.05):
        pass


def test_another_name_is_another_matter() -> None:
    with locks.alone(f"dinv-{uuid.uuid4()}", seconds=60), locks.alone(f"dinv-{uuid.uuid4()}", seconds=1e9):
        pass

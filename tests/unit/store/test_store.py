"""The store: what is found there, who may write, what a kill leaves."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dinv.errors import (
    ConfigError,
    ConfigTooNew,
    InputError,
    MachineBusy,
    MachineExists,
    MachineNotFound,
    StoreError,
    StoreNotWritable,
)
from dinv.store import layout
from dinv.store.claims import RELEASED_SECONDS
from dinv.store.layout import LONGEST_NAME, check_name, default_path, natural_order
from dinv.store.record import READY, MachineConfig
from dinv.store.store import Store
from dinv.system import files, locks

if TYPE_CHECKING:
    from pathlib import Path


def config(store: Store, name: str, *, phase: str = READY) -> MachineConfig:
    made = MachineConfig.new(
        name=name,
        store_path=store.path,
        driver_name="docker",
        identity=f"id-{name}",
        created="2026-01-01T00:00:00Z",
    )
    made.ours["Phase"] = phase
    return made


def make(store: Store, name: str, *, phase: str = READY) -> MachineConfig:
    with store.claim(name, "creating it"):
        made = config(store, name, phase=phase)
        store.save(made)
    return made


def spoil(store: Store, name: str, content: bytes) -> None:
    os.makedirs(store.directory(name), exist_ok=True)
    with open(os.path.join(store.directory(name), "config.json"), "wb") as file:
        file.write(content)


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


# Where it is


def test_it_is_docker_machines_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert default_path() == os.path.join(os.environ["HOME"], ".docker", "machine")
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "other"))
    assert Store().path == str(tmp_path / "other")
    assert Store(str(tmp_path / "named")).path == str(tmp_path / "named")


def test_a_relative_path_and_a_tilde_are_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Store("here").path == str(tmp_path / "here")
    assert Store("~/there").path == os.path.join(os.environ["HOME"], "there")


def test_looking_makes_nothing(store: Store) -> None:
    assert store.names() == []
    assert not store.exists("dev")
    with pytest.raises(MachineNotFound):
        store.load("dev")
    with pytest.raises(MachineNotFound), store.lock("dev", "stopping it"):
        pass
    assert not os.path.exists(store.path)


# Names


@pytest.mark.parametrize("name", ["a", "dev", "Dev-2.test", "0", "a" * LONGEST_NAME])
def test_names_of_machines(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", ".a", "a b", "a/b", "..", "a_b", "ä", "a\n", "\na", "a\0", "a" * (LONGEST_NAME + 1)]
)
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        check_name(name)


def test_numbers_in_names_are_ordered_as_numbers() -> None:
    names = ["m10", "M1", "m2", "m", "n", "m2a", "m02", "10", "9", "m1", "m-1"]
    assert sorted(names, key=natural_order) == [
        *("9", "10", "m", "M1", "m1", "m02", "m2", "m2a", "m10", "m-1", "n")
    ]


@given(st.lists(st.text(max_size=12)))
@example(["²", "2"])
@example(["٣", "3"])
def test_any_names_have_one_order(names: list[str]) -> None:
    once = sorted(names, key=natural_order)
    turned = names[::-1]
    turned.sort(key=natural_order)
    assert turned == once
    assert sorted(once) == sorted(names)


@given(st.text("ab", max_size=3), st.integers(0, 10**6), st.integers(0, 10**6))
def test_machines_that_differ_by_a_number_go_by_it(prefix: str, one: int, other: int) -> None:
    ordered = natural_order(f"{prefix}{one}") < natural_order(f"{prefix}{other}")
    assert ordered == (one < other)


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".lock", "dev/", "dev/certs", "../machines/dev", "/etc", "de\0v"]
)
def test_only_names_lead_to_machines(store: Store, name: str) -> None:
    make(store, "dev")
    os.mkdir(os.path.join(store.directory("dev"), "certs"))
    before = sorted(os.listdir(store.machines_directory)), sorted(os.listdir(store.directory("dev")))
    assert not store.exists(name)
    with pytest.raises(MachineNotFound):
        store.load(name)
    with pytest.raises(MachineNotFound), store.lock(name, "removing it"):
        pass
    assert before == (
        sorted(os.listdir(store.machines_directory)),
        sorted(os.listdir(store.directory("dev"))),
    )


def test_hidden_directories_and_files_are_no_machines(store: Store) -> None:
    make(store, "dev")
    os.mkdir(os.path.join(store.machines_directory, ".removed-x-1"))
    with open(os.path.join(store.machines_directory, "file"), "wb"):
        pass
    assert store.names() == ["dev"]


# Reading


def test_what_was_saved_is_loaded(store: Store) -> None:
    saved = make(store, "dev")
    assert store.load("dev").document() == saved.document()
    assert store.load("dev").store_path == store.path


def test_a_machine_without_a_record_is_a_config_error(store: Store) -> None:
    os.makedirs(store.directory("dev"))
    with pytest.raises(ConfigError, match="dinv rm -f dev"):
        store.load("dev")


def test_a_record_that_is_a_directory_is_a_config_error(store: Store) -> None:
    os.makedirs(os.path.join(store.directory("dev"), "config.json"))
    with pytest.raises(ConfigError):
        store.load("dev")


def contents() -> st.SearchStrategy[bytes]:
    whole = json.dumps(config(Store("/s"), "dev").document()).encode()
    return st.one_of(
        st.binary(max_size=60),
        st.integers(0, len(whole)).map(lambda length: whole[:length]),
        st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=3)).map(
            lambda change: whole[: change[0]] + change[1] + whole[change[0] + len(change[1]) :]
        ),
        st.text(max_size=20).map(lambda text: json.dumps(text).encode("utf-16")),
    )


@given(content=contents())
@example(b"")
@example(b"\xff\xfe")
@example(b"\0" * 4096)
@example(b"[" * 100_000)
@example(b'{"ConfigVersion":' * 100_000)
@example(b'{"ConfigVersion": ' + b"9" * 5000 + b"}")
@example(b'{"ConfigVersion": NaN}')
@example(b'{"ConfigVersion": 1e999}')
def test_any_bytes_give_a_config_or_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    store = Store(str(tmp_path_factory.getbasetemp() / "any-bytes"))
    spoil(store, "dev", content)
    with contextlib.suppress(ConfigError):
        assert store.load("dev").name == "dev"


def test_a_spoilt_machine_is_still_named(store: Store) -> None:
    make(store, "a")
    spoil(store, "b", b"{")
    assert store.names() == ["a", "b"]


def test_a_store_that_is_no_directory_says_so(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    store = Store(str(tmp_path / "store"))
    with pytest.raises(StoreError, match="store"):
        store.names()
    with pytest.raises(StoreNotWritable, match="store"), store.claim("dev", "creating it"):
        pass


# Writing


def test_keys_and_records_are_the_users_alone(store: Store) -> None:
    old = os.umask(0)
    try:
        make(store, "dev")
    finally:
        os.umask(old)
    directory = store.directory("dev")
    assert [mode(path) for path in (store.path, store.machines_directory, directory)] == [0o700] * 3
    assert {mode(os.path.join(directory, file)) for file in os.listdir(directory)} == {0o600}


def test_saving_replaces_the_record_and_sweeps_what_was_left(store: Store) -> None:
    made = make(store, "dev")
    left = os.path.join(store.directory("dev"), ".config.json.00.dinv-tmp")
    with open(left, "wb") as file:
        file.write(b"half")
    made.ours["DockerVersion"] = "26.1.5"
    store.save(made)
    assert store.load("dev").ours["DockerVersion"] == "26.1.5"
    assert sorted(os.listdir(store.directory("dev"))) == [".lock", "config.json"]


def test_a_full_disk_leaves_the_old_record(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(store, "dev")
    before = store.load("dev").document()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    made.ours["DockerVersion"] = "x" * 100
    with pytest.raises(StoreNotWritable, match="No space left"):
        store.save(made)
    assert store.load("dev").document() == before
    assert sorted(os.listdir(store.directory("dev"))) == [".lock", "config.json"]


def test_empty_leaves_the_lock_only(store: Store, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("stays")
    make(store, "dev")
    directory = store.directory("dev")
    os.makedirs(os.path.join(directory, "deep", "er"))
    os.symlink(tmp_path, os.path.join(directory, "link"))
    with store.lock("dev", "emptying it"):
        store.empty("dev")
        assert os.listdir(directory) == [".lock"]
        with pytest.raises(MachineBusy), store.lock("dev", "again"):
            pass
    assert (tmp_path / "outside").read_text() == "stays"


@pytest.mark.parametrize(
    ("kept", "tries"),
    [(0, 1), (1, 2), (3, 4), (100, 1 + len(RELEASED_SECONDS))],
    ids=["at once", "with the lock", "a moment longer", "by somebody else"],
)
def test_what_stays_until_its_lock_is_let_go_is_removed_then(
    store: Store, monkeypatch: pytest.MonkeyPatch, kept: int, tries: int
) -> None:
    """NFS and FUSE keep what is open; FUSE hears of the close only after it."""
    make(store, "a")
    tried: list[str] = []

    def remove_tree(path: str) -> None:
        tried.append(path)
        if len(tried) <= kept:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        files.remove_tree(path)

    monkeypatch.setattr(layout, "remove_tree", remove_tree)
    with store.lock("a", "removing it"):
        store.remove("a")
    assert len(tried) == tries
    assert bool(os.listdir(store.machines_directory)) == (kept == 100)


def test_remove_leaves_nothing_and_sweeps_what_a_kill_left(store: Store) -> None:
    make(store, "a")
    make(store, "b")
    os.makedirs(os.path.join(store.machines_directory, ".removed-c-1", "deep"))
    with store.lock("a", "removing it"):
        store.remove("a")
    assert os.listdir(store.machines_directory) == ["b"]


# Locks


def test_who_holds_a_machine_is_told_to_the_others(store: Store) -> None:
    make(store, "dev")
    with store.lock("dev", "stopping it"):
        for attempt in (store.lock("dev", "killing it"), store.claim("dev", "creating it")):
            with pytest.raises(MachineBusy, match="stopping it") as caught, attempt:
                pass
            assert caught.value.machine == "dev"
            assert str(os.getpid()) in caught.value.holder
    with store.lock("dev", "killing it"):
        pass


def test_ones_own_lock_is_no_others(store: Store) -> None:
    make(store, "dev")
    assert store.holder("dev") is None
    assert store.holder("nobody") is None
    with store.lock("dev", "stopping it"):
        assert store.holder("dev") is None
        other = Store(store.path).holder("dev")
        assert other == f"stopping it, process {os.getpid()}"
    assert Store(store.path).holder("dev") is None


def test_who_only_looks_keeps_nobody_out(store: Store) -> None:
    make(store, "dev")
    looking = os.open(os.path.join(store.directory("dev"), ".lock"), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    timer = threading.Timer(0.02, os.close, [looking])
    timer.start()
    with store.lock("dev", "stopping it"):
        pass
    timer.join()


def test_who_looks_and_loses_the_processor_keeps_nobody_out(store: Store) -> None:
    """Also where the last one to hold the lock lives on, as a server does."""
    make(store, "dev")
    with store.lock("dev", "stopping it"):
        pass
    looking = os.open(os.path.join(store.directory("dev"), ".lock"), os.O_RDONLY)
    fcntl.flock(looking, fcntl.LOCK_SH)
    timer = threading.Timer(sum(locks.LOOKED_AT_SECONDS) * 2, os.close, [looking])
    timer.start()
    with store.lock("dev", "starting it"):
        pass
    timer.join()


def test_another_machine_is_not_in_the_way(store: Store) -> None:
    make(store, "a")
    with store.lock("a", "stopping it"), store.claim("b", "creating it") as leftovers:
        assert not leftovers


def test_an_error_inside_frees_the_lock(store: Store) -> None:
    make(store, "dev")
    with contextlib.suppress(KeyError), store.lock("dev", "stopping it"):
        raise KeyError
    with store.lock("dev", "stopping it"):
        pass


def test_no_descriptor_is_left_open(store: Store) -> None:
    make(store, "dev")
    before = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    for _ in range(5):
        with store.lock("dev", "x"), contextlib.suppress(MachineBusy), store.lock("dev", "y"):
            pass
        with contextlib.suppress(MachineExists), store.claim("dev", "creating it"):
            pass
    after = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    assert len(after) <= len(before)  # threads of other tests may close theirs


def test_a_claim_says_whether_something_was_left(store: Store) -> None:
    with store.claim("dev", "creating it") as leftovers:
        assert not leftovers
    with store.claim("dev", "creating it") as leftovers:
        assert not leftovers  # a lock is nothing
        store.save(config(store, "dev", phase="creating"))
    with store.claim("dev", "creating it") as leftovers:
        assert leftovers
        store.save(config(store, "dev"))
    with pytest.raises(MachineExists, match="dev"), store.claim("dev", "creating it"):
        pass


@pytest.mark.parametrize("content", [b"{", b"{}", b'{"ConfigVersion": 4}'])
def test_a_machine_that_cannot_be_read_is_not_claimed(store: Store, content: bytes) -> None:
    spoil(store, "dev", content)
    with pytest.raises(ConfigError), store.claim("dev", "creating it"):
        pass
    with open(os.path.join(store.directory("dev"), "config.json"), "rb") as file:
        assert file.read() == content


def test_a_newer_machine_is_not_claimed(store: Store) -> None:
    spoil(store, "dev", b'{"ConfigVersion": 4}')
    with pytest.raises(ConfigTooNew), store.claim("dev", "creating it"):
        pass


@pytest.mark.timeout(20)
@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_what_is_no_directory_cannot_be_claimed(store: Store, kind: str) -> None:
    os.makedirs(store.machines_directory)
    if kind == "file":
        with open(store.directory("dev"), "wb"):
            pass
    else:
        os.symlink("nowhere", store.directory("dev"))
    with pytest.raises(StoreError, match="dev"), store.claim("dev", "creating it"):
        pass


class Meddler:
    """Takes the place of flock; before the first lock is taken, somebody else removes the machine."""

    def __init__(self, store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        import fcntl

        self.store, self.name, self.calls = store, name, 0
        self.flock = fcntl.flock
        monkeypatch.setattr(fcntl, "flock", self)

    def __call__(self, descriptor: int, operation: int) -> None:
        self.calls += 1
        if self.calls == 1:
            self.store.remove(self.name)
        self.flock(descriptor, operation)


def test_a_lock_on_what_is_removed_meanwhile_is_none(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    make(store, "dev")
    Meddler(store, "dev", monkeypatch)
    with pytest.raises(MachineNotFound), store.lock("dev", "stopping it"):
        pass
    assert os.listdir(store.machines_directory) == []


def test_a_claim_of_what_is_removed_meanwhile_makes_it_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(store, "dev")
    meddler = Meddler(store, "dev", monkeypatch)
    with store.claim("dev", "creating it") as leftovers:
        assert not leftovers
        assert os.listdir(store.directory("dev")) == [".lock"]
    assert meddler.calls == 2

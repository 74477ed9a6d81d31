"""A certificate and its key, made once however many want them, and whoever is killed."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from dinv.errors import CertificateError
from dinv.pki import key_pairs
from dinv.system import files
from kills import Killed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def paths(tmp_path: Path) -> tuple[str, str]:
    return str(tmp_path / "new" / "cert.pem"), str(tmp_path / "new" / "key.pem")


def make(paths: tuple[str, str], key: bytes = b"key") -> bool:
    return key_pairs.make(paths, lambda: key, lambda key: b"certificate of " + key)


def content(paths: tuple[str, str]) -> list[bytes]:
    found = []
    for path in paths:
        with open(path, "rb") as file:
            found.append(file.read())
    return found


def test_they_are_made_once(paths: tuple[str, str]) -> None:
    assert not key_pairs.both_there(paths)
    assert make(paths)
    assert key_pairs.both_there(paths)
    assert not make(paths, b"another")
    assert content(paths) == [b"certificate of key", b"key"]
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in paths] == [0o644, 0o600]
    directory = os.path.dirname(paths[0])
    assert sorted(os.listdir(directory)) == ["cert.pem", "key.pem"]
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    pair = key_pairs.read(*paths)
    assert (pair.key, pair.chain, pair.key_path, pair.chain_path) == (
        b"key",
        b"certificate of key",
        paths[1],
        paths[0],
    )


def test_where_they_are_nothing_is_written(paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """They may lie where only somebody else may write."""
    make(paths)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "makedirs", denied)
    monkeypatch.setattr(os, "open", denied)
    assert key_pairs.both_there(paths)
    assert not make(paths)


def test_where_nothing_can_be_written_half_a_pair_is_still_said(
    paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkdir(os.path.dirname(paths[0]))
    files.write(paths[0], b"there", mode=0o600)

    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(CertificateError, match="is there, but not its key"):
        key_pairs.both_there(paths)


@pytest.mark.parametrize("lone", [0, 1])
def test_half_a_pair_is_a_mistake(paths: tuple[str, str], lone: int) -> None:
    os.mkdir(os.path.dirname(paths[0]))
    files.write(paths[lone], b"there", mode=0o600)
    with pytest.raises(CertificateError) as caught:
        key_pairs.both_there(paths)
    assert str(caught.value).startswith(f"{paths[lone]} is there, but not its ")
    assert paths[1 - lone] in str(caught.value)
    assert not make(paths)
    assert os.listdir(os.path.dirname(paths[0])) == [os.path.basename(paths[lone])]


@pytest.mark.parametrize("number", range(6))
def test_a_kill_at_any_step_is_finished(
    paths: tuple[str, str], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that could have been used is lost, and what was not used is not mistaken for a mistake."""
    seen = []
    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "pwrite"):
            real = getattr(os, name)

            def step(*arguments: object, name: str = name, real: object = real) -> object:
                seen.append(name)
                if len(seen) > number:
                    raise Killed
                return real(*arguments)  # type: ignore[operator]

            patch.setattr(os, name, step)
        if number < 4:
            with pytest.raises(Killed):
                make(paths)
        else:
            make(paths)
    key_was_there = os.path.exists(paths[1])
    both = os.path.exists(paths[0])
    assert key_pairs.both_there(paths) == both
    assert make(paths, b"second") == (not both)
    assert content(paths)[1] == (b"key" if key_was_there else b"second")
    assert content(paths)[0] == b"certificate of " + content(paths)[1]


def test_a_lock_that_was_left_does_not_make_a_mistake_of_later_good(paths: tuple[str, str]) -> None:
    """Another key than the one that was being made is not taken up."""
    make(paths)
    lock = os.path.join(os.path.dirname(paths[1]), ".key.pem.lock")
    files.write(lock, key_pairs._digest(b"another key"), mode=0o600)
    os.unlink(paths[0])
    with pytest.raises(CertificateError, match="but not its certificate"):
        key_pairs.both_there(paths)
    with open(paths[1], "rb") as file:
        assert file.read() == b"key"


def test_of_several_at_once_one_makes_them(paths: tuple[str, str]) -> None:
    made: list[bool] = []
    gate = threading.Barrier(8)

    def attempt(number: int) -> None:
        gate.wait()
        made.append(make(paths, b"key %d" % number))
        assert key_pairs.both_there(paths)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 7 + [True]
    certificate, key = content(paths)
    assert certificate == b"certificate of " + key


def test_whoever_is_killed_while_making_leaves_no_lock_that_holds(paths: tuple[str, str]) -> None:
    program = (
        "import os, signal, sys; from dinv.pki import key_pairs\n"
        "die = lambda key: os.kill(os.getpid(), signal.SIGKILL)\n"
        "key_pairs.make((sys.argv[1], sys.argv[2]), lambda: b'key', die)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *paths], check=False, timeout=60)
    assert done.returncode == -9
    assert os.path.exists(paths[1])
    assert not key_pairs.both_there(paths)
    assert make(paths, b"second")
    assert content(paths) == [b"certificate of key", b"key"]
    assert sorted(os.listdir(os.path.dirname(paths[0]))) == ["cert.pem", "key.pem"]


def test_who_holds_the_lock_for_too_long_is_given_up(
    paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_pairs, "LOCK_SECONDS", 0.05)
    os.mkdir(os.path.dirname(paths[1]))
    with key_pairs._exclusive(paths[1]), pytest.raises(CertificateError, match=r"for 0\.05 s"):
        make(paths)


@pytest.mark.parametrize("where", ["file/key.pem", "dir"])
def test_what_cannot_be_written(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "dir").mkdir()
    paths = str(tmp_path / "c" / "cert.pem"), str(tmp_path / where)
    if where == "dir":
        assert not make(paths)  # it is there, whatever it is
        with pytest.raises(CertificateError, match="is there, but not its certificate"):
            key_pairs.both_there(paths)
    else:
        with pytest.raises(CertificateError, match="cannot be written"):
            make(paths)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"key\.pem cannot be read: No such file"):
        key_pairs.read(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"))

"""dinv scp: which names copies get, and what is refused. The machines are directories here."""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from heard import Heard
from unpacking import unpack

from dinv.access.copying.scp import copy
from dinv.access.place import Place
from dinv.channel import Channel, FileStat
from dinv.errors import Conflict, CopyError, InputError, MachineError, MachineNotFound, ServerError
from dinv.states import ERROR, STOPPED, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dinv.errors import DinvError, EngineError

    Copy = Callable[..., list[str]]


class Archive(io.BytesIO):
    """As the engine gives one."""


class DirectoryChannel(Channel):
    """A machine whose disk is a directory here."""

    def __init__(self, disk: str) -> None:
        self.disk = disk
        self.refusal: DinvError | None = None

    def _at(self, path: str) -> str:
        assert path == posixpath.normpath(path)
        assert path.startswith("/")
        return self.disk + path

    def stat(self, path: str) -> FileStat | None:
        at = self._at(path)
        if not os.path.exists(at):
            return None
        real = os.path.realpath(at).removeprefix(self.disk) or "/"
        return FileStat(real, is_directory=os.path.isdir(at), is_regular=os.path.isfile(at))

    def put_archive(self, directory: str, archive: Any) -> None:
        if self.refusal:
            raise self.refusal
        with tarfile.open(fileobj=archive, mode="r|") as tar:
            unpack(tar, self._at(directory))

    def get_archive(self, path: str) -> Any:
        packed = Archive()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.add(self._at(path), posixpath.basename(path))
        packed.seek(0)
        return packed

    def run(self, *_: object, **__: object) -> int:
        raise NotImplementedError

    def open_terminal(self, *_: object, **__: object) -> Any:
        raise NotImplementedError


class FakeMachine:
    def __init__(self, name: str, disk: str) -> None:
        self.name = name
        self.the_channel = DirectoryChannel(disk)
        self.the_status = Status(STOPPED)
        self.closed = False

    @property
    def driver(self) -> FakeMachine:
        return self

    def channel(self) -> Channel:
        return self.the_channel

    def ssh_address(self) -> None:
        return None

    def status(self) -> Status:
        return self.the_status

    def close(self) -> None:
        self.closed = True


class FakeMachines:
    def __init__(self) -> None:
        self.there: dict[str, FakeMachine] = {}

    @property
    def store(self) -> FakeMachines:
        return self

    def exists(self, name: str) -> bool:
        return name in self.there

    def missing(self, name: str) -> MachineNotFound:
        return MachineNotFound(name)

    def get(self, name: str) -> FakeMachine:
        return self.there[name]


@pytest.fixture
def machines(tmp_path: Path) -> FakeMachines:
    found = FakeMachines()
    for name in ("m", "n"):
        (tmp_path / name / "root").mkdir(parents=True)
        found.there[name] = FakeMachine(name, str(tmp_path / name))
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """What is in root's home in the machine m."""
    return tmp_path / "m" / "root"


@pytest.fixture
def scp(machines: FakeMachines, here: Path) -> Copy:
    def run(source: str, target: str, *, recursive: bool = False) -> list[str]:
        progress = Heard()
        given: Any = machines
        copy(Place.parse(source), Place.parse(target), recursive=recursive, hosts=given, progress=progress)
        assert all(
            machine.closed
            for name, machine in machines.there.items()
            if f"{name}:" in (source[:2], target[:2])
        )
        return progress.warnings

    return run


def make(top: Path, *names: str) -> None:
    for name in names:
        path = top / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"content of {posixpath.basename(name)}")


def there(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) + "/" * path.is_dir() for path in top.rglob("*"))


def test_another_user_than_root_is_told(scp: Copy, here: Path) -> None:
    make(here, "f")
    for words in (("me@m:x", "."), ("f", "me@m:x")):
        with pytest.raises(InputError, match="root's; write m:x"):
            scp(*words)
    scp("f", "root@m:x")


# Names of copies; to a machine and from one they are the same


@pytest.mark.parametrize(
    "case",
    [
        ("f", "new", ["new"]),
        ("f", "old", ["old"]),
        ("f", "", ["f"]),
        ("f", ".", ["f"]),
        ("f", "there", ["there/f"]),
        ("f", "there/", ["there/f"]),
        ("f", "there/..", ["f"]),
        ("f", "there/as", ["there/as"]),
        ("./f", "there/../new", ["new"]),
        ("l", "new", ["new"]),
        ("l", "", ["l"]),
        ("d", "new", ["new/", "new/e/", "new/i"]),
        ("d/", "new", ["new/", "new/e/", "new/i"]),
        ("d", "there", ["there/d/", "there/d/e/", "there/d/i"]),
        ("d/.", "there", ["there/e/", "there/i"]),
        ("d/e/..", "there", ["there/e/", "there/i"]),
        ("d/.", "new", ["new/", "new/e/", "new/i"]),
        ("ld", "there", ["there/ld/", "there/ld/e/", "there/ld/i"]),
        ("d", "into", ["into/d/e/", "into/d/i"]),
    ],
)
def test_names_are_cps(
    scp: Copy, here: Path, disk: Path, tmp_path: Path, case: tuple[str, str, list[str]]
) -> None:
    source, target, found = case

    def prepare(at: Path, to: Path) -> list[str]:
        make(at, "f", "d/i", "d/e/")
        (at / "l").symlink_to("f")
        (at / "ld").symlink_to("d")
        make(to, "old", "there/", "into/d/other")
        return there(to)

    recursive = source.strip("./") not in ("f", "l")
    for at, to, arguments in (
        (here, disk, (source, f"m:{target}")),
        (disk, here, (f"m:{source}", target or ".")),
        (disk, tmp_path / "n" / "root", (f"m:{source}", f"n:{target}")),
    ):
        for top in (here, disk, tmp_path / "n" / "root"):
            for entry in there(top)[::-1]:
                path = top / entry.rstrip("/")
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        before = prepare(at, to)
        assert scp(*arguments, recursive=recursive) == []
        assert [name for name in there(to) if name not in before or name == "old" == found[0]] == found
        if recursive:
            continue
        assert (to / found[0]).read_text() == "content of f"


def test_paths_in_a_machine_start_from_home(scp: Copy, here: Path, disk: Path, tmp_path: Path) -> None:
    make(here, "f")
    make(disk, "sub/")
    for target in ("m:~/a", "m:b", "m:/root/c", "m:~/sub", "m:~"):
        scp("f", target)
    scp("f", "m:/d")
    assert there(disk) == ["a", "b", "c", "f", "sub/", "sub/f"]
    assert (tmp_path / "m" / "d").exists()


def test_a_file_with_a_colon(scp: Copy, here: Path, disk: Path) -> None:
    make(here, "a:b")
    scp("./a:b", "m:")
    scp("m:a:b", "back")
    assert there(disk) == ["a:b"]
    assert there(here) == ["a:b", "back"]


def test_within_one_machine(scp: Copy, disk: Path) -> None:
    make(disk, "d/f")
    scp("m:d", "m:e", recursive=True)
    assert there(disk) == ["d/", "d/f", "e/", "e/f"]
    for target in ("m:d", "m:d/f"):
        with pytest.raises(CopyError, match="same"):
            scp("m:d/f", target)
    with pytest.raises(CopyError, match="into itself"):
        scp("m:d", "m:d/x", recursive=True)
    with pytest.raises(CopyError, match="same"):
        scp("m:d/.", "m:d", recursive=True)


# What is refused, with nothing changed


@pytest.mark.parametrize(
    "case",
    [
        ("nope", "m:", "no such file"),
        ("m:nope", ".", "no such file"),
        ("m:f/x", ".", "no such file"),
        ("d", "m:", "add recursive=True"),
        ("m:d", ".", "add recursive=True"),
        ("f/", "m:", "not a directory"),
        ("m:f/.", ".", "not a directory"),
        ("f", "m:nope/", "no such directory"),
        ("f", "m:nope/x", "no directory /root/nope"),
        ("f", "m:f/x", "/root/f is not a directory"),
        ("f", "m:f/", "not a directory"),
        ("m:f", "nope/", "no such directory"),
        ("m:f", "nope/x", "no directory"),
        ("m:f", "f/x", "not a directory"),
        ("-r d", "m:f", "not a directory"),
        ("-r m:d", "f", "not a directory"),
        ("-r d", "m:o", "there is a file d"),
        ("f", "m:q", "there is a directory f"),
        ("pipe", "m:", "neither a file nor"),
        ("m:/proc/cpuinfo", ".", "dinv ssh m"),
        ("f", "m:/dev/x", "dinv ssh m"),
    ],
)
def test_refused(scp: Copy, here: Path, disk: Path, case: tuple[str, str, str]) -> None:
    source, target, error = case
    for top in (here, disk):
        make(top, "f", "d/i", "o/d", "q/f/")
    os.mkfifo(here / "pipe")
    before = there(here), there(disk)
    with pytest.raises(CopyError, match=error):
        scp(source.removeprefix("-r "), target, recursive=source.startswith("-r"))
    assert (there(here), there(disk)) == before


def test_two_places_here_are_for_cp(scp: Copy) -> None:
    with pytest.raises(InputError, match="use cp"):
        scp("a", "localhost:b")


def test_a_machine_that_is_not_there(scp: Copy, here: Path) -> None:
    make(here, "x:y")
    with pytest.raises(MachineNotFound) as caught:
        scp("x:y", "m:")
    assert caught.value.__notes__ == ["There is a file of this name here; to copy it, write ./x:y"]
    with pytest.raises(MachineNotFound) as caught:
        scp("nope", "z:y")
    assert not hasattr(caught.value, "__notes__")


def test_a_machine_whose_container_is_gone(scp: Copy, here: Path, machines: FakeMachines) -> None:
    make(here, "f")
    machines.there["m"].the_status = Status(ERROR, "its container is gone")
    with pytest.raises(MachineError, match="its container is gone"):
        scp("f", "m:")


def test_what_the_engine_says_is_told(scp: Copy, here: Path, machines: FakeMachines) -> None:
    make(here, "f")
    machines.there["m"].the_channel.refusal = ServerError("no space left on device")
    with pytest.raises(CopyError, match="f to m: failed: no space left on device"):
        scp("f", "m:")


class BusyChannel(DirectoryChannel):
    """Turns down what it is given, after a part of it, as often as `busy` says."""

    busy = 2

    def put_archive(self, directory: str, archive: Any) -> None:
        if self.busy:
            self.busy -= 1
            archive.read(3)
            raise Conflict("collision of concurrent operations", status=409)
        super().put_archive(directory, archive)

    def passing(self, error: EngineError) -> bool:
        return isinstance(error, Conflict)


def test_what_is_turned_down_for_now_is_copied_again(
    scp: Copy, here: Path, disk: Path, machines: FakeMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("dinv.access.copying.archive.time.sleep", pauses.append)
    (here / "f").write_bytes(b"all of it")
    machines.there["m"].the_channel = BusyChannel(machines.there["m"].the_channel.disk)
    scp("f", "m:")
    assert (disk / "f").read_bytes() == b"all of it"
    assert pauses == [0.2, 0.4]


# Files here


def test_a_link_that_is_the_target_is_written_through(scp: Copy, here: Path, disk: Path) -> None:
    make(disk, "f")
    make(here, "dots/real")
    (here / "link").symlink_to("dots/real")
    scp("m:f", "link")
    assert (here / "link").is_symlink()
    assert (here / "dots" / "real").read_text() == "content of f"


def test_devices_and_pipes_are_written_into(scp: Copy, here: Path, disk: Path) -> None:
    make(disk, "f")
    os.mkfifo(here / "pipe")
    reader = os.open(here / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        scp("m:f", "pipe")
        assert os.read(reader, 100) == b"content of f"
    finally:
        os.close(reader)
    scp("m:f", "/dev/null")
    assert not os.path.isfile("/dev/null")


def test_many_warnings_are_counted(scp: Copy, here: Path) -> None:
    (here / "d").mkdir()
    for number in range(15):
        os.mkfifo(here / "d" / str(number))
    warnings = scp("d", "m:", recursive=True)
    assert len(warnings) == 11
    assert warnings[-1] == "5 more were left out"

"""The guest channel of a VCH: by tar where the machine runs, and what is said of one that does not."""

from __future__ import annotations

import io
import os
import stat
import struct
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any, cast

import needs
import pytest

from dinv.channel import File
from dinv.drivers.docker.flavours.vm_channel import VmChannel
from dinv.engine.containers import PathStat
from dinv.errors import CopyError, NotFound, ServerError
from dinv.formats.archives.entries import entries
from dinv.formats.archives.unpacking import unpack_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dinv.engine import Engine

DIRECTORY = 1 << 31


class Streams:
    """The output of a command, as an endpoint sends it: in frames, cut anywhere."""

    def __init__(self, out: bytes, said: bytes) -> None:
        pieces = [(1, out[at : at + 1000]) for at in range(0, len(out), 1000)] + [(2, said)]
        framed = b"".join(struct.pack(">BxxxL", kind, len(data)) + data for kind, data in pieces if data)
        self.left = [framed[at : at + 700] for at in range(0, len(framed), 700)]
        self.closed = 0

    def recv(self, timeout: object) -> bytes:
        return self.left.pop(0) if self.left else b""

    def close(self) -> None:
        self.closed += 1


class Vm:
    """A container VM whose file system is this computer's, and whose archive calls are what a test says."""

    def __init__(self) -> None:
        self.running = True
        self.has_tar = True
        self.containers = self.execs = self
        self.argv: list[list[str]] = []
        self.puts: list[tuple[str, bytes]] = []
        self.refusal: Exception | None = None
        self.found: dict[str, int] = {}
        self.archive = b""
        self.streams = Streams(b"", b"")
        self.status = 0
        self.transient: Callable[[object], bool] | None = None

    def inspect(self, container: str) -> dict[str, Any]:
        assert container == "c"
        return {"State": {"Running": self.running, "Status": "running" if self.running else "exited"}}

    def run(self, container: str, argv: Sequence[str], **io_: Any) -> int:
        if "command -v tar" in argv[2]:
            return 0 if self.has_tar else 127
        self.argv.append(list(argv))
        done = subprocess.run(argv, input=io_["stdin"].read(), capture_output=True, check=False, timeout=30)
        io_["stdout"](done.stdout)
        io_["stderr"](done.stderr)
        return done.returncode

    def create(self, container: str, argv: Sequence[str]) -> str:
        self.argv.append(list(argv))
        done = subprocess.run(argv, capture_output=True, check=False, timeout=30)
        self.status = done.returncode
        self.streams = Streams(done.stdout, done.stderr)
        return "exec"

    def start(self, exec_id: str) -> Streams:
        return self.streams

    def exit_code(self, exec_id: str) -> int:
        return self.status

    def archive_put(self, container: str, path: str, data: Any, **_: object) -> None:
        self.puts.append((path, data if isinstance(data, bytes) else data.read(1 << 20)))
        if self.refusal:
            raise self.refusal

    def archive_stat(self, container: str, path: str) -> PathStat:
        if path not in self.found:
            raise NotFound("no such file", status=404)
        return PathStat(os.path.basename(path), 0, self.found[path], "", "")

    def archive_get(self, container: str, path: str, **_: object) -> Archive:
        return Archive(self.archive, PathStat(os.path.basename(path), 0, self.found[path], "", ""))


class Archive(io.BytesIO):
    def __init__(self, data: bytes, what: PathStat) -> None:
        super().__init__(data)
        self.stat = what


@pytest.fixture
def vm() -> Vm:
    return Vm()


@pytest.fixture
def channel(vm: Vm) -> VmChannel:
    return VmChannel(cast("Engine", vm), "c", "dev")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def packed(*files: tuple[str, bytes, int] | tuple[str, str]) -> bytes:
    """A tar of files, and of symbolic links (a name, and where to)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file[0])
            if len(file) == 2:
                entry.type, entry.linkname = tarfile.SYMTYPE, file[1]
                tar.addfile(entry)
            elif file[0].endswith("/"):
                entry.type, entry.mode = tarfile.DIRTYPE, file[2]
                tar.addfile(entry)
            else:
                entry.size, entry.mode = len(file[1]), file[2]
                tar.addfile(entry, io.BytesIO(file[1]))
    return out.getvalue()


def names(stream: Any) -> list[str]:
    with stream as archive:
        return [entry.name for _, entry, _ in entries(archive)]


# A machine that runs


def test_what_exists_is_replaced_whole(vm: Vm, channel: VmChannel, tmp_path: Path) -> None:
    """A secret over a file that others may read; a link where a link is; a file where a link is."""
    (tmp_path / "key.pem").write_text("old")
    (tmp_path / "key.pem").chmod(0o640)
    os.symlink("nowhere", tmp_path / "link")
    os.symlink("key.pem", tmp_path / "file")
    archive = packed(("key.pem", b"new", 0o600), ("link", "key.pem"), ("file", b"own", 0o644))
    for _ in range(2):
        channel.put_archive(str(tmp_path), archive)
        assert ((tmp_path / "key.pem").read_text(), mode(tmp_path / "key.pem")) == ("new", 0o600)
        assert os.readlink(tmp_path / "link") == "key.pem"
        assert (tmp_path / "file").read_text() == "own"
        assert not (tmp_path / "file").is_symlink()
    assert vm.puts == []


@needs.root("tar sets the times of the directories above")
def test_certificates_go_the_same_way(channel: VmChannel, tmp_path: Path) -> None:
    path = tmp_path / "certs" / "key.pem"
    path.parent.mkdir()
    path.write_text("old")
    path.chmod(0o444)
    channel.put([File(str(path), b"secret", 0o600)])
    assert (path.read_bytes(), mode(path)) == (b"secret", 0o600)


def test_what_tar_says_is_told(channel: VmChannel, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    with pytest.raises(CopyError, match=r"tar in the machine ended with status 2: .*there: Cannot open"):
        channel.put_archive(str(tmp_path), packed(("there", b"x", 0o644)))
    with pytest.raises(CopyError, match="ended with status"):
        channel.put_archive(str(tmp_path / "missing"), packed(("a", b"x", 0o644)))


def test_only_what_was_named_comes(channel: VmChannel, tmp_path: Path) -> None:
    for name in ("x", "x.d", "-x"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "inner").write_bytes(b"1" * 3000)
    (tmp_path / "xy").touch()
    os.symlink("inner", tmp_path / "x" / "link")
    assert sorted(names(channel.get_archive(str(tmp_path / "x")))) == ["x", "x/inner", "x/link"]
    assert names(channel.get_archive(str(tmp_path / "xy"))) == ["xy"]
    assert names(channel.get_archive(str(tmp_path / "-x"))) == ["-x", "-x/inner"]


def test_a_tar_that_fails_is_no_archive(vm: Vm, channel: VmChannel, tmp_path: Path) -> None:
    with pytest.raises(CopyError, match=r"tar in the machine ended with status .*missing"):
        names(channel.get_archive(str(tmp_path / "missing")))
    (tmp_path / "x").mkdir()
    stream = channel.get_archive(str(tmp_path / "x"))
    vm.status = 1
    vm.streams.left += Streams(b"", b"tar: x/log: File removed before we read it\n").left
    with stream as archive:
        data = archive.read(1 << 20)
    assert data.endswith(bytes(1024))
    assert vm.streams.closed
    stream = channel.get_archive(str(tmp_path / "x"))
    vm.status = 2
    with pytest.raises(CopyError, match="status 2: it said nothing"), stream as archive:
        archive.read(1024)


def test_without_tar_the_archive_calls_have_to_do(vm: Vm, channel: VmChannel) -> None:
    vm.has_tar = False
    channel.put_archive("/x", packed(("a", b"x", 0o644)))
    assert [path for path, _ in vm.puts] == ["/x"]
    assert vm.argv == []


# One that does not run


def test_a_link_in_the_way_says_what_to_do(vm: Vm, channel: VmChannel) -> None:
    vm.running = False
    vm.refusal = ServerError("Server error from portlayer: error writing files to device 4711", status=500)
    with pytest.raises(CopyError, match="symbolic link") as caught:
        channel.put_archive("/x", packed(("link", "to")))
    assert "dinv start dev" in str(caught.value)
    vm.refusal = ServerError("Resource in use", status=500)
    with pytest.raises(ServerError, match="in use"):
        channel.put_archive("/x", packed(("link", "to")))


def test_permissions_that_stay_are_told(vm: Vm, channel: VmChannel) -> None:
    vm.running = False
    long = "long" * 40
    archive = packed(("d/", b"", 0o755), (long, b"x" * 700, 0o644), ("d/key.pem", b"x" * 513, 0o600))
    channel.put_archive("/x", cast("Any", io.BytesIO(archive)))
    channel.put_archive("/x", archive)
    assert vm.puts == [("/x", archive), ("/x", archive)]
    vm.found = {"/x/d/key.pem": 0o600, "/x/d": DIRECTORY}
    channel.put_archive("/x", archive)
    vm.found = {"/x/d/key.pem": 0o640}
    with pytest.raises(CopyError, match=r"/x/d/key\.pem .* 0640 and not 0600") as caught:
        channel.put_archive("/x", archive)
    assert "dinv start dev" in str(caught.value)
    vm.found = {"/certs/docker.key": 0o444}
    with pytest.raises(CopyError, match=r"/certs/docker\.key .* 0444"):
        channel.put([File("/certs/docker.crt", b"c"), File("/certs/docker.key", b"k", 0o600)])


def test_neighbours_of_a_file_are_left_out(vm: Vm, channel: VmChannel) -> None:
    vm.running = False
    vm.found = {"/p/x": 0o644}
    vm.archive = packed(
        ("x", b"mine", 0o644), ("x/.d/", b"", 0o755), ("x/.d/z", b"2", 0o644), ("x/y", b"1", 0o644)
    )
    with channel.get_archive("/p/x") as stream, open(os.devnull, "wb") as sink:
        unpack_file(stream, sink.fileno())
    assert names(channel.get_archive("/p/x")) == ["x"]


def test_neighbours_of_a_directory_are_told(vm: Vm, channel: VmChannel) -> None:
    vm.running = False
    vm.found = {"/p/x": DIRECTORY}
    vm.archive = packed(("x/", b"", 0o755), ("x/own", b"1", 0o644), ("x/y", b"2", 0o644))
    assert names(channel.get_archive("/p/x")) == ["x", "x/own", "x/y"]
    vm.found["/p/xy"] = 0o644
    with pytest.raises(CopyError, match=r"/p/xy came along with /p/x, as y in it.*dinv start dev"):
        names(channel.get_archive("/p/x"))


def test_a_volumes_own_directory_is_put_in(vm: Vm, channel: VmChannel) -> None:
    """A VCH sends a volume of a stopped machine without an entry for where it is mounted."""
    vm.running = False
    vm.found = {"/v": DIRECTORY}
    vm.archive = packed(("v/file", b"1", 0o644))
    assert names(channel.get_archive("/v")) == ["v", "v/file"]

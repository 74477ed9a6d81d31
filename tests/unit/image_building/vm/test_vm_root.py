"""A root that is unpacked, added to, and written: as a tar, and to a file system."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from dinv.errors import DeadlineExceeded, ImageExportError
from dinv.image_building.vm import ext4
from dinv.image_building.vm.root import Root, attributes
from dinv.system.deadline import Deadline

if TYPE_CHECKING:
    from pathlib import Path

PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"
TOOLS = all(shutil.which(name, path=PATH) for name in ("mke2fs", "debugfs", "e2fsck"))
CAPABILITY = "SCHILY.xattr.security.capability"
CAPABLE = "\x01\x00\x00\x02\x20\x00\x00\x00"
MTIME = 1_700_000_000


def _member(name: str, data: bytes = b"", **values: object) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(data), MTIME
    for key, value in values.items():
        setattr(entry, key, value)
    return entry, data


def _archive(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry, data in members:
            tar.addfile(entry, io.BytesIO(data))
    buffer.seek(0)
    return buffer


IMAGE = (
    _member("/", type=tarfile.DIRTYPE, mode=0o755),
    _member("/etc", type=tarfile.DIRTYPE, mode=0o755),
    _member("/etc/shadow", b"root:*", mode=0o640, gid=42),
    _member("/usr", type=tarfile.DIRTYPE, mode=0o755),
    _member("/usr/lib", type=tarfile.DIRTYPE, mode=0o755),
    _member("/lib", type=tarfile.SYMTYPE, linkname="usr/lib"),
    _member("/usr/passwd", b"program", mode=0o4755),
    _member("/usr/again", type=tarfile.LNKTYPE, linkname="/usr/passwd"),
    _member('/usr/a "name" of its own', b"x", mode=0, uid=33, gid=33),
    _member("/usr/ping", b"ping", mode=0o755, pax_headers={CAPABILITY: CAPABLE}),
    _member("/dev", type=tarfile.DIRTYPE, mode=0o755),
    _member("/dev/null", type=tarfile.CHRTYPE, mode=0o666),
    _member("/run.fifo", type=tarfile.FIFOTYPE),
    _member("/.dockerenv"),
    _member("/etc/hosts", mtime=MTIME + 1000),
)


def _root(place: Path) -> Root:
    place.mkdir()
    with Root(os.fspath(place), MTIME) as root:
        root.take(_archive(*IMAGE), 1 << 20)
        root.add("boot/vmlinuz", b"kernel")
        root.link("usr/sbin/init", "/boot/vmlinuz")
        root.directory("tmp", 0o1777)
        root.directory("etc")
    return root


def test_tar_is_the_image_and_what_was_added(tmp_path: Path) -> None:
    root = _root(tmp_path / "root")
    written = io.BytesIO()
    root.write_tar(written)
    again = io.BytesIO()
    _root(tmp_path / "second").write_tar(again)
    assert written.getvalue() == again.getvalue()
    written.seek(0)
    with tarfile.open(fileobj=written) as tar:
        found = {entry.name: entry for entry in tar}
        names = list(found)
        assert tar.extractfile("boot/vmlinuz").read() == b"kernel"  # type: ignore[union-attr]
    assert "dev/null" not in found
    assert "run.fifo" not in found
    assert ".dockerenv" not in found
    assert found["etc/hosts"].mtime == MTIME, "made by the engine for the container"
    assert found["etc/shadow"].gid == 42
    assert found["etc/shadow"].mode == 0o640
    assert found["usr/passwd"].mode == 0o4755
    assert found["usr/again"].linkname == "usr/passwd"
    assert names.index("usr/again") > names.index("usr/passwd")
    assert found["tmp"].mode == 0o1777
    assert attributes(found["usr/ping"]) == {"security.capability": CAPABLE.encode()}


@pytest.mark.skipif(not TOOLS, reason="e2fsprogs makes it")
def test_file_system_has_owners_and_modes(tmp_path: Path) -> None:
    root = _root(tmp_path / "root")
    path = os.fspath(tmp_path / "disk")
    offset, size = 1 << 20, 8 << 20
    with open(path, "wb") as file:
        file.truncate(offset + size)
    uuid = "327b6177-e81b-5b0d-b120-55f2a93a4348"
    deadline = Deadline(60)
    ext4.make(path, root.path, offset=offset, size=size, label="dinv", uuid=uuid, deadline=deadline)
    ext4.own(path, root, offset=offset, scratch=os.fspath(tmp_path), deadline=deadline)

    def stat(name: str) -> list[str]:
        return _debugfs(path, offset, f'stat "{name}"').split()

    shadow = stat("/etc/shadow")
    assert _after(shadow, "Mode:") == "0640"
    assert _after(shadow, "Group:") == "42"
    assert _after(shadow, "User:") == "0"
    odd = stat('/usr/a ""name"" of its own')
    assert _after(odd, "Mode:") == "0000"
    assert _after(odd, "User:") == "33"
    assert _after(stat("/usr/passwd"), "Mode:") == "04755"
    assert _after(stat("/usr/again"), "Links:") == "2"
    assert _after(stat("/tmp"), "Mode:") == "01777"
    assert _after(stat("/"), "Mode:") == "0755"
    assert "security.capability" in _debugfs(path, offset, "ea_list /usr/ping")
    with open(path, "rb") as whole, open(tmp_path / "alone", "wb") as alone:
        whole.seek(offset)
        shutil.copyfileobj(whole, alone)
    checked = subprocess.run(
        ["e2fsck", "-f", "-n", tmp_path / "alone"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": PATH},
    )
    assert checked.returncode == 0, checked.stdout


def test_more_than_there_is_room_for(tmp_path: Path) -> None:
    with Root(os.fspath(tmp_path), 0) as root, pytest.raises(ImageExportError, match="room"):
        root.take(_archive(_member("/a", b"x" * 100)), 99)


def test_archive_that_leads_out(tmp_path: Path) -> None:
    with Root(os.fspath(tmp_path), 0) as root, pytest.raises(ImageExportError, match="leads elsewhere"):
        root.take(_archive(_member("/../a", b"x")), 99)
    inner = tmp_path / "inner"
    inner.mkdir()
    link = _member("/out", type=tarfile.SYMTYPE, linkname="..")
    with Root(os.fspath(inner), 0) as root, pytest.raises(ImageExportError, match="out/a"):
        root.take(_archive(link, _member("/out/a", b"x")), 99)
    assert not (tmp_path / "a").exists()


def test_archive_that_is_cut_short(tmp_path: Path) -> None:
    whole = _archive(*IMAGE).getvalue()
    with Root(os.fspath(tmp_path), 0) as root, pytest.raises(ImageExportError, match="unpacked"):
        root.take(io.BytesIO(whole[:3000]), 1 << 20)


def test_program_that_fails_or_hangs(tmp_path: Path) -> None:
    with pytest.raises(ImageExportError, match="Doing it failed: sh: because"):
        ext4.run(["sh", "-c", "echo because >&2; exit 3"], Deadline(10), "Doing it")
    with pytest.raises(DeadlineExceeded):
        ext4.run(["sleep", "60"], Deadline(0.2), "Doing it")


def _debugfs(path: str, offset: int, command: str) -> str:
    return subprocess.run(
        ["debugfs", "-R", command, f"{path}?offset={offset}"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": PATH},
    ).stdout


def _after(words: list[str], word: str) -> str:
    return words[words.index(word) + 1]

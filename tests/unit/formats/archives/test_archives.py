"""Tar streams: made here, renamed on their way, unpacked here from a machine that is not trusted."""

from __future__ import annotations

import errno
import io
import os
import posixpath
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.errors import CopyError
from dinv.formats.archives import packing, renaming, unpacking
from dinv.formats.archives.entries import header
from dinv.formats.archives.stream import PIECE, Stream
from dinv.formats.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dinv.formats.archives.stream import Readable

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40
).filter(lambda name: name not in (".", "..") and len(name.encode()) <= 200)


def ignore(_: object) -> None:
    pass


def member(
    name: str, content: bytes | None = None, *, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.mode = kind, link, 0o644
    entry.size = len(content or b"")
    return header(entry) + (content or b"") + bytes(-entry.size % 512)


def directory(name: str, mode: int = 0o755) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    return header(entry)


def stream(*members: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(members) + bytes(1024))


def unpack(archive: Readable, to: Path, name: str = "copy") -> list[str]:
    warnings: list[str] = []
    unpacking.unpack(archive, str(to), name, warn=warnings.append, moved=ignore)
    return warnings


def packed(path: Path, name: str) -> bytes:
    return b"".join(packing.pack(str(path), name, warn=ignore))


def tree(path: Path) -> dict[str, tuple[int, object]]:
    """What is below a directory: modes, and contents or targets."""
    found: dict[str, tuple[int, object]] = {}
    for at in sorted(path.rglob("*")):
        mode = at.lstat().st_mode
        what: object = os.readlink(at) if at.is_symlink() else at.read_bytes() if at.is_file() else None
        found[str(at.relative_to(path))] = (mode, what)
    return found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    top = tmp_path / "source"
    (top / "a b" / "ü").mkdir(parents=True)
    (top / "empty").mkdir(mode=0o750)
    (top / "a b" / "ü" / "new\nline").write_bytes(b"x" * 513)
    (top / "nothing").write_bytes(b"")
    (top / ("l" * 200)).write_bytes(b"long")
    (top / "private").write_bytes(os.urandom(3 * PIECE + 1))
    (top / "private").chmod(0o600)
    (top / os.fsdecode(b"\xff")).write_bytes(b"no text")
    (top / "link").symlink_to("a b/ü")
    (top / "closed").mkdir()
    (top / "closed" / "file").write_bytes(b"in")
    (top / "closed").chmod(0o555)
    return top


def test_what_is_packed_is_unpacked(source: Path, tmp_path: Path) -> None:
    os.utime(source / "nothing", (1, 1_000_000_000))
    into = tmp_path / "into"
    into.mkdir()
    assert unpack(io.BytesIO(packed(source, "any")), into) == []
    assert tree(into / "copy") == tree(source)
    assert (into / "copy" / "nothing").stat().st_mtime == 1_000_000_000


def test_a_renamed_stream_is_the_same_tree(source: Path, tmp_path: Path) -> None:
    pieces = renaming.renamed(io.BytesIO(packed(source, "any")), "other", warn=ignore)
    into = tmp_path / "into"
    into.mkdir()
    assert unpack(Stream(pieces, ignore), into, "third") == []
    assert tree(into / "third") == tree(source)


def test_without_a_name_it_is_the_content(source: Path, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed(source, ""))) as tar:
        names = tar.getnames()
    assert "nothing" in names
    assert "" not in names
    pieces = renaming.renamed(io.BytesIO(packed(source, "any")), "", warn=ignore)
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.getnames() == names
    unpack(io.BytesIO(packed(source, "any")), tmp_path, "")
    assert (tmp_path / "nothing").exists()


def test_what_is_packed_is_roots_and_has_no_set_id(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    (tmp_path / "f").chmod(0o6755)
    with tarfile.open(fileobj=io.BytesIO(packed(tmp_path / "f", "f"))) as tar:
        (entry,) = tar.getmembers()
    assert (entry.uid, entry.gid, entry.mode) == (0, 0, 0o755)


def test_sockets_and_pipes_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    warnings: list[str] = []
    with tarfile.open(
        fileobj=io.BytesIO(b"".join(packing.pack(str(tmp_path), "d", warn=warnings.append)))
    ) as tar:
        assert tar.getnames() == ["d"]
    assert warnings == [f"{tmp_path}/pipe is a named pipe: left out"]


def test_a_file_that_shrinks_while_it_is_packed_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(bytes(PIECE * 3))
    pieces = packing.pack(str(file), "f", warn=ignore)
    next(pieces)
    next(pieces)
    os.truncate(file, PIECE)
    with pytest.raises(CopyError, match="shorter"):
        list(pieces)


def test_one_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CopyError, match="No such file"):
        packed(tmp_path / "nope", "f")


@given(st.lists(st.binary(max_size=100).filter(bool)), st.integers(1, 300))
def test_a_stream_gives_what_the_generator_does(pieces: list[bytes], size: int) -> None:
    counted: list[int] = []
    found = Stream((piece for piece in pieces), counted.append)
    read = []
    while data := found.read(size):
        read.append(data)
    assert b"".join(read) == b"".join(pieces)
    assert all(len(data) == size for data in read[:-1])
    assert sum(counted) == sum(map(len, pieces))


@given(st.dictionaries(NAMES, st.binary(max_size=2000), min_size=1, max_size=5), NAMES)
def test_renaming_changes_names_only(files: dict[str, bytes], name: str) -> None:
    archive = stream(directory("top"), *(member(f"top/{file}", content) for file, content in files.items()))
    made = io.BytesIO(b"".join(renaming.renamed(archive, name, warn=ignore)))
    with tarfile.open(fileobj=made, encoding="utf-8") as tar:
        found = {
            entry.name: file.read()
            for entry in tar.getmembers()
            if (file := tar.extractfile(entry)) is not None
        }
    assert found == {f"{name}/{file}": content for file, content in files.items()}


def test_hard_links_stay(tmp_path: Path) -> None:
    archive = b"".join(
        [directory("t"), member("t/a", b"x"), member("t/b", kind=tarfile.LNKTYPE, link="t/a"), bytes(1024)]
    )
    unpack(io.BytesIO(archive), tmp_path)
    assert (tmp_path / "copy" / "a").stat().st_ino == (tmp_path / "copy" / "b").stat().st_ino
    unpack(io.BytesIO(archive), tmp_path)  # once more, over what is there
    assert sorted(os.listdir(tmp_path / "copy")) == ["a", "b"]
    with tarfile.open(
        fileobj=io.BytesIO(b"".join(renaming.renamed(io.BytesIO(archive), "n", warn=ignore)))
    ) as tar:
        assert tar.getmember("n/b").linkname == "n/a"


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP])
def test_where_a_file_system_has_no_links_and_no_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    for call in ("link", "symlink", "fchmod"):
        monkeypatch.setattr(os, call, refuse)
    warnings = unpack(
        stream(
            directory("t"),
            member("t/a", b"x" * (PIECE + 1)),
            member("t/b", kind=tarfile.LNKTYPE, link="t/a"),
            member("t/l", kind=tarfile.SYMTYPE, link="a"),
            member("t/z", b"z"),
        ),
        tmp_path,
    )
    assert sorted(os.listdir(tmp_path / "copy")) == ["a", "b", "z"]
    assert (tmp_path / "copy" / "b").read_bytes() == b"x" * (PIECE + 1)
    assert len(warnings) == 1
    assert "copy/l is a symbolic link" in warnings[0]
    with pytest.raises(CopyError):
        unpack(
            stream(directory("t"), directory("t/d"), member("t/h", kind=tarfile.LNKTYPE, link="t/d")),
            tmp_path,
        )


# A hostile machine


@pytest.mark.parametrize("name", ["t/../../escaped", "t/..", "../../escaped/..", "t/a/../../../escaped"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(CopyError, match="elsewhere"):
        unpack(stream(directory("t"), member(name, b"x")), into)
    assert os.listdir(tmp_path) == ["into"]


def test_absolute_names_are_below_the_target(tmp_path: Path) -> None:
    archive = stream(directory("t"), directory("/sub"), member("/sub/f", b"x"), member("x//./y", b"y"))
    unpack(archive, tmp_path, "")
    assert tree(tmp_path).keys() == {"sub", "sub/f", "y"}


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    into = tmp_path / "into"
    (into / "copy").mkdir(parents=True)
    (into / "copy" / "way").symlink_to(outside)  # as if a link had slipped through
    with pytest.raises(CopyError):
        unpack(stream(directory("t"), member("t/way/file", b"x")), into)
    with pytest.raises(CopyError):
        unpack(stream(directory("t"), directory("t/way")), into)
    with pytest.raises(CopyError):
        unpack(stream(directory("t"), member("t/h", kind=tarfile.LNKTYPE, link="t/way/x")), into)
    (outside / "victim").write_bytes(b"mine")
    (into / "copy" / "file").symlink_to(outside / "victim")
    unpack(stream(directory("t"), member("t/file", b"theirs")), into)
    assert (into / "copy" / "file").read_bytes() == b"theirs"
    assert not (into / "copy" / "file").is_symlink()
    assert (outside / "victim").read_bytes() == b"mine"
    assert os.listdir(outside) == ["victim"]


def test_a_hard_link_cannot_reach_out(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"mine")
    into = tmp_path / "into"
    into.mkdir()
    for link in ("t/../../mine", "t/../mine"):
        with pytest.raises(CopyError):
            unpack(stream(directory("t"), member("t/h", kind=tarfile.LNKTYPE, link=link)), into)
    with pytest.raises(CopyError):
        unpack(stream(directory("t"), member("t/h", kind=tarfile.LNKTYPE, link=str(tmp_path / "mine"))), into)
    assert (tmp_path / "mine").stat().st_nlink == 1


def test_links_out_and_devices_are_left_out(tmp_path: Path) -> None:
    warnings = unpack(
        stream(
            directory("t"),
            member("t/etc", kind=tarfile.SYMTYPE, link="/etc"),
            member("t/up", kind=tarfile.SYMTYPE, link="../.."),
            member("t/in", kind=tarfile.SYMTYPE, link="d/f"),
            member("t/null", kind=tarfile.CHRTYPE),
            member("t/pipe", kind=tarfile.FIFOTYPE),
        ),
        tmp_path,
    )
    assert os.listdir(tmp_path / "copy") == ["in"]
    assert len(warnings) == 4
    assert "link to /etc" in warnings[0]


@given(
    st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=6).map("/".join).filter(bool),
    st.integers(0, 3),
)
def test_no_link_that_leads_out_is_taken(target: str, depth: int) -> None:
    if not unpacking.leads_out(target, depth=depth):
        place = ["top", *(f"d{level}" for level in range(depth))]
        found = posixpath.normpath(posixpath.join("/out", *place, target))
        assert found == "/out/top" or found.startswith("/out/top/")


def test_chains_of_links_do_not_lead_out() -> None:
    assert unpacking.leads_out("d/..", depth=0)  # d may be a link to "."
    assert unpacking.leads_out("../x", depth=0)
    assert not unpacking.leads_out("../x", depth=1)
    assert unpacking.leads_out("a\0b", depth=1)


def test_names_are_shown_without_what_a_terminal_obeys(tmp_path: Path) -> None:
    (warning,) = unpack(stream(directory("t"), member("t/\x1b[2J", kind=tarfile.FIFOTYPE)), tmp_path)
    assert "\x1b" not in warning
    assert one_line("a\udcffb") == "a\\udcffb"
    assert one_line("blank ü") == "blank ü"


# Cut short


def whole() -> bytes:
    return stream(directory("t"), member("t/a", b"a" * 600), member("t/b", b"b" * 600)).getvalue()


@given(st.integers(0, len(whole()) - 513))
def test_a_stream_cut_short_is_an_error(length: int) -> None:
    with pytest.raises(CopyError):
        list(renaming.renamed(io.BytesIO(whole()[:length]), "x", warn=ignore))


def test_a_file_cut_short_never_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "b").write_bytes(b"old")
    with pytest.raises(CopyError):
        unpack(io.BytesIO(whole()[:3000]), tmp_path)
    assert (tmp_path / "copy" / "a").read_bytes() == b"a" * 600
    assert (tmp_path / "copy" / "b").read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path / "copy")) == ["a", "b"]


def test_a_damaged_header_is_no_end(tmp_path: Path) -> None:
    data = bytearray(whole())
    data[512 + 512 + 1024] ^= 1  # the name of the second file, which its checksum covers
    with pytest.raises(CopyError, match="damaged"):
        unpack(io.BytesIO(bytes(data)), tmp_path)


@given(st.binary(max_size=3000))
def test_rubbish_is_an_error_of_ours(data: bytes) -> None:
    with pytest.raises(CopyError):
        list(renaming.renamed(io.BytesIO(data + b"x"), "x", warn=ignore))


@pytest.mark.parametrize(
    "said", ["mtime=inf", "mtime=nan", "size=-5", "size=x", "path=t/a\0b", "mtime=-9e99"]
)
def test_pax_headers_can_say_anything(tmp_path: Path, said: str) -> None:
    record = f" {said}\n".encode()
    record = str(len(record) + 2).encode() + record
    archive = stream(directory("t"), member("x", record, kind=tarfile.XHDTYPE), member("t/a", b""))
    try:
        unpack(archive, tmp_path)
    except CopyError:
        return
    assert os.listdir(tmp_path / "copy") == ["a"]


def test_what_is_in_the_way_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "copy" / "f").mkdir(parents=True)
    with pytest.raises(CopyError, match="directory"):
        unpack(stream(directory("t"), member("t/f", b"x")), tmp_path)
    assert os.listdir(tmp_path / "copy") == ["f"]


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir(mode=0o700)
    unpack(stream(directory("t", 0o777), directory("t/new", 0o711)), tmp_path)
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "copy" / "new").stat().st_mode) == 0o711


def test_one_file_is_written_into_what_is_open(tmp_path: Path) -> None:
    def into(members: Iterable[bytes]) -> bytes:
        with open(tmp_path / "out", "wb") as file:
            unpacking.unpack_file(stream(*members), file.fileno())
        return (tmp_path / "out").read_bytes()

    assert into([member("f", b"x" * 700)]) == b"x" * 700
    for others in ([directory("f")], [member("f/g", b"x")]):
        with pytest.raises(CopyError, match="more than a file"):
            into(others)

"""`docker cp` on a simulated VCH: as VIC's filter and its unpack program do it, not as moby does."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from vch_client import ask, make, tar

from dinv.errors import NotFound, ServerError

if TYPE_CHECKING:
    from dinv.engine import Engine
    from dinv.testing.vch import VchSimulator

SERVER = "Server error from portlayer: "
FAILED = "^Server error from portlayer: error writing files to device {}$"


def entry(name: str, content: bytes | None = None, **fields: Any) -> tuple[tarfile.TarInfo, bytes | None]:
    """A member of an archive: a file with content, without it a directory, or what `fields` say."""
    found = tarfile.TarInfo(name)
    found.size = len(content or b"")
    found.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    found.mode = 0o755 if content is None else 0o644
    for field, value in fields.items():
        setattr(found, field, value)
    return found, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, None]:
    return entry(name, type=kind, linkname=target)[0], None


def pack(*entries: tuple[tarfile.TarInfo, bytes | None]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for member, content in entries:
            archive.addfile(member, io.BytesIO(content) if content else None)
    return buffer.getvalue()


def read(client: Engine, container: str, path: str) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """An archive's members by name, with their content."""
    with client.containers.archive_get(container, path) as archive:
        data = archive.read()
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    if data:
        with tarfile.open(fileobj=io.BytesIO(data)) as tape:
            for member in tape:
                file = tape.extractfile(member) if member.isreg() else None
                found[member.name] = (member, file.read() if file else b"")
    return found


def names(client: Engine, container: str, path: str) -> list[str]:
    return sorted(read(client, container, path))


def shell(client: Engine, container: str, command: str) -> str:
    out: list[bytes] = []
    client.execs.run(container, ["sh", "-c", command], stdout=out.append, timeout=60)
    return b"".join(out).decode()


@pytest.fixture
def dev(client: Engine) -> str:
    """A container that runs."""
    made = make(client, "dev", Binds=["disk:/data"])
    client.containers.start("dev")
    return made


@pytest.mark.parametrize("online", [False, True])
def test_to_and_fro(client: Engine, online: bool) -> None:  # noqa: FBT001
    make(client, "dev", Binds=["disk:/data"])
    if online:
        client.containers.start("dev")
    client.containers.archive_put("dev", "/data", tar("f", b"content"))
    client.containers.archive_put("dev", "/", tar("tmp/g", b"more"))
    assert read(client, "dev", "/data/f")["f"][1] == b"content"
    assert read(client, "dev", "/tmp/g")["g"][1] == b"more"
    assert client.containers.archive_stat("dev", "/tmp/g").size == 4
    with pytest.raises(NotFound, match="No such file or directory for container: dev"):
        client.containers.archive_get("dev", "/nowhere/f")
    with pytest.raises(NotFound):
        client.containers.archive_stat("dev", "/nowhere/f")


def test_a_large_archive(client: Engine) -> None:
    make(client, "dev", Binds=["disk:/data"])
    content = bytes(5_000_000)
    client.containers.archive_put("dev", "/data", io.BytesIO(tar("big", content)))
    assert client.containers.archive_stat("dev", "/data/big").size == len(content)
    assert read(client, "dev", "/data/big")["big"][1] == content


# Looking


def test_mount_points_are_said_to_be_there_without_a_look(client: Engine) -> None:
    make(client, "dev", Binds=["disk:/data"])
    for path in ("/", "/data", "/data/", "/da", "data"):
        fake = client.containers.archive_stat("dev", path)
        # Go's mode of a directory with no permissions; the time is now.
        assert (fake.mode, fake.size, fake.is_dir) == (1 << 31, 4096, True), path
        assert fake.mtime.startswith("20")
    real = client.containers.archive_stat("dev", "/tmp")
    assert real.mode != fake.mode


def test_a_link_is_told_as_it_says(client: Engine, dev: str) -> None:
    shell(client, dev, "mkdir /p; echo x > /p/f; ln -s f /p/l")
    assert client.containers.archive_stat(dev, "/p/l").link_target == "f"


# Reading


def test_neighbours_with_the_same_beginning_come_along(client: Engine, dev: str) -> None:
    """The filter is the beginning of a text. `docker cp` fails there on the real one, too."""
    shell(client, dev, "mkdir -p /p/x /p/x.d; for f in x/f x.d/f xy z; do echo $f > /p/$f; done")
    assert names(client, dev, "/p/x") == ["x", "x/.d", "x/.d/f", "x/f", "x/y"]
    assert names(client, dev, "/p/x/.") == ["f"], "its contents alone have no neighbours"
    assert names(client, dev, "/p/z") == ["z"]
    shell(client, dev, "cp -r /p /data")
    assert names(client, dev, "/data/p/x") == ["x", "x/.d", "x/.d/f", "x/f", "x/y"]


def test_a_volume(client: Engine, dev: str) -> None:
    shell(client, dev, "echo x > /data/f; mkdir /data/d; echo y > /data/d/g")
    assert names(client, dev, "/data") == ["data", "data/d", "data/d/g", "data/f"]
    # What is left of the path after the mount point is "/", and no entry begins with that.
    assert names(client, dev, "/data/.") == []
    client.containers.stop(dev, grace=0)
    # Where it is mounted is nothing on the container's own disk.
    assert names(client, dev, "/data") == ["data/d", "data/d/g", "data/f"]


def test_owners_are_not_told_and_hard_links_are(client: Engine, dev: str) -> None:
    shell(client, dev, "mkdir /p; echo x > /p/a; chown 7:8 /p/a; chmod 640 /p/a; ln /p/a /p/b; echo y > /q")
    found = read(client, dev, "/p")
    assert (found["p/a"][0].uid, found["p/a"][0].gid, found["p/a"][0].mode & 0o777) == (0, 0, 0o640)
    assert (found["p/b"][0].islnk(), found["p/b"][0].linkname) == (True, "p/a")
    shell(client, dev, "ln /p/a /p2")
    assert read(client, dev, "/p2")["p2"][1] == b"x\n", "with its other name left out it is a file"


# Writing


def test_what_is_written_is_roots_and_new(client: Engine, dev: str) -> None:
    member = entry("f", b"x", uid=7, gid=8, mtime=1, mode=0o664)
    client.containers.archive_put(dev, "/data", pack(entry("d", mode=0o775, uid=7), member))
    assert shell(client, dev, "stat -c '%u %g %a' /data/f /data/d") == "0 0 644\n0 0 755\n"
    assert int(shell(client, dev, "stat -c %Y /data/f")) > 1_000_000_000


def test_what_is_there_keeps_its_mode_and_owner(client: Engine, dev: str) -> None:
    """A secret that is copied over a file others may read stays readable."""
    shell(client, dev, "echo old > /data/f; chmod 640 /data/f; chown 7:8 /data/f; mkdir -m 700 /data/d")
    client.containers.archive_put(dev, "/data", pack(entry("f", b"new", mode=0o600), entry("d", mode=0o755)))
    assert shell(client, dev, "cat /data/f; stat -c ' %u %g %a' /data/f /data/d") == (
        "new 7 8 640\n 0 0 700\n"
    )


def test_a_link_that_is_there_ends_it_after_what_came_before(client: Engine, dev: str) -> None:
    archive = pack(entry("a", b"1"), link("l", "a"), entry("b", b"2"))
    client.containers.archive_put(dev, "/data", archive)
    assert shell(client, dev, "cat /data/l /data/b") == "12"
    again = pack(entry("a", b"3"), link("l", "a"), entry("b", b"4"))
    with pytest.raises(ServerError, match=FAILED.format("disk")):
        client.containers.archive_put(dev, "/data", again)
    assert shell(client, dev, "cat /data/a /data/b") == "32", "what comes after it is not written"


def test_a_file_is_written_through_a_link(client: Engine, dev: str) -> None:
    shell(client, dev, "echo old > /data/f; ln -s f /data/l; mkdir /data/d; ln -s d /data/e")
    client.containers.archive_put(dev, "/data", pack(entry("l", b"new"), entry("e/g", b"g")))
    assert shell(client, dev, "readlink /data/l; cat /data/f /data/d/g") == "f\nnewg"


@pytest.mark.parametrize(
    ("path", "entries"),
    [
        ("/nowhere", [entry("f", b"x")]),
        ("/data", [entry("missing/f", b"x")]),
        ("/data", [entry("d", b"a file over a folder")]),
        ("/data", [entry("f")]),
        ("/data", [entry("f/below", b"x")]),
        ("/data", [link("d", "f")]),
    ],
)
def test_what_unpack_cannot_do(
    client: Engine, dev: str, path: str, entries: list[tuple[tarfile.TarInfo, bytes | None]]
) -> None:
    shell(client, dev, "mkdir /data/d; echo f > /data/f")
    with pytest.raises(ServerError, match=FAILED.format(dev if path == "/nowhere" else "disk")):
        client.containers.archive_put(dev, path, pack(*entries))
    assert shell(client, dev, "cat /data/f; ls /data") == "f\nd\nf\n"


def test_a_folder_in_the_archive_makes_where_it_goes(client: Engine, dev: str) -> None:
    client.containers.archive_put(dev, "/new/er", pack(entry("./"), entry("./f", b"x")))
    assert shell(client, dev, "cat /new/er/f; stat -c ' %a' /new /new/er") == "x 755\n 755\n"


def test_hard_links_are_passed_over(client: Engine, dev: str) -> None:
    archive = pack(entry("a", b"1"), link("b", "a", tarfile.LNKTYPE), entry("c", b"3"))
    client.containers.archive_put(dev, "/data", archive)
    assert shell(client, dev, "ls /data") == "a\nc\n"


def test_members_go_to_the_disk_they_belong_to(client: Engine, dev: str) -> None:
    client.containers.archive_put(dev, "/", pack(entry("data/f", b"x"), entry("data/d"), entry("own", b"y")))
    client.containers.archive_put(dev, "/data", pack(entry("d/g", b"z")))
    assert shell(client, dev, "cat /data/f /own /data/d/g") == "xyz"


@pytest.mark.parametrize(
    ("data", "status", "words"),
    [
        (b"no tar" * 200, 500, "^archive/tar: invalid tar header$"),
        (tar("f", bytes(100_000))[:50_000], 500, "^unexpected EOF$"),
        (b"\x1f\x8b\x08 not gzip" * 100, 500, "^archive/tar: invalid tar header$"),
        (b"", 200, ""),
        (gzip.compress(tar("f", b"x")), 200, ""),
    ],
)
def test_what_comes_may_be_no_tar(client: Engine, dev: str, data: bytes, status: int, words: str) -> None:
    if status == 200:
        client.containers.archive_put(dev, "/tmp", data)
        return
    with pytest.raises(ServerError, match=words) as error:
        client.containers.archive_put(dev, "/tmp", data)
    assert error.value.status == status


def test_a_disk_that_another_one_holds(client: Engine) -> None:
    make(client, "one", Binds=["disk:/data"])
    make(client, "two", Binds=["disk:/data"])
    client.containers.archive_put("one", "/data", tar("f", b"x"))
    client.containers.start("one")
    with pytest.raises(ServerError, match=r"^Resource in use$"):
        client.containers.archive_put("two", "/data", tar("f", b"x"))
    assert read(client, "two", "/data") == {}, "an answer of 200 with nothing in it"
    client.containers.archive_put("two", "/tmp", tar("f", b"x"))


# The port layer


@pytest.mark.parametrize(
    ("status", "told", "words"),
    [
        (404, 404, "No such file or directory"),
        (409, 500, f"{SERVER}unexpected copy failure may result in truncated copy, please try again"),
        (422, 500, f"{SERVER}failed to process given path"),
        (423, 500, "Resource in use"),
        (500, 500, f"{SERVER}error writing files to device disk"),
        (503, 500, "[POST /archive][503] ImportArchive default "),
    ],
)
def test_a_write_that_the_port_layer_refuses(
    vch: VchSimulator, client: Engine, status: int, told: int, words: str
) -> None:
    make(client, "dev", Binds=["disk:/data"])
    vch.faults.port_layer("ImportArchive", status)
    answer = ask(vch, "PUT", "/containers/dev/archive?path=/data", tar("f", b"x"), "application/x-tar")
    assert answer == (told, words)
    client.containers.archive_put("dev", "/data", tar("f", b"x"))


@pytest.mark.parametrize("status", [404, 422, 423, 500])
def test_a_read_that_the_port_layer_refuses_is_empty(vch: VchSimulator, client: Engine, status: int) -> None:
    make(client, "dev")
    client.containers.archive_put("dev", "/", tar("f", b"x"))
    vch.faults.port_layer("ExportArchive", status)
    assert read(client, "dev", "/f") == {}
    assert names(client, "dev", "/f") == ["f"]


@pytest.mark.parametrize(("status", "told"), [(404, 404), (422, 500), (500, 500), (503, 500)])
def test_a_look_that_the_port_layer_refuses(
    vch: VchSimulator, client: Engine, status: int, told: int
) -> None:
    make(client, "dev")
    vch.faults.port_layer("StatPath", status)
    with pytest.raises((NotFound, ServerError)) as error:
        client.containers.archive_stat("dev", "/etc/passwd")
    assert error.value.status == told

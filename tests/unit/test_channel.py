"""The guest channel of a container: what it asks of the engine."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.channel import IDLE_SECONDS, ContainerChannel, File, pack
from dinv.engine.containers import PathStat
from dinv.errors import NotFound, ServerError
from dinv.system.deadline import IdleDeadline

DIRECTORY, LINK, PIPE = 1 << 31, 1 << 27, 1 << 25
PARTS = st.lists(st.from_regex(r"[a-z]{1,5}", fullmatch=True), min_size=1, max_size=5)


class Containers:
    """Paths with Go's mode bits and what a link says."""

    def __init__(self, found: dict[str, tuple[int, str]]) -> None:
        self.found = found
        self.put: list[tuple[str, bytes, dict[str, Any]]] = []
        self.got: list[dict[str, Any]] = []

    def archive_stat(self, container: str, path: str) -> PathStat:
        assert container == "c"
        if path.startswith("/file/"):
            raise ServerError("Internal Server Error", status=500)
        if path == "/broken":
            raise ServerError("the disk is on fire", status=500)
        if path not in self.found:
            raise NotFound("no such file", status=404)
        mode, target = self.found[path]
        return PathStat(path.rpartition("/")[2], 5, mode | 0o644, "", target)

    def archive_put(self, container: str, path: str, data: bytes, **options: Any) -> None:
        self.put.append((path, data, options))

    def archive_get(self, container: str, path: str, **options: Any) -> str:
        self.got.append(options)
        return path


class Stream:
    def __init__(self) -> None:
        self.copied: dict[str, Any] = {}
        self.closed = 0

    def copy(self, **streams: Any) -> None:
        self.copied = streams

    def close(self) -> None:
        self.closed += 1


class Execs:
    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.stream = Stream()

    def create(self, container: str, argv: list[str], **options: Any) -> str:
        self.calls.append(("create", container, argv, options))
        return "e"

    def start(self, identity: str, *, tty: bool) -> Stream:
        self.calls.append(("start", identity, tty))
        return self.stream

    def resize(self, identity: str, *, height: int, width: int, timeout: float) -> None:
        self.calls.append(("resize", identity, height, width))

    def exit_code(self, identity: str) -> int:
        return 7

    def run(self, container: str, argv: list[str], **options: Any) -> int:
        self.calls.append(("run", container, argv, options))
        return 3


class Engine:
    def __init__(self, found: dict[str, tuple[int, str]] | None = None) -> None:
        self.containers = Containers(found or {})
        self.execs = Execs()


def channel(engine: Any) -> ContainerChannel:
    return ContainerChannel(engine, "c")


FOUND = {
    "/": (DIRECTORY, ""),
    "/file": (0, ""),
    "/pipe": (PIPE, ""),
    "/dir": (DIRECTORY, ""),
    "/link": (LINK, "/file"),
    "/dir/up": (LINK, "../dir"),
    "/twice": (LINK, "/link"),
    "/dangling": (LINK, "/nothing"),
    "/loop": (LINK, "loop"),
}


@pytest.mark.parametrize(
    ("path", "where", "kind"),
    [
        ("/file", "/file", (False, True)),
        ("/dir", "/dir", (True, False)),
        ("/pipe", "/pipe", (False, False)),
        ("/link", "/file", (False, True)),
        ("/twice", "/file", (False, True)),
        ("/dir/up", "/dir", (True, False)),
    ],
)
def test_links_are_followed(path: str, where: str, kind: tuple[bool, bool]) -> None:
    found = channel(Engine(FOUND)).stat(path)
    assert found is not None
    assert (found.path, (found.is_directory, found.is_regular), found.size) == (where, kind, 5)


@pytest.mark.parametrize("path", ["/nothing", "/dangling", "/loop", "/file/below", "/file/far/below"])
def test_nothing_is_none(path: str) -> None:
    assert channel(Engine(FOUND)).stat(path) is None


def test_an_engine_that_fails_is_not_taken_for_nothing() -> None:
    with pytest.raises(ServerError, match="on fire"):
        channel(Engine(FOUND)).stat("/broken")


def test_archives_may_take_as_long_as_they_move() -> None:
    engine = Engine()
    channel(engine).put_archive("/d", b"tar")
    assert str(channel(engine).get_archive("/x")) == "/x"
    ((directory, data, options),) = engine.containers.put
    assert (directory, data, options["no_overwrite_dir_non_dir"]) == ("/d", b"tar", True)
    for deadline in (options["timeout"], engine.containers.got[0]["body_timeout"]):
        assert isinstance(deadline, IdleDeadline)
        assert deadline.seconds == IDLE_SECONDS


def test_a_command() -> None:
    engine = Engine()
    assert channel(engine).run(["ls"], environment={"A": "b"}, timeout=4) == 3
    ((_, container, argv, options),) = engine.execs.calls
    assert (container, argv, options["env"], options["timeout"]) == ("c", ["ls"], {"A": "b"}, 4)


def test_a_terminal() -> None:
    engine = Engine()
    with channel(engine).open_terminal(["sh"], environment={"TERM": "vt100"}) as terminal:
        terminal.resize(rows=5, columns=6)
        terminal.copy(stdin=None, stdout=print)
        assert terminal.exit_status() == 7
        assert not engine.execs.stream.closed
    assert engine.execs.stream.closed
    create, start, resize = engine.execs.calls
    assert create == ("create", "c", ["sh"], {"stdin": True, "tty": True, "env": {"TERM": "vt100"}})
    assert (start, resize) == (("start", "e", True), ("resize", "e", 5, 6))


# What is packed


@given(st.dictionaries(PARTS.map("/".join), st.binary(max_size=700), min_size=1, max_size=5))
def test_files_are_packed_with_the_directories_they_need(files: dict[str, bytes]) -> None:
    with tarfile.open(
        fileobj=io.BytesIO(pack(File(f"/{path}", data, 0o600) for path, data in files.items()))
    ) as tar:
        members = tar.getmembers()
        for path, data in files.items():
            file = tar.extractfile(
                next(member for member in members if member.name == path and member.isreg())
            )
            assert file is not None
            assert file.read() == data
    seen = {""}
    for member in members:
        above, _, _ = member.name.rpartition("/")
        assert above in seen or "/" not in above, "a directory comes before what is in it"
        seen.add(member.name)
        assert (member.uid, member.gid) == (0, 0)
        assert member.mode == (0o755 if member.isdir() else 0o600)
        assert not member.isdir() or "/" in member.name, "top-level directories are the image's"


def test_put_unpacks_at_the_root() -> None:
    engine = Engine()
    channel(engine).put([File("/etc/x/f", b"1")])
    ((directory, data, _),) = engine.containers.put
    assert directory == "/"
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert tar.getnames() == ["etc/x", "etc/x/f"]

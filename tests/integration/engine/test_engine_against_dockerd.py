"""The client against a real dockerd, with docker-py as the second opinion."""

from __future__ import annotations

import contextlib
import io
import os
import select
import tarfile
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

import docker
import pytest

from dinv.engine import Engine, IdleDeadline, parse_address
from dinv.errors import (
    BadRequest,
    Conflict,
    DeadlineExceeded,
    EngineError,
    NotFound,
    ServerError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

BUSYBOX = "/bin/busybox"
APPLETS = (
    "sh",
    "cat",
    "echo",
    "sleep",
    "ls",
    "id",
    "pwd",
    "stty",
    "tty",
    "true",
    "false",
    "test",
    "yes",
)
RUN = uuid.uuid4().hex[:8]
LABEL = f"io.dinv.test.engine={RUN}"


def _tar(files: dict[str, bytes | tuple[str, str]]) -> bytes:
    """Return a tar: path to content, or ("link", target), or ("dir", "")."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mode = 0o755
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type = tarfile.SYMTYPE if content[0] == "link" else tarfile.DIRTYPE
                info.linkname = content[1]
                archive.addfile(info)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def address(endpoint_address: str) -> str:
    return endpoint_address


@pytest.fixture(scope="module")
def engine(address: str) -> Iterator[Engine]:
    with Engine(parse_address(address), timeout=30) as engine:
        yield engine


@pytest.fixture(scope="module")
def oracle(address: str) -> Iterator[Any]:
    client = docker.DockerClient(base_url=address, version="auto", timeout=30)
    yield client.api
    client.close()


@pytest.fixture(scope="module")
def image(engine: Engine) -> Iterator[str]:
    with open(BUSYBOX, "rb") as file:
        files: dict[str, bytes | tuple[str, str]] = {"bin/busybox": file.read(), "tmp": ("dir", "")}
    files |= {f"bin/{applet}": ("link", "busybox") for applet in APPLETS}
    files["etc/passwd"] = b"root:x:0:0::/:/bin/sh\nme:x:1000:1000::/:/bin/sh\n"
    tag = f"dinv-test-engine:{RUN}"
    found = engine.images.import_(
        io.BytesIO(_tar(files)), repo="dinv-test-engine", tag=RUN, changes=["ENV A=image", f"LABEL {LABEL}"]
    )
    assert engine.images.inspect(tag)["Id"] == found
    yield tag
    engine.images.remove(tag, force=True)


@contextlib.contextmanager
def _container(engine: Engine, image: str, *command: str, start: bool = True, **body: Any) -> Iterator[str]:
    name = f"dinv-test-engine-{uuid.uuid4().hex[:8]}"
    found, warnings = engine.containers.create(name, {"Image": image, "Cmd": list(command), **body})
    try:
        assert len(found) == 64
        assert isinstance(warnings, list)
        if start:
            engine.containers.start(found)
        yield found
    finally:
        engine.containers.remove(found, force=True)


@pytest.fixture(scope="module")
def container(engine: Engine, image: str) -> Iterator[str]:
    with _container(engine, image, "sleep", "1000") as found:
        yield found


def _run(engine: Engine, container: str, *argv: str, **more: Any) -> tuple[int, bytes, bytes]:
    out: list[bytes] = []
    error = io.BytesIO()
    code = engine.execs.run(container, argv, stdout=out.append, stderr=error, timeout=30, **more)
    return code, b"".join(out), error.getvalue()


def test_version_and_info(engine: Engine, oracle: Any) -> None:
    assert engine.ping().api_version == oracle.version(api_version=False)["ApiVersion"]
    assert engine.version() == oracle.version(api_version=False)
    ours, theirs = engine.info(), oracle.info()
    assert ours["ID"] == theirs["ID"]
    assert ours.keys() == theirs.keys()


def test_inspect(engine: Engine, oracle: Any, container: str, image: str) -> None:
    assert engine.containers.inspect(container) == oracle.inspect_container(container)
    assert engine.images.inspect(image) == oracle.inspect_image(image)


def test_lists(engine: Engine, oracle: Any, container: str, image: str) -> None:
    ours = engine.containers.list(all=True, filters={"label": [LABEL]})
    assert container in [found["Id"] for found in ours]
    theirs = oracle.containers(all=True, filters={"label": [LABEL]})
    assert [found["Id"] for found in ours] == [found["Id"] for found in theirs]
    assert engine.containers.list(filters={"label": [LABEL], "name": ["no-such"]}) == []
    assert image in engine.images.list(filters={"label": [LABEL]})[0]["RepoTags"]


def _wait_for_loop(engine: Engine, container: str) -> None:
    end = time.monotonic() + 30
    # The shell's own command line has the word in it as well.
    while not any(row[-1].startswith("sleep") for row in engine.containers.top(container)["Processes"]):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_life(engine: Engine, image: str) -> None:
    with _container(
        engine, image, "sh", "-c", "trap 'exit 5' TERM; while :; do sleep 0.05; done", start=False
    ) as c:
        assert engine.containers.inspect(c)["State"]["Status"] == "created"
        engine.containers.start(c)
        engine.containers.start(c)
        assert engine.containers.inspect(c)["State"]["Running"]
        with pytest.raises(Conflict):
            engine.containers.remove(c)
        _wait_for_loop(engine, c)
        stats = engine.containers.stats(c)
        assert stats["memory_stats"]["usage"] > 0
        engine.containers.kill(c, signal="SIGTERM")
        assert engine.containers.wait(c, timeout=30) == 5
        with pytest.raises(Conflict):
            engine.containers.kill(c)
        engine.containers.restart(c, grace=1)
        _wait_for_loop(engine, c)  # before that, its trap may not be set
        engine.containers.stop(c, grace=10)
        engine.containers.stop(c)
        assert engine.containers.inspect(c)["State"]["ExitCode"] == 5
        engine.containers.rename(c, f"dinv-test-engine-{RUN}-renamed")
        assert engine.containers.inspect(f"dinv-test-engine-{RUN}-renamed")["Id"] == c


def test_wait_for_the_next_exit(engine: Engine, image: str) -> None:
    with _container(engine, image, "sh", "-c", "exit 9", start=False) as c:
        codes: list[int] = []
        waiter = threading.Thread(
            target=lambda: codes.append(engine.containers.wait(c, condition="next-exit", timeout=30))
        )
        waiter.start()
        end = time.monotonic() + 30
        # Whether it waits already cannot be seen: an exit that it has missed is not the next one.
        while waiter.is_alive() and time.monotonic() < end:
            engine.containers.start(c)
            waiter.join(0.5)
        assert codes == [9]


def test_wait_meets_its_deadline(engine: Engine, container: str) -> None:
    with pytest.raises(DeadlineExceeded):
        engine.containers.wait(container, timeout=0.2)
    # The engine serves on.
    assert engine.ping().api_version


def test_errors(engine: Engine, image: str, container: str) -> None:
    with pytest.raises(NotFound, match="No such container"):
        engine.containers.inspect("no-such-container")
    with pytest.raises(NotFound, match="No such image"):
        engine.images.inspect("no-such-image")
    with pytest.raises(NotFound):
        engine.containers.create("x", {"Image": "no-such-image"})
    name = engine.containers.inspect(container)["Name"].lstrip("/")
    with pytest.raises(Conflict, match="already in use"):
        engine.containers.create(name, {"Image": image, "Cmd": ["true"]})
    with pytest.raises(BadRequest):
        engine.containers.create("bad name", {"Image": image})
    with pytest.raises(NotFound):
        engine.volumes.inspect("no-such-volume")
    with pytest.raises(NotFound):
        engine.networks.inspect("no-such-network")


def test_archive_round_trip(engine: Engine, oracle: Any, image: str) -> None:
    files: dict[str, bytes | tuple[str, str]] = {
        "d": ("dir", ""),
        "d/small": b"hello",
        "d/large": os.urandom(3_000_000),
        "d/link": ("link", "small"),
        "d/ü b": b"",
    }
    sent = _tar(files)
    # Into one that was never started, at once and in pieces.
    with _container(engine, image, "sleep", "1000", start=False) as c:
        for data in (sent, io.BytesIO(sent)):
            engine.containers.archive_put(c, "/tmp", data)
        with engine.containers.archive_get(c, "/tmp/d") as archive:
            assert archive.stat.name == "d"
            assert archive.stat.is_dir
            got = archive.read()
        assert got == b"".join(oracle.get_archive(c, "/tmp/d")[0])
        with tarfile.open(fileobj=io.BytesIO(got)) as tar:
            assert set(tar.getnames()) == set(files)
            member = tar.extractfile("d/large")
            assert member is not None
            assert member.read() == files["d/large"]
        # As a stream, and left before its end.
        with (
            engine.containers.archive_get(c, "/tmp/d", body_timeout=IdleDeadline(30)) as archive,
            tarfile.open(fileobj=archive, mode="r|") as tar,
        ):
            assert next(iter(tar)).name == "d"
        stat = engine.containers.archive_stat(c, "/tmp/d/small")
        theirs = oracle.get_archive(c, "/tmp/d/small")[1]
        assert (stat.name, stat.size, stat.permissions) == ("small", 5, 0o755)
        assert (stat.mode, stat.mtime) == (theirs["mode"], theirs["mtime"])
        assert engine.containers.archive_stat(c, "/tmp/d/link").is_symlink
        with pytest.raises(NotFound):
            engine.containers.archive_stat(c, "/no/such")
        with pytest.raises(NotFound):
            engine.containers.archive_get(c, "/no/such")
        with pytest.raises(NotFound):
            engine.containers.archive_put(c, "/no/such", sent)
        # Refused in the middle of a body much larger than any buffer.
        with pytest.raises(EngineError):
            engine.containers.archive_put(c, "/no/such", io.BytesIO(b"\0" * 50_000_000))


def test_exec(engine: Engine, oracle: Any, container: str) -> None:
    argv = ["sh", "-c", "echo out; echo err >&2; echo more; exit 3"]
    assert _run(engine, container, *argv) == (3, b"out\nmore\n", b"err\n")
    identity = oracle.exec_create(container, argv)["Id"]
    theirs = oracle.exec_start(identity, demux=True)
    assert theirs == (b"out\nmore\n", b"err\n")
    assert engine.execs.inspect(identity)["ExitCode"] == oracle.exec_inspect(identity)["ExitCode"] == 3


def test_exec_settings(engine: Engine, container: str) -> None:
    code, out, _ = _run(
        engine,
        container,
        "sh",
        "-c",
        "id -u; pwd; echo $A; echo $B",
        user="me",
        workdir="/tmp",
        env={"B": "two words = x"},
    )
    assert (code, out) == (0, b"1000\n/tmp\nimage\ntwo words = x\n")


def test_exec_stdin_to_its_end(engine: Engine, container: str, tmp_path: Path) -> None:
    data = os.urandom(2_000_000)
    assert _run(engine, container, "cat", stdin=io.BytesIO(data)) == (0, data, b"")
    assert _run(engine, container, "cat", stdin=io.BytesIO(b"")) == (0, b"", b"")
    path = tmp_path / "data"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert _run(engine, container, "cat", stdin=file) == (0, data, b"")
    # It does not read what it is given.
    assert _run(engine, container, "true", stdin=io.BytesIO(data))[0] == 0


def test_exec_that_cannot_be(engine: Engine, image: str, container: str) -> None:
    # moby: 126/127 as exit code, or an error at start, by version.
    try:
        code, _, _ = _run(engine, container, "no-such-command")
    except EngineError as exc:
        assert exc.status in (400, 404, 500)  # noqa: PT017 - either is right
    else:
        assert code in (126, 127)
    with _container(engine, image, "true", start=False) as c, pytest.raises(Conflict):
        engine.execs.run(c, ["true"])


def test_exec_meets_its_deadline(engine: Engine, container: str) -> None:
    with pytest.raises(DeadlineExceeded):
        engine.execs.run(container, ["sleep", "5"], timeout=0.5)


def test_exec_with_a_tty(engine: Engine, container: str) -> None:
    identity = engine.execs.create(container, ["sh"], stdin=True, tty=True)
    got = b""

    def until(text: bytes) -> None:
        nonlocal got
        end = time.monotonic() + 20
        while text not in got:
            assert time.monotonic() < end, got
            if not stream.pending():
                select.select([stream.socket], [], [], 1)
            got += stream.recv_now() or b""

    with engine.execs.start(identity, tty=True) as stream:
        engine.execs.resize(identity, height=33, width=101)
        stream.sendall(b"tty; stty size\n")
        until(b"33 101")
        assert b"/dev/pts/" in got
        stream.sendall(b"exit 4\n")
        while stream.recv(timeout=20):
            pass
    assert engine.execs.exit_code(identity) == 4


def test_logs(engine: Engine, oracle: Any, image: str) -> None:
    with _container(engine, image, "sh", "-c", "echo one; echo two >&2; echo three") as c:
        engine.containers.wait(c, timeout=30)
        ours = list(engine.containers.logs(c))
        assert sorted(ours) == [("stderr", b"two\n"), ("stdout", b"one\n"), ("stdout", b"three\n")]
        assert b"".join(data for _, data in ours) == oracle.logs(c)
        assert [data for _, data in engine.containers.logs(c, stderr=False)] == [b"one\n", b"three\n"]
        assert len(list(engine.containers.logs(c, tail=1))) == 1
        assert b"".join(data for _, data in engine.containers.logs(c, timestamps=True)) == oracle.logs(
            c, timestamps=True
        )
        assert list(engine.containers.logs(c, since=time.time() + 100)) == []


def test_logs_of_a_tty(engine: Engine, oracle: Any, image: str) -> None:
    with _container(engine, image, "sh", "-c", "echo one; echo two >&2", Tty=True) as c:
        engine.containers.wait(c, timeout=30)
        ours = b"".join(data for _, data in engine.containers.logs(c))
        assert ours == b"one\r\ntwo\r\n" == oracle.logs(c)


def test_logs_followed(engine: Engine, image: str) -> None:
    with _container(engine, image, "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.2; done") as c:
        lines = list(engine.containers.logs(c, follow=True, body_timeout=IdleDeadline(20)))
        assert b"".join(data for _, data in lines) == b"1\n2\n3\n"


def test_logs_followed_in_silence(engine: Engine, container: str) -> None:
    with pytest.raises(DeadlineExceeded):
        next(engine.containers.logs(container, follow=True, body_timeout=IdleDeadline(0.2)))
    with engine.containers.logs(container, follow=True):
        assert engine.ping().api_version


def test_attach(engine: Engine, image: str) -> None:
    with _container(engine, image, "cat", start=False, OpenStdin=True, StdinOnce=True, AttachStdin=True) as c:
        out: list[bytes] = []
        with engine.containers.attach(c, stdin=True) as stream:
            engine.containers.start(c)
            stream.copy(stdin=io.BytesIO(b"hello\n" * 1000), stdout=out.append, timeout=30)
        assert b"".join(out) == b"hello\n" * 1000
        assert engine.containers.wait(c, timeout=30) == 0


def test_volumes(engine: Engine, oracle: Any) -> None:
    name = f"dinv-test-engine-{RUN}"
    engine.volumes.create(name, labels={"io.dinv.test.engine": RUN})
    try:
        assert engine.volumes.inspect(name) == oracle.inspect_volume(name)
        engine.volumes.create(name)
        assert [found["Name"] for found in engine.volumes.list(filters={"label": [LABEL]})] == [name]
    finally:
        engine.volumes.remove(name)
    with pytest.raises(NotFound):
        engine.volumes.remove(name)


def test_networks(engine: Engine, oracle: Any, image: str) -> None:
    name = f"dinv-test-engine-{RUN}"
    identity = engine.networks.create(name, labels={"io.dinv.test.engine": RUN}, internal=True)
    try:
        assert engine.networks.inspect(name)["Id"] == identity
        assert engine.networks.inspect(name) == oracle.inspect_network(name)
        assert [found["Id"] for found in engine.networks.list(filters={"label": [LABEL]})] == [identity]
        with pytest.raises(Conflict):
            engine.networks.create(name)
        with _container(engine, image, "sleep", "100", start=False) as c:
            engine.networks.connect(name, c, endpoint_config={"Aliases": ["other"]})
            assert name in engine.containers.inspect(c)["NetworkSettings"]["Networks"]
            engine.networks.disconnect(name, c)
            assert name not in engine.containers.inspect(c)["NetworkSettings"]["Networks"]
    finally:
        engine.networks.remove(name)


def test_tag_save_load_remove(engine: Engine, oracle: Any, image: str) -> None:
    name = f"dinv-test-engine-copy:{RUN}"
    engine.images.tag(image, name)
    archive = b"".join(oracle.get_image(name))
    engine.images.remove(name)
    with pytest.raises(NotFound):
        engine.images.inspect(name)
    seen: list[dict[str, Any]] = []
    assert engine.images.load(io.BytesIO(archive), progress=seen.append) == [name]
    assert seen
    assert engine.images.inspect(name)["Id"] == engine.images.inspect(image)["Id"]
    engine.images.remove(name)


def test_build(engine: Engine, image: str) -> None:
    dockerfile = f"FROM {image}\nCOPY file /file\nARG WHO\nRUN echo hello $WHO > /said && test -s /file\n"
    context = _tar({"Dockerfile": dockerfile.encode(), "file": b"x" * 100_000})
    tag = f"dinv-test-engine-built:{RUN}"
    said: list[str] = []
    built = engine.images.build(
        io.BytesIO(context),
        tag=tag,
        buildargs={"WHO": "you"},
        network="none",
        progress=lambda message: said.append(message.get("stream", "")),
    )
    try:
        assert engine.images.inspect(tag)["Id"] == built
        assert "RUN echo hello" in "".join(said)
        with _container(engine, tag, "cat", "/said") as c:
            engine.containers.wait(c, timeout=30)
            assert list(engine.containers.logs(c)) == [("stdout", b"hello you\n")]
    finally:
        engine.images.remove(tag, force=True)


def test_build_that_fails(engine: Engine, image: str) -> None:
    context = _tar({"Dockerfile": f"FROM {image}\nRUN exit 3\n".encode()})
    with pytest.raises(ServerError, match="non-zero code: 3"):
        engine.images.build(io.BytesIO(context), network="none")
    with pytest.raises(BadRequest):
        engine.images.build(io.BytesIO(_tar({"Dockerfile": b"NONSENSE\n"})))


def test_pull_from_nowhere(engine: Engine) -> None:
    # Port 1 of the engine's own loopback: nothing listens there.
    with pytest.raises(EngineError, match=r"refused|127\.0\.0\.1:1"):
        engine.images.pull("127.0.0.1:1/nothing:x", timeout=30)


def test_import_cut_short_leaves_no_image(engine: Engine) -> None:
    class Cut:
        def __init__(self) -> None:
            self.left = 10

        def read(self, size: int, /) -> bytes:
            self.left -= 1
            if not self.left:
                raise KeyboardInterrupt
            return b"\0" * size

    with pytest.raises(KeyboardInterrupt):
        engine.images.import_(Cut(), repo="dinv-test-engine-cut", tag=RUN)
    with pytest.raises(NotFound):
        engine.images.inspect(f"dinv-test-engine-cut:{RUN}")


def test_one_connection_serves_many_calls(address: str) -> None:
    transport = parse_address(address)
    connects = 0
    connect = transport.connect

    def counted(deadline: Any) -> Any:
        nonlocal connects
        connects += 1
        return connect(deadline)

    transport.connect = counted  # type: ignore[method-assign]
    with Engine(transport) as engine:
        for _ in range(5):
            engine.version()
            engine.containers.list()
    assert connects == 1


def test_threads_share_an_engine(engine: Engine, container: str) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                assert engine.containers.inspect(container)["Id"] == container
        except BaseException as exc:  # noqa: BLE001 - shown by the test's own thread
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_over_ssh(address: str, container: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker system dial-stdio` is real; only the way to the other host is not."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nwhile [ "$1" != -- ]; do shift; done\nshift 2\nexec "$@"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_HOST", address)
    data = b"x" * 300_000
    with Engine(parse_address("ssh://me@far"), timeout=30) as engine:
        assert engine.containers.inspect(container)["Id"] == container
        assert _run(engine, container, "cat", stdin=io.BytesIO(data)) == (0, data, b"")

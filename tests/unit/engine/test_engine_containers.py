from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING

import pytest
from engine_server import PING, answer, frame, scripted

from dinv.engine import Engine
from dinv.engine.containers import PathStat
from dinv.errors import DinvError, NotFound, ProtocolError

if TYPE_CHECKING:
    from pathlib import Path


NEW = answer(b"OK", headers="Api-Version: 1.45\r\n")
FRAMES = frame(1, b"out\n") + frame(2, b"err\n")


@pytest.mark.parametrize("tty", [False, True])
def test_logs_of_an_old_engine_are_told_apart_by_inspect(tmp_path: Path, *, tty: bool) -> None:
    body = b"out\r\nerr\r\n" if tty else FRAMES
    inspect = answer(json.dumps({"Config": {"Tty": tty}}).encode())
    with (
        scripted(tmp_path, [PING, inspect, answer(body)]) as (transport, server),
        Engine(transport) as engine,
    ):
        found = list(engine.containers.logs("c", tail=5))
    assert found == ([("stdout", body)] if tty else [("stdout", b"out\n"), ("stderr", b"err\n")])
    assert "tail=5" in server.requests[2].line


@pytest.mark.parametrize("tty", [False, True])
def test_logs_of_a_new_engine_are_told_apart_by_their_type(tmp_path: Path, *, tty: bool) -> None:
    body = b"out\r\n" if tty else FRAMES
    kind = f"Content-Type: application/vnd.docker.{'raw' if tty else 'multiplexed'}-stream\r\n"
    with scripted(tmp_path, [NEW, answer(body, headers=kind)]) as (transport, _), Engine(transport) as engine:
        found = list(engine.containers.logs("c"))
    assert found == ([("stdout", body)] if tty else [("stdout", b"out\n"), ("stderr", b"err\n")])


def test_logs_cut_within_aframe(tmp_path: Path) -> None:
    with scripted(tmp_path, [PING, answer(FRAMES[:-1])]) as (transport, _), Engine(transport) as engine:
        output = engine.containers.logs("c", tty=False)
        assert next(output) == ("stdout", b"out\n")
        with pytest.raises(ProtocolError, match="within a frame"):
            next(output)


def test_archive(tmp_path: Path) -> None:
    stat = {
        "name": "etc",
        "size": 4096,
        "mode": (1 << 31) | 0o755,
        "mtime": "2026-01-01T00:00:00Z",
        "linkTarget": "",
    }
    header = f"X-Docker-Container-Path-Stat: {base64.b64encode(json.dumps(stat).encode()).decode()}\r\n"
    replies = [PING, answer(b"", headers=header), answer(b"tar", headers=header), answer(), answer()]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport) as engine:
        found = engine.containers.archive_stat("c", "/etc")
        assert (found.name, found.is_dir, found.is_symlink, found.permissions) == ("etc", True, False, 0o755)
        with engine.containers.archive_get("c", "/etc") as archive:
            assert archive.stat.size == 4096
            assert archive.read() == b"tar"
        engine.containers.archive_put("c", "/etc", b"one")
        engine.containers.archive_put("c", "/etc", io.BytesIO(b"two"))
    assert [request.line.split()[0] for request in server.requests[1:]] == ["HEAD", "GET", "PUT", "PUT"]
    assert [request.body for request in server.requests[3:]] == [b"one", b"two"]


@pytest.mark.parametrize(
    "header", ["", "X-Docker-Container-Path-Stat: e30=\r\n", "X-Docker-Container-Path-Stat: !\r\n"]
)
def test_archive_without_stat(tmp_path: Path, header: str) -> None:
    with (
        scripted(tmp_path, [PING, answer(b"", headers=header)]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ProtocolError, match="what the path is"),
    ):
        engine.containers.archive_stat("c", "/x")


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        (0o644, "regular"),
        (1 << 23 | 0o755, "regular"),
        (1 << 31, "dir"),
        (1 << 27, "symlink"),
        (1 << 24, "socket"),
    ],
)
def test_kinds_of_files(mode: int, kind: str) -> None:
    stat = PathStat("x", 0, mode, "", "")
    assert (stat.is_regular, stat.is_dir, stat.is_symlink) == (
        kind == "regular",
        kind == "dir",
        kind == "symlink",
    )


def test_head_that_is_not_found(tmp_path: Path) -> None:
    reply = b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n"
    with (
        scripted(tmp_path, [PING, reply]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(NotFound, match="Not Found"),
    ):
        engine.containers.archive_stat("c", "/x")


def test_wait(tmp_path: Path) -> None:
    replies = [PING, answer(b'{"StatusCode":3}'), answer(b'{"StatusCode":0,"Error":{"Message":"gone"}}')]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport) as engine:
        assert engine.containers.wait("c", condition="next-exit") == 3
        with pytest.raises(DinvError, match="gone"):
            engine.containers.wait("c")
    assert server.requests[1].line == "POST /v1.41/containers/c/wait?condition=next-exit HTTP/1.1"


def test_already_so_is_no_error(tmp_path: Path) -> None:
    not_modified = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    with (
        scripted(tmp_path, [PING, not_modified, not_modified]) as (transport, server),
        Engine(transport) as engine,
    ):
        engine.containers.start("c")
        engine.containers.stop("c", grace=3)
    assert server.connections == 1
    assert server.requests[2].line == "POST /v1.41/containers/c/stop?t=3 HTTP/1.1"


def test_names_are_quoted(tmp_path: Path) -> None:
    with scripted(tmp_path, [PING, answer(b"{}")]) as (transport, server), Engine(transport) as engine:
        engine.containers.inspect("../info?x")
    assert server.requests[1].line == "GET /v1.41/containers/..%2Finfo%3Fx/json HTTP/1.1"


def test_lists_that_are_null(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING, answer(b"null"), answer(b'{"Volumes":null}'), answer(b"null")]) as (
            transport,
            _,
        ),
        Engine(transport) as engine,
    ):
        assert engine.containers.list(all=True, filters={"label": ["a=b"]}) == []
        assert engine.volumes.list() == []
        assert engine.networks.list() == []


def test_exit_code_is_waited_for(tmp_path: Path) -> None:
    replies = [PING, answer(b'{"Running":true,"ExitCode":null}'), answer(b'{"Running":false,"ExitCode":7}')]
    with scripted(tmp_path, replies) as (transport, _), Engine(transport) as engine:
        assert engine.execs.exit_code("e") == 7

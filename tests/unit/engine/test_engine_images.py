from __future__ import annotations

import base64
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from engine_server import PING, answer, scripted

from dinv.engine import Engine
from dinv.engine.credentials import Credentials
from dinv.errors import InputError, NotFound, ProtocolError, ServerError, Unauthorized

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.errors import EngineError

DIGEST = "sha256:" + "0" * 64


def _lines(*messages: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\r\n" for message in messages)


@pytest.mark.parametrize(
    ("image", "query"),
    [
        ("busybox", "fromImage=busybox&tag=latest"),
        ("busybox:1.36", "fromImage=busybox&tag=1.36"),
        ("h:5000/a/b:x", "fromImage=h:5000/a/b&tag=x"),
        (f"h/a@{DIGEST}", f"fromImage=h/a&tag={DIGEST}"),
        (f"h/a:x@{DIGEST}", f"fromImage=h/a&tag={DIGEST}"),
    ],
)
def test_pull(tmp_path: Path, image: str, query: str) -> None:
    messages: list[dict[str, Any]] = [
        {"status": "Pulling"},
        {"status": "Downloading", "id": "1", "progressDetail": {"current": 1}},
    ]
    seen: list[dict[str, Any]] = []
    credentials = Credentials("h", username="me", password="pw")
    with (
        scripted(tmp_path, [PING, answer(_lines(*messages))]) as (transport, server),
        Engine(transport) as engine,
    ):
        engine.images.pull(image, credentials=credentials, progress=seen.append)
    assert seen == messages
    assert server.requests[1].line == f"POST /v1.41/images/create?{query} HTTP/1.1"
    header = json.loads(base64.urlsafe_b64decode(server.requests[1].headers["x-registry-auth"]))
    assert header == {"username": "me", "password": "pw", "serveraddress": "h"}


@pytest.mark.parametrize(
    ("image", "line"),
    [
        ("h:5000/a/b", "h:5000/a/b/push?tag=latest"),
        ("h/a:x", "h/a/push?tag=x"),
    ],
)
@pytest.mark.parametrize("login", [None, Credentials("h", username="me", password="pw")])
def test_push(tmp_path: Path, image: str, line: str, login: Credentials | None) -> None:
    messages: list[dict[str, Any]] = [
        {"status": "Pushing", "id": "1", "progressDetail": {"current": 1}},
        {"progressDetail": {}, "aux": {"Tag": "x", "Digest": DIGEST, "Size": 7}},
    ]
    seen: list[dict[str, Any]] = []
    with (
        scripted(tmp_path, [PING, answer(_lines(*messages))]) as (transport, server),
        Engine(transport) as engine,
    ):
        assert engine.images.push(image, credentials=login, progress=seen.append) == DIGEST
    assert server.requests[1].line == f"POST /v1.41/images/{line} HTTP/1.1"
    sent = json.loads(base64.urlsafe_b64decode(server.requests[1].headers["x-registry-auth"]))
    assert sent == ({} if login is None else login.fields())
    assert seen == messages


def test_a_push_that_fails_half_way(tmp_path: Path) -> None:
    body = _lines({"status": "Pushing"}, {"errorDetail": {"message": "no basic auth credentials"}})
    with (
        scripted(tmp_path, [PING, answer(body)]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(Unauthorized, match="no basic auth"),
    ):
        engine.images.push("h/a")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Head ...: unauthorized: incorrect username or password", Unauthorized),
        ("pull access denied for a, repository does not exist", Unauthorized),
        ("manifest unknown", NotFound),
        ("manifest for a:b not found", NotFound),
        ("write /x: no space left on device", ServerError),
    ],
)
def test_error_in_the_stream(tmp_path: Path, message: str, kind: type[EngineError]) -> None:
    body = _lines({"status": "Pulling"}, {"errorDetail": {"message": message}, "error": message})
    with (
        scripted(tmp_path, [PING, answer(body)]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(kind) as caught,
    ):
        engine.images.pull("a:b")
    assert caught.value.message == message


def test_name_is_looked_at_before_anything_is_sent(tmp_path: Path) -> None:
    with scripted(tmp_path) as (transport, _), Engine(transport) as engine, pytest.raises(InputError):
        engine.images.pull("No Such Name")


def test_stream_cut_short(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING, answer(b'{"status":"Pul')]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ProtocolError),
    ):
        engine.images.pull("a")


def test_load(tmp_path: Path) -> None:
    body = _lines(
        {"stream": "Loaded image: a:1\n"},
        {"stream": f"Loaded image ID: {DIGEST}\n"},
        {"stream": "Loading layer: x"},
    )
    with scripted(tmp_path, [PING, answer(body)]) as (transport, server), Engine(transport) as engine:
        assert engine.images.load(io.BytesIO(b"tar" * 100)) == ["a:1", DIGEST]
    assert server.requests[1].body == b"tar" * 100
    assert "quiet=1" in server.requests[1].line


def test_import(tmp_path: Path) -> None:
    body = _lines({"status": "Importing"}, {"status": DIGEST})
    with (
        scripted(tmp_path, [PING, answer(body), answer(b"")]) as (transport, server),
        Engine(transport) as engine,
    ):
        found = engine.images.import_(io.BytesIO(b"t"), repo="a", tag="b", changes=["CMD x", "ENV a=b"])
        assert found == DIGEST
        with pytest.raises(ProtocolError, match="the image's id"):
            engine.images.import_(io.BytesIO(b"t"))
    assert server.requests[1].line == (
        "POST /v1.41/images/create?fromSrc=-&repo=a&tag=b&changes=CMD%20x&changes=ENV%20a%3Db HTTP/1.1"
    )


@pytest.mark.parametrize(
    ("messages", "image"),
    [
        ([{"aux": {"ID": DIGEST}}, {"stream": "Successfully built 000000000000\n"}], DIGEST),
        (
            [{"stream": "Step 1/1 : FROM x\n"}, {"stream": "Successfully built 123456789abc\n"}],
            "123456789abc",
        ),
    ],
)
def test_build(tmp_path: Path, messages: list[dict[str, Any]], image: str) -> None:
    seen: list[dict[str, Any]] = []
    with (
        scripted(tmp_path, [PING, answer(_lines(*messages))]) as (transport, server),
        Engine(transport) as engine,
    ):
        found = engine.images.build(
            io.BytesIO(b"context"),
            tag="a:b",
            buildargs={"BASE": "x"},
            registries=[Credentials("h", username="me", password="pw")],
            progress=seen.append,
        )
    assert found == image
    assert seen == messages
    assert server.requests[1].line == (
        "POST /v1.41/build?t=a:b&buildargs=%7B%22BASE%22:%20%22x%22%7D&rm=1&forcerm=1 HTTP/1.1"
    )
    assert server.requests[1].body == b"context"
    registries = json.loads(base64.urlsafe_b64decode(server.requests[1].headers["x-registry-config"]))
    assert registries["h"]["username"] == "me"


def test_build_fails(tmp_path: Path) -> None:
    text = "The command '/bin/sh -c false' returned a non-zero code: 1"
    body = _lines({"stream": "Step 1"}, {"errorDetail": {"code": 1, "message": text}, "error": text})
    with (
        scripted(tmp_path, [PING, answer(body)]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ServerError, match="non-zero code: 1"),
    ):
        engine.images.build(io.BytesIO(b"context"))


def test_names_in_paths(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING, answer(b'{"Id": "x"}'), answer(), answer()]) as (transport, server),
        Engine(transport) as engine,
    ):
        engine.images.inspect("h:5000/a/b:x")
        engine.images.tag(DIGEST, "h:5000/a/b")
        engine.images.remove("a:b", force=True)
    assert [request.line.split()[1] for request in server.requests[1:]] == [
        "/v1.41/images/h:5000/a/b:x/json",
        f"/v1.41/images/{DIGEST}/tag?repo=h:5000/a/b&tag=latest",
        "/v1.41/images/a:b?force=1&noprune=0",
    ]

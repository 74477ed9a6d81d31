from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

import pytest
from engine_server import PING, answer, scripted, tcp_server, unix_server
from fresh_python import modules_after

from dinv.engine import Engine, TCPTransport
from dinv.errors import (
    BadRequest,
    Conflict,
    EndpointError,
    EndpointTooOld,
    EngineError,
    NotFound,
    ProtocolError,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine_server import Peer


def _ping(version: str) -> bytes:
    return answer(b"OK", headers=f"API-Version: {version}\r\n" if version else "")


@pytest.mark.parametrize(
    ("newest", "spoken"),
    [("1.24", "1.24"), ("1.41", "1.41"), ("1.47", "1.47"), ("1.51", "1.47"), ("2.0", "1.47")],
)
def test_negotiation(tmp_path: Path, newest: str, spoken: str) -> None:
    with (
        scripted(tmp_path, [_ping(newest), answer(b"{}"), answer(b"{}")]) as (transport, server),
        Engine(transport) as engine,
    ):
        engine.info()
        engine.info()
        assert engine.api_version == spoken
        assert engine.at_least("1.9")
        assert not engine.at_least("1.100")
    assert [request.line for request in server.requests[1:]] == [f"GET /v{spoken}/info HTTP/1.1"] * 2


CREATED = answer(b'{"Id":"a"}', "201 Created")
MAKING = [
    (lambda engine: engine.containers.create("dev", {}), "/containers/create"),
    (lambda engine: engine.networks.create("dinv"), "/networks/create"),
    (lambda engine: engine.volumes.create("dinv-dev-cache"), "/volumes/create"),
]


def _interrupted(directory: Path, make: Callable[[Engine], object], reply: Callable[[Peer], None]) -> Engine:
    """An engine whose user was interrupted while it was to make something, and before `reply`."""

    def play(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.request()
        os.kill(os.getpid(), signal.SIGINT)
        reply(peer)

    with (
        unix_server(directory, play) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(KeyboardInterrupt),
    ):
        make(engine)
    return engine


@pytest.mark.parametrize(("make", "path"), MAKING)
def test_who_is_interrupted_waits_until_it_is_made(
    tmp_path: Path, make: Callable[[Engine], object], path: str
) -> None:
    made: list[float] = []

    def reply(peer: Peer) -> None:
        time.sleep(0.3)
        made.append(time.monotonic())
        peer.send(CREATED)
        peer.sock.recv(1)

    engine = _interrupted(tmp_path, make, reply)
    assert made, path
    assert engine.unanswered == []


@pytest.mark.parametrize(("make", "path"), MAKING)
def test_what_is_not_answered_in_time_may_still_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Engine], object], path: str
) -> None:
    monkeypatch.setattr("dinv.engine.calls.ANSWER_SECONDS", 0.2)
    engine = _interrupted(tmp_path, make, lambda _: time.sleep(1))
    assert engine.unanswered == [path]


@pytest.mark.parametrize(("make", "path"), MAKING)
def test_a_refusal_is_an_answer_and_a_lost_connection_is_none(
    tmp_path: Path, make: Callable[[Engine], object], path: str
) -> None:
    with (
        scripted(tmp_path, [PING, answer(b"no", "409 Conflict")]) as (transport, _),
        Engine(transport) as engine,
    ):
        with pytest.raises(Conflict):
            make(engine)
        assert engine.unanswered == []

    def play(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.request()

    (tmp_path / "lost").mkdir()
    with unix_server(tmp_path / "lost", play) as (transport, _), Engine(transport) as engine:
        with pytest.raises(EndpointError):
            make(engine)
        assert engine.unanswered == [path]


def test_other_threads_have_things_made_as_well(tmp_path: Path) -> None:
    made: list[object] = []
    with scripted(tmp_path, [PING, CREATED]) as (transport, _), Engine(transport) as engine:
        thread = threading.Thread(target=lambda: made.append(engine.networks.create("dinv")))
        thread.start()
        thread.join()
    assert (made, engine.unanswered) == (["a"], [])


def test_an_endpoint_behind_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(tmp_path, [PING, answer(b"{}")]) as (transport, server), Engine(transport) as engine:
        monkeypatch.setattr(transport, "base_path", "/docker", raising=False)
        engine.info()
    assert [request.line.split()[1] for request in server.requests] == ["/docker/_ping", "/docker/v1.41/info"]


def test_negotiation_with_a_server_that_does_not_say(tmp_path: Path) -> None:
    replies = [_ping(""), answer(b'{"ApiVersion":"1.24"}'), answer(b"{}")]
    with scripted(tmp_path, replies) as (transport, server), Engine(transport) as engine:
        engine.info()
    assert server.requests[2].line == "GET /v1.24/info HTTP/1.1"


@pytest.mark.parametrize("found", [b"{}", b'{"ApiVersion":"new"}'])
def test_negotiation_with_something_else(tmp_path: Path, found: bytes) -> None:
    with (
        scripted(tmp_path, [_ping(""), answer(found)]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ProtocolError, match=r"API version|for an API version"),
    ):
        engine.info()


@pytest.mark.parametrize("version", ["1.23", "1.9", "0.9"])
def test_too_old(tmp_path: Path, version: str) -> None:
    with (
        scripted(tmp_path, [_ping(version)]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(EndpointTooOld) as caught,
    ):
        engine.info()
    assert (caught.value.found, caught.value.needed) == (version, "1.24")


def test_too_new(tmp_path: Path) -> None:
    said = {
        "message": "client version 1.47 is too old. Minimum supported API version is 1.60, "
        "please upgrade your client to a newer version"
    }
    refusal = answer(json.dumps(said).encode(), "400 Bad Request")
    with (
        scripted(tmp_path, [_ping("1.70"), refusal]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(EndpointError, match=r"speaks API 1\.60 and newer; this dinv speaks 1\.47 and older"),
    ):
        engine.info()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", BadRequest),
        ("401 Unauthorized", Unauthorized),
        ("403 Forbidden", Unauthorized),
        ("404 Not Found", NotFound),
        ("409 Conflict", Conflict),
        ("423 Locked", EngineError),
        ("500 Internal Server Error", ServerError),
        ("503 Service Unavailable", ServerError),
    ],
)
@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"message":"what it says"}\n', "what it says"),
        (b"what it says\n", "what it says"),
        (b'{"cause":"","message":"","response":500}', '{"cause":"","message":"","response":500}'),
        (b"", None),
    ],
)
def test_errors(
    tmp_path: Path, status: str, kind: type[EngineError], body: bytes, message: str | None
) -> None:
    with (
        scripted(tmp_path, [PING, answer(body, status), answer(b"{}")]) as (transport, server),
        Engine(transport) as engine,
    ):
        with pytest.raises(kind) as caught:
            engine.call("POST", "/x", query={"a": "b"})
        assert type(caught.value) is kind
        assert caught.value.message == (message if message is not None else status.partition(" ")[2])
        assert (caught.value.status, caught.value.method, caught.value.path) == (
            int(status[:3]),
            "POST",
            "/v1.41/x",
        )
        # An error does not cost the connection.
        engine.info()
    assert server.connections == 1


def test_query(tmp_path: Path) -> None:
    with scripted(tmp_path, [PING, answer()]) as (transport, server), Engine(transport) as engine:
        engine.call(
            "GET",
            "/x",
            query={
                "yes": True,
                "no": False,
                "none": None,
                "number": 5,
                "text": "a b&c=ü",
                "many": ["x", "y"],
                "filters": {"label": ["a=b"]},
            },
        )
    assert server.requests[1].line == (
        "GET /v1.41/x?yes=1&no=0&number=5&text=a%20b%26c%3D%C3%BC&many=x&many=y"
        "&filters=%7B%22label%22:%20%5B%22a%3Db%22%5D%7D HTTP/1.1"
    )


def test_host_header_is_one_go_accepts(tmp_path: Path) -> None:
    with scripted(tmp_path, [PING]) as (transport, server), Engine(transport) as engine:
        engine.ping()
    assert server.requests[0].headers["host"] == "localhost"


def test_trace_shows_calls_and_no_secrets(tmp_path: Path) -> None:
    lines: list[str] = []
    replies = [PING, answer(b"no", "404 Not Found"), answer(b'{"Id":"sha256:1"}')]
    with scripted(tmp_path, replies) as (transport, _), Engine(transport, trace=lines.append) as engine:
        with pytest.raises(NotFound):
            engine.call(
                "POST", "/build", query={"buildargs": {"TOKEN": "s3cret"}, "t": "x"}, body={"k": "s3cret"}
            )
        engine.request("GET", "/y", headers={"X-Registry-Auth": "s3cret"}).close()
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "GET /_ping 200",
        "POST /v1.41/build?buildargs=...&t=x 404",
        "GET /v1.41/y 200",
    ]
    assert all(line.endswith(" ms") for line in lines)


def test_trace_of_a_failure(tmp_path: Path) -> None:
    lines: list[str] = []

    def leave(peer: Peer) -> None:
        peer.request()

    with (
        unix_server(tmp_path, leave) as (transport, _),
        Engine(transport, trace=lines.append) as engine,
        pytest.raises(EndpointError),
    ):
        engine.ping()
    assert lines[0].startswith("GET /_ping EndpointUnreachable ")


def test_closed_engine_keeps_no_connection(tmp_path: Path) -> None:
    with scripted(tmp_path, [PING, answer(b"xy")]) as (transport, _):
        engine = Engine(transport)
        response = engine.request("GET", "/x")
        engine.close()
        # Still readable, but not kept afterwards: the server's thread would wait for us for ever.
        assert response.read() == b"xy"


def test_import_is_light() -> None:
    heavy = [
        "ssl",
        "subprocess",
        "tempfile",
        "http.client",
        "dataclasses",
        "typing",
        "pathlib",
        "base64",
        "hashlib",
        "tarfile",
        "threading",
        "urllib",
        "logging",
        "cryptography",
        "rich",
        "asyncio",
        "dinv.engine.wire.tls",
        "dinv.engine.wire.ssh",
        "dinv.engine.wire.tcp_transport",
        "dinv.engine.wire.ssh_transport",
        "dinv.engine.wire.tls_files",
        "dinv.engine.images",
    ]
    assert not modules_after("import dinv.engine") & set(heavy)


def test_a_vch_without_tls_is_named_by_its_address() -> None:
    said: list[str] = []

    def play(peer: Peer) -> None:
        host = peer.request().headers["host"]
        said.append(host)
        refusal = answer(b"invalid host header from b to requested host a", "500 Internal Server Error")
        peer.send(PING if host.startswith("127.0.0.1:") else refusal)

    with tcp_server(play, play) as port, Engine(TCPTransport("127.1", port)) as engine:
        engine.ping()
        assert engine.address == f"tcp://127.1:{port}"
    assert said == [f"127.1:{port}", f"127.0.0.1:{port}"]


def test_a_vch_without_tls_that_goes_by_another_address() -> None:
    def play(peer: Peer) -> None:
        peer.request()
        peer.send(
            answer(b"invalid host header from b to requested host 10.0.0.1", "500 Internal Server Error")
        )

    with (
        tcp_server(play) as port,
        Engine(TCPTransport("127.0.0.1", port)) as engine,
        pytest.raises(EndpointError, match=r"10\.0\.0\.1.*public address"),
    ):
        engine.ping()

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from dinv.engine.wire.byte_stream import ByteStream
from dinv.testing.vch.wire.http import Answer, BadWire, Connection

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Connection]]:
    client, server = socket.socketpair()
    client.settimeout(10)
    connection = Connection(ByteStream(server, "a test"))
    yield client, connection
    connection.close()
    client.close()


def test_requests_follow_each_other(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    client.sendall(
        b"POST /v1.25/a%20b?x=1&y=%2Fz HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n"
        b'{"a":1}GET /_ping HTTP/1.1\r\nHost: h\r\n\r\n'
    )
    first = connection.read_request()
    assert first is not None
    assert (first.method, first.path, first.query) == ("POST", "/v1.25/a b", {"x": "1", "y": "/z"})
    assert first.body.read_all() == b'{"a":1}'
    second = connection.read_request()
    assert second is not None
    assert second.path == "/_ping"
    assert second.body.read_all() == b""


def test_a_body_in_chunks(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    client.sendall(b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET")
    request = connection.read_request()
    assert request is not None
    assert request.body.read_all() == b"abcde"
    assert connection.take_now() == b"GET"


def test_who_waits_is_told_to_go_on(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    client.sendall(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab")
    request = connection.read_request()
    assert request is not None
    assert request.body.read_all() == b"ab"
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_body_cut_short(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    client.sendall(b"PUT / HTTP/1.1\r\nContent-Length: 20\r\n\r\nab")
    client.shutdown(socket.SHUT_WR)
    request = connection.read_request()
    assert request is not None
    with pytest.raises(BadWire):
        request.body.read_all()


@pytest.mark.parametrize(
    "head",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_not_http(pair: tuple[socket.socket, Connection], head: bytes) -> None:
    client, connection = pair
    client.sendall(head)
    with pytest.raises(BadWire):
        connection.read_request()


def test_headers_without_an_end(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    # A socket pair holds less than that.
    sender = threading.Thread(target=client.sendall, args=(b"GET / HTTP/1.1\r\nX: " + b"x" * 300_000,))
    sender.start()
    with pytest.raises(BadWire, match="too long"):
        connection.read_request()
    connection.close()
    sender.join()


def test_the_end(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    client.close()
    assert connection.read_request() is None


def _answered(pair: tuple[socket.socket, Connection], line: bytes, answer: Answer) -> tuple[bool, bytes]:
    client, connection = pair
    client.sendall(line + b" HTTP/1.1\r\n\r\n")
    request = connection.read_request()
    assert request is not None
    more = connection.answer(request, answer, {"Server": "s"})
    return more, client.recv(65536)


def test_an_answer_in_json(pair: tuple[socket.socket, Connection]) -> None:
    more, data = _answered(pair, b"GET /", Answer.json({"a": 1}, 201))
    assert more
    assert data == (
        b"HTTP/1.1 201 Created\r\nServer: s\r\nContent-Type: application/json\r\n"
        b'Content-Length: 9\r\n\r\n{"a": 1}\n'
    )


def test_pieces_go_out_in_chunks(pair: tuple[socket.socket, Connection]) -> None:
    _, data = _answered(pair, b"GET /", Answer(200, iter([b"ab", b"c"])))
    assert data.endswith(b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")


def test_head_and_204_have_no_body(pair: tuple[socket.socket, Connection]) -> None:
    _, data = _answered(pair, b"HEAD /", Answer(404, b"gone"))
    assert data == b"HTTP/1.1 404 Not Found\r\nServer: s\r\n\r\n"
    _, data = _answered(pair, b"POST /", Answer(204))
    assert data == b"HTTP/1.1 204 No Content\r\nServer: s\r\n\r\n"


@pytest.mark.parametrize(
    "text",
    [b"[]", b"{", b'{"a":1}', b'{"a":[1]}', b'{"a":{"b":1}}', b'{"a":"b"}', b"[" * 100_000],
)
def test_filters_that_are_none(pair: tuple[socket.socket, Connection], text: bytes) -> None:
    client, connection = pair
    client.sendall(b"GET /x?filters=" + text + b" HTTP/1.1\r\n\r\n")
    request = connection.read_request()
    assert request is not None
    with pytest.raises(ValueError, match=r"it is|its values|Expecting"):
        request.filters()


def test_filters_have_two_forms(pair: tuple[socket.socket, Connection]) -> None:
    client, connection = pair
    for query in (b'{"label":["a"]}', b'{"label":{"a":true}}'):
        client.sendall(b"GET /x?filters=" + query + b" HTTP/1.1\r\n\r\n")
        request = connection.read_request()
        assert request is not None
        assert request.filters() == {"label": ["a"]}

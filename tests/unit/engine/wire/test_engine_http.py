from __future__ import annotations

import io
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from engine_server import PING, Peer, answer, scripted, unix_server
from hypothesis import given
from hypothesis import strategies as st

from dinv.engine import Engine, IdleDeadline
from dinv.engine.wire.http_syntax import ChunkedDecoder, LengthDecoder, body_decoder, parse_head, quote
from dinv.errors import (
    Conflict,
    DeadlineExceeded,
    EndpointTLSError,
    EndpointUnreachable,
    ProtocolError,
)

if TYPE_CHECKING:
    from pathlib import Path


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _encode(chunks: list[bytes], extension: bytes = b"") -> bytes:
    return b"".join(b"%X%b\r\n%b\r\n" % (len(c), extension, c) for c in chunks if c) + b"0\r\n\r\n"


def _split(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@given(st.lists(st.binary(max_size=50), max_size=6), st.lists(st.integers(0, 1000)), st.binary(max_size=5))
def test_chunked_gives_the_same_however_it_is_cut(
    chunks: list[bytes], cuts: list[int], surplus: bytes
) -> None:
    data = _encode(chunks, b";a=b")
    decoder = ChunkedDecoder()
    pieces = _split(data, cuts)
    body = b"".join(decoder.feed(piece) for piece in pieces[:-1])
    assert not decoder.finished
    body += decoder.feed(pieces[-1] + surplus)
    assert decoder.finished
    assert decoder.surplus == surplus
    assert body == b"".join(chunks)


def test_chunked_passes_over_trailers() -> None:
    decoder = ChunkedDecoder()
    assert decoder.feed(b"1\r\nx\r\n0\r\nExpires: never\r\n\r\n") == b"x"
    assert decoder.finished


@pytest.mark.parametrize(
    "data",
    [b"zz\r\n", b"\r\n", b"-1\r\n", b"+1\r\n", b"0x1\r\n", b"1_0\r\n", b"1\r\nxy\r\n", b"f" * 17 + b"\r\n"],
)
def test_chunked_refuses(data: bytes) -> None:
    with pytest.raises(ValueError, match="chunk"):
        ChunkedDecoder().feed(data)


def test_chunked_refuses_endless_line() -> None:
    decoder = ChunkedDecoder()
    decoder.feed(b"1" * 4000)
    with pytest.raises(ValueError, match="too long"):
        decoder.feed(b"1" * 1000)


@given(st.binary(max_size=100), st.lists(st.integers(0, 1000)), st.binary(max_size=5))
def test_length_gives_the_same_however_it_is_cut(body: bytes, cuts: list[int], surplus: bytes) -> None:
    decoder = LengthDecoder(len(body))
    pieces = [b"", *_split(body, cuts)]
    assert b"".join(decoder.feed(p) for p in pieces[:-1]) + decoder.feed(pieces[-1] + surplus) == body
    assert decoder.finished
    assert decoder.surplus == surplus


def test_parse_head() -> None:
    head = parse_head(b"HTTP/1.1 404 Not Found\r\nA: 1\r\na:  2 \r\nContent-Length: 3\r\ncontent-length: 3")
    assert (head.status, head.reason) == (404, "Not Found")
    assert head.headers == {"a": "1, 2", "content-length": "3"}
    assert head.keep_alive
    assert not parse_head(b"HTTP/1.1 200 OK\r\nConnection: Close").keep_alive
    assert not parse_head(b"HTTP/1.0 200 OK").keep_alive


@given(st.binary(max_size=60))
def test_parse_head_refuses_or_understands(data: bytes) -> None:
    try:
        head = parse_head(data)
    except ValueError:
        return
    assert data.startswith(b"HTTP/1.")
    assert 0 <= head.status <= 999


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/2 200",
        b"HTTP/1.1 20",
        b"SSH-2.0-OpenSSH",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\n folded: x",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2",
    ],
)
def test_parse_head_refuses(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"not|two"):
        parse_head(data)


@pytest.mark.parametrize("header", ["Transfer-Encoding: gzip", "Content-Length: -1", "Content-Length: 0x10"])
def test_body_decoder_refuses(header: str) -> None:
    with pytest.raises(ValueError, match="not"):
        body_decoder("GET", parse_head(f"HTTP/1.1 200 OK\r\n{header}".encode()))


@given(st.text(max_size=30).filter(lambda text: text.isprintable()))
def test_quote_is_what_urllib_does(text: str) -> None:
    from urllib.parse import quote as reference

    assert quote(text) == reference(text, safe="")


def test_keep_alive_is_used(tmp_path: Path) -> None:
    with (
        scripted(
            tmp_path, [PING, answer(b"{}"), CHUNKED + b'2\r\n{"\r\n4\r\na":1\r\n1\r\n}\r\n0\r\n\r\n']
        ) as (
            transport,
            server,
        ),
        Engine(transport) as engine,
    ):
        assert engine.info() == {}
        assert engine.info() == {"a": 1}
    assert server.connections == 1
    assert [request.line for request in server.requests] == [
        "GET /_ping HTTP/1.1",
        "GET /v1.41/info HTTP/1.1",
        "GET /v1.41/info HTTP/1.1",
    ]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_close_is_respected(tmp_path: Path, version: str) -> None:
    ping = f"HTTP/{version} 200 OK\r\nApi-Version: 1.41\r\nConnection: close\r\n\r\nOK".encode()

    def once(peer: Peer) -> None:
        peer.request()
        peer.send(ping)

    with (
        unix_server(tmp_path, once, once) as (transport, server),
        Engine(transport) as engine,
    ):
        engine.ping()
        engine.ping()
    assert server.connections == 2


def test_idle_connection_closed_by_the_server_is_replaced(tmp_path: Path) -> None:
    def leave(peer: Peer) -> None:
        peer.request()
        peer.send(PING)

    def go_on(peer: Peer) -> None:
        assert peer.request().line.startswith("POST")
        peer.send(answer(b"{}"))

    with (
        unix_server(tmp_path, leave, go_on) as (transport, _),
        Engine(transport) as engine,
    ):
        engine.ping()
        end = time.monotonic() + 10
        while not engine._idle[0].stale():
            assert time.monotonic() < end
            time.sleep(0.001)
        # Even a POST: it has not been sent anywhere.
        assert engine.json("POST", "/x") == {}


def test_connection_lost_under_a_get_is_tried_again(tmp_path: Path) -> None:
    def swallow(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.request()

    def go_on(peer: Peer) -> None:
        peer.request()
        peer.send(answer(b"{}"))

    with unix_server(tmp_path, swallow, go_on) as (transport, server), Engine(transport) as engine:
        engine.ping()
        assert engine.info() == {}
    assert server.connections == 2


def test_connection_lost_under_a_post_is_not_tried_again(tmp_path: Path) -> None:
    def swallow(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.request()

    with unix_server(tmp_path, swallow) as (transport, server), Engine(transport) as engine:
        engine.ping()
        with pytest.raises(EndpointUnreachable, match=r"closed the connection during POST /v1\.41/x"):
            engine.call("POST", "/x")
    assert server.connections == 1


def test_fresh_connection_lost_is_not_tried_again(tmp_path: Path) -> None:
    with (
        unix_server(tmp_path, Peer.request) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(EndpointUnreachable),
    ):
        engine.ping()


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "cut short in its headers"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "cut short, 8 bytes are missing"),
        (CHUNKED + b"5\r\n{", "cut short, the last chunk is missing"),
        (CHUNKED + b"2\r\n{}\r\n", "cut short, the last chunk is missing"),
        (CHUNKED + b"wrong\r\n{}\r\n", "not the size of a chunk"),
        (b"HTTP/1.1 200 OK\r\n\r\n{", "not JSON"),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", "not an object"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n[]", "transfer encoding"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", "sends us elsewhere"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50000, "not HTTP"),
    ],
)
def test_what_is_not_http(tmp_path: Path, reply: bytes, why: str) -> None:
    def play(peer: Peer) -> None:
        peer.request()
        peer.send(reply)

    with (
        unix_server(tmp_path, play) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ProtocolError, match=why),
    ):
        engine.version()


def test_tls_alert(tmp_path: Path) -> None:
    def play(peer: Peer) -> None:
        peer.request()
        peer.send(b"\x15\x03\x01\x00\x02\x02\x46")

    with (
        unix_server(tmp_path, play) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(EndpointTLSError, match="TLS only"),
    ):
        engine.version()


def test_slow_drip_meets_the_deadline(tmp_path: Path) -> None:
    def drip(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(2000):
            peer.send(b" ")
            time.sleep(0.005)

    with (
        unix_server(tmp_path, drip) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(DeadlineExceeded, match=r"GET /version on unix:.* took longer than 0\.3 s"),
    ):
        engine.version(timeout=0.3)


def test_silence_meets_the_deadline(tmp_path: Path) -> None:
    with (
        unix_server(tmp_path, Peer.read_to_end) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(DeadlineExceeded),
    ):
        engine.version(timeout=0.1)


def test_idle_deadline_outlasts_a_slow_drip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr("dinv.system.deadline.monotonic", lambda: seconds[0])
    taken = threading.Event()

    class Noticed(IdleDeadline):
        def progress(self) -> None:
            super().progress()
            taken.set()

    def drip(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(26):
            taken.clear()
            seconds[0] += 20
            peer.send(b" ")
            taken.wait(60)  # a byte that is there is not late
        peer.send(b"{}")

    with unix_server(tmp_path, drip) as (transport, _), Engine(transport) as engine:
        # All in all longer than the limit, no pause as long.
        assert engine.version(timeout=Noticed(100)) == {}
    assert seconds[0] == 520


def test_100_continue_is_passed_over(tmp_path: Path) -> None:
    continues = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 102 Processing\r\nA: b\r\n\r\n"
    with scripted(tmp_path, [continues + answer(b"{}")]) as (transport, _), Engine(transport) as engine:
        assert engine.version() == {}


def test_head_has_no_body(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    with scripted(tmp_path, [PING, head, answer(b"{}")]) as (transport, server), Engine(transport) as engine:
        with engine.request("HEAD", "/x") as response:
            assert response.read() == b""
        assert engine.info() == {}
    assert server.connections == 1


def test_read_pieces(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING, answer(b"abcdefghij")]) as (transport, _),
        Engine(transport) as engine,
        engine.request("GET", "/x") as response,
    ):
        assert response.read(3) == b"abc"
        assert response.read_some(2) == b"de"
        assert response.read(100) == b"fghij"
        assert response.read(1) == b""
        assert response.read_some() == b""


def test_body_unread_costs_the_connection(tmp_path: Path) -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nx"
    with (
        scripted(tmp_path, [PING, long], [answer(b"{}")]) as (transport, server),
        Engine(transport) as engine,
    ):
        engine.request("GET", "/x").close()
        assert engine.info() == {}
    assert server.connections == 2


def test_file_goes_out_in_chunks(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    with scripted(tmp_path, [PING, answer()]) as (transport, server), Engine(transport) as engine:
        engine.request("PUT", "/x", body=io.BytesIO(data)).close()
    assert server.requests[1].headers["transfer-encoding"] == "chunked"
    assert server.requests[1].body == data


def test_body_refused_before_it_was_read(tmp_path: Path) -> None:
    def refuse(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.read_until(b"\r\n\r\n")
        peer.send(answer(b'{"message":"no"}', "409 Conflict"))
        # It reads no further and does not close: who only sends would hang.
        time.sleep(0.5)

    with (
        unix_server(tmp_path, refuse) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(Conflict, match="no"),
    ):
        engine.request("PUT", "/x", body=io.BytesIO(b"x" * 10_000_000)).close()


def test_server_that_talks_while_it_listens(tmp_path: Path) -> None:
    def talk(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.read_until(b"\r\n\r\n")
        # More than socket buffers hold, before anything of the body is read.
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n" + b"p" * 5_000_000)
        peer.read_exactly(5_000_000)
        peer.send(b"end")

    with (
        unix_server(tmp_path, talk) as (transport, _),
        Engine(transport) as engine,
        engine.request("POST", "/x", body=b"x" * 5_000_000) as response,
    ):
        assert response.read() == b"p" * 5_000_000 + b"end"


def test_header_cannot_be_smuggled(tmp_path: Path) -> None:
    with (
        scripted(tmp_path, [PING]) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ValueError, match="line break"),
    ):
        engine.request("GET", "/x", headers={"A": "b\r\nC: d"})

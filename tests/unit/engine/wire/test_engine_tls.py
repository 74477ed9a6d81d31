from __future__ import annotations

import io
import socket
import ssl
from typing import TYPE_CHECKING

import pytest
from engine_certificates import CA, server_context
from engine_server import PING, Peer, answer, frame, tcp_server

from dinv.engine import Engine, TCPTransport, TLSFiles
from dinv.errors import EndpointTLSError, EndpointUnreachable

if TYPE_CHECKING:
    from pathlib import Path


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture
def ca(tmp_path: Path) -> CA:
    return CA(tmp_path)


def serve_ping(peer: Peer) -> None:
    peer.request()
    peer.send(PING)
    while True:
        peer.request()
        peer.send(answer(b"{}"))


def _reason(transport: TCPTransport) -> str:
    with Engine(transport) as engine, pytest.raises(EndpointTLSError) as caught:
        engine.ping()
    assert caught.value.endpoint == transport.address
    return caught.value.reason


@pytest.mark.parametrize("version", VERSIONS)
def test_mutual(ca: CA, version: ssl.TLSVersion) -> None:
    context = server_context(ca.issue("server"), ca.path, version)
    with (
        tcp_server(serve_ping, context=context) as port,
        Engine(TCPTransport("127.0.0.1", port, TLSFiles(ca.path, *ca.issue("client")))) as engine,
    ):
        assert engine.ping().api_version == "1.41"
        assert engine.info() == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_large_bodies(ca: CA, version: ssl.TLSVersion) -> None:
    data = bytes(range(256)) * 20_000

    def echo(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        peer.send(answer(peer.request().body))

    context = server_context(ca.issue("server"), None, version)
    with (
        tcp_server(echo, context=context) as port,
        Engine(TCPTransport("127.0.0.1", port, TLSFiles(ca.path))) as engine,
        engine.request("PUT", "/x", body=io.BytesIO(data)) as response,
    ):
        assert response.read() == data


def test_server_certificate_expired(ca: CA) -> None:
    context = server_context(ca.issue("server", begins=-3, ends=-1), None)
    with tcp_server(serve_ping, context=context) as port:
        assert "expired" in _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))


def test_server_certificate_not_yet_valid(ca: CA) -> None:
    context = server_context(ca.issue("server", begins=1, ends=3), None)
    with tcp_server(serve_ping, context=context) as port:
        assert "not valid yet" in _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))


def test_foreign_ca(ca: CA, tmp_path: Path) -> None:
    other = CA(tmp_path, "other")
    with tcp_server(serve_ping, context=server_context(other.issue("server"), None)) as port:
        reason = _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))
    assert "another CA" in reason
    assert ca.path in reason


def test_not_of_the_systems_cas(ca: CA) -> None:
    with tcp_server(serve_ping, context=server_context(ca.issue("server"), None)) as port:
        assert "the system's CAs" in _reason(TCPTransport("127.0.0.1", port, TLSFiles()))


def test_wrong_address_and_name(ca: CA) -> None:
    context = server_context(ca.issue("server", names=("10.1.2.3", "elsewhere")), None)
    with tcp_server(serve_ping, serve_ping, context=context) as port:
        reason = _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))
        assert "not for the address 127.0.0.1" in reason
        reason = _reason(TCPTransport("localhost", port, TLSFiles(ca.path)))
        assert 'not for the name "localhost"' in reason


def test_without_verification(ca: CA) -> None:
    context = server_context(ca.issue("server", names=("elsewhere",), begins=-3, ends=-1), None)
    with (
        tcp_server(serve_ping, context=context) as port,
        Engine(TCPTransport("127.0.0.1", port, TLSFiles(verify=False))) as engine,
    ):
        engine.ping()


@pytest.mark.parametrize("version", VERSIONS)
def test_client_certificate_missing(ca: CA, version: ssl.TLSVersion) -> None:
    context = server_context(ca.issue("server"), ca.path, version)
    with tcp_server(serve_ping, context=context) as port:
        assert "wants a client certificate" in _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))


@pytest.mark.parametrize("version", VERSIONS)
def test_client_certificate_foreign(ca: CA, tmp_path: Path, version: ssl.TLSVersion) -> None:
    pair = CA(tmp_path, "other").issue("client")
    context = server_context(ca.issue("server"), ca.path, version)
    with tcp_server(serve_ping, context=context) as port:
        reason = _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path, *pair)))
    assert "refused our client certificate" in reason


@pytest.mark.parametrize("version", VERSIONS)
def test_client_certificate_expired(ca: CA, version: ssl.TLSVersion) -> None:
    context = server_context(ca.issue("server"), ca.path, version)
    pair = ca.issue("client", begins=-3, ends=-1)
    with tcp_server(serve_ping, context=context) as port:
        reason = _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path, *pair)))
    assert "refused our client certificate: expired" in reason


def test_hangs_up_after_the_handshake(ca: CA) -> None:
    context = server_context(ca.issue("server"), None)
    with tcp_server(Peer.leave, context=context) as port:
        reason = _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))
    assert "hung up right after the handshake" in reason


def test_hangs_up_in_the_handshake(ca: CA) -> None:
    # What docker-proxy does while nothing listens behind it: not TLS's fault, worth trying again.
    with (
        tcp_server(Peer.leave) as port,
        Engine(TCPTransport("127.0.0.1", port, TLSFiles(ca.path))) as engine,
        pytest.raises(EndpointUnreachable, match="in the TLS handshake"),
    ):
        engine.ping()


def test_server_speaks_plain_http(ca: CA) -> None:
    def play(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with tcp_server(play) as port:
        assert "plain HTTP" in _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))


def test_we_speak_plain_http() -> None:
    def play(peer: Peer) -> None:
        peer.request()
        peer.send(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")

    with tcp_server(play) as port:
        assert "speaks TLS only" in _reason(TCPTransport("127.0.0.1", port))


def test_old_tls(ca: CA) -> None:
    context = server_context(ca.issue("server"), None)
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with tcp_server(serve_ping, context=context) as port:
        assert "TLS 1.2" in _reason(TCPTransport("127.0.0.1", port, TLSFiles(ca.path)))


def test_files(ca: CA, tmp_path: Path) -> None:
    def reason(files: TLSFiles) -> str:
        return _reason(TCPTransport("127.0.0.1", 1, files))

    missing = str(tmp_path / "missing.pem")
    junk = tmp_path / "junk.pem"
    junk.write_text("junk")
    cert, key = ca.issue("client")
    other_cert, other_key = ca.issue("another")
    assert reason(TLSFiles(missing)) == f"{missing}: No such file or directory"
    assert reason(TLSFiles(ca.path, cert, missing)) == f"{missing}: No such file or directory"
    assert "no CA certificate" in reason(TLSFiles(str(junk)))
    assert "not a certificate and its unencrypted key" in reason(TLSFiles(ca.path, str(junk), key))
    assert "not a certificate and its unencrypted key" in reason(TLSFiles(ca.path, cert, str(junk)))
    assert "is not the key of" in reason(TLSFiles(ca.path, cert, other_key))
    assert other_cert


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("busy", [False, True])
def test_half_close(ca: CA, version: ssl.TLSVersion, *, busy: bool) -> None:
    """Standard input ends, output goes on: also when output is under way at that moment."""
    early = frame(1, b"e" * 10_000) * 300 if busy else b""

    def play(peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        peer.request()
        peer.send(PING)
        peer.request()
        peer.send(b"HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\n" + early)
        # recv gives b"" at close_notify, and what is sent after that still arrives: Go's behaviour.
        received = peer.read_to_end()
        peer.send(frame(1, b"got %d" % len(received)))
        peer.sock.shutdown(socket.SHUT_WR)

    context = server_context(ca.issue("server"), None, version)
    out: list[bytes] = []
    with (
        tcp_server(play, context=context) as port,
        Engine(TCPTransport("127.0.0.1", port, TLSFiles(ca.path))) as engine,
        engine.hijack("/exec/x/start", tty=False) as stream,
    ):
        stream.copy(stdin=io.BytesIO(b"i" * 200_000), stdout=out.append, timeout=20)
    assert b"".join(out) == (b"e" * 3_000_000 if busy else b"") + b"got 200000"

from __future__ import annotations

import io
import os
import select
import socket
import subprocess
import tempfile
import threading
import time
from typing import TYPE_CHECKING

import pytest
from engine_server import PING, Peer, answer, frame, unix_server

from dinv.engine import Engine
from dinv.engine.wire.byte_stream import ByteStream
from dinv.engine.wire.hijack import HijackedStream
from dinv.engine.wire.ssh import SSHByteStream
from dinv.errors import Conflict, DeadlineExceeded, EndpointUnreachable, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


UPGRADED = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)
# Engines before 1.8, and those that do not get an Upgrade header, answer so.
OLD = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


def _after_ping(play: Callable[[Peer], object], head: bytes = UPGRADED) -> Callable[[Peer], object]:
    def script(peer: Peer) -> None:
        peer.request()
        peer.send(PING)
        request = peer.request()
        assert request.headers["upgrade"] == "tcp"
        peer.send(head)
        play(peer)

    return script


@pytest.mark.parametrize("head", [UPGRADED, OLD, UPGRADED + frame(1, b"early ")])
def test_streams_apart_and_stdin_to_its_end(tmp_path: Path, head: bytes) -> None:
    def play(peer: Peer) -> None:
        received = peer.read_to_end()
        peer.send(frame(1, b"got ") + frame(2, b"warning") + frame(1, b"%d" % len(received)))

    out: list[bytes] = []
    error = io.BytesIO()
    with (
        unix_server(tmp_path, _after_ping(play, head)) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", body={"Tty": False}, tty=False) as stream,
    ):
        stream.copy(stdin=io.BytesIO(b"x" * 1_000_000), stdout=out.append, stderr=error, timeout=10)
    assert b"".join(out).removeprefix(b"early ") == b"got 1000000"
    assert error.getvalue() == b"warning"


def test_stdin_that_comes_late_does_not_hold_output_up(tmp_path: Path) -> None:
    seen = threading.Event()

    def play(peer: Peer) -> None:
        peer.send(frame(1, b"prompt"))
        assert peer.read_to_end() == b"typed"
        peer.send(frame(1, b"done"))

    read_end, write_end = os.pipe()

    def type_when_seen() -> None:
        assert seen.wait(10)
        os.write(write_end, b"typed")
        os.close(write_end)

    typist = threading.Thread(target=type_when_seen)
    typist.start()
    out: list[bytes] = []

    def show(data: bytes) -> None:
        out.append(data)
        seen.set()

    with (
        os.fdopen(read_end, "rb") as stdin,
        unix_server(tmp_path, _after_ping(play)) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", tty=False) as stream,
    ):
        stream.copy(stdin=stdin, stdout=show, timeout=10)
    typist.join()
    assert out == [b"prompt", b"done"]


def test_end_of_stdin_does_not_detach_from_a_terminal(tmp_path: Path) -> None:
    def play(peer: Peer) -> None:
        peer.read_until(b"exit\n")
        peer.sock.settimeout(0.1)
        with pytest.raises(TimeoutError):
            peer.sock.recv(1)
        peer.send(b"bye")

    out: list[bytes] = []
    with (
        unix_server(tmp_path, _after_ping(play)) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", tty=True) as stream,
    ):
        stream.copy(stdin=io.BytesIO(b"exit\n"), stdout=out.append, timeout=10)
    assert out == [b"bye"]


def test_command_that_does_not_read_its_stdin(tmp_path: Path) -> None:
    def play(peer: Peer) -> None:
        peer.send(frame(1, b"bye"))

    out: list[bytes] = []
    with (
        unix_server(tmp_path, _after_ping(play)) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", tty=False) as stream,
    ):
        # The peer closes with data unread.
        stream.copy(stdin=io.BytesIO(b"x" * 10_000), stdout=out.append, timeout=10)
    assert out == [b"bye"]


@pytest.mark.parametrize(
    ("over_ssh", "status", "ends"), [(False, 0, True), (True, 0, True), (True, 255, False)]
)
def test_what_closes_with_bytes_unread_has_ended(*, over_ssh: bool, status: int, ends: bool) -> None:
    """Such as a command that has no use for its standard input: Linux says that by a reset."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.send(b"unread")
        theirs.send(b"bye")
    with subprocess.Popen(["sh", "-c", f"exit {status}"]) as child, tempfile.TemporaryFile() as said:
        raw = SSHByteStream(ours, "ssh://x", child, said) if over_ssh else ByteStream(ours, "unix:///x")
        with HijackedStream(raw, b"", tty=True, what="it") as stream:
            assert stream.recv(timeout=10) == b"bye"
            if ends:
                assert stream.recv(timeout=10) == b""
            else:
                with pytest.raises(EndpointUnreachable, match="status 255"):
                    stream.recv(timeout=10)


def test_a_reset_of_tcp_is_an_error() -> None:
    """What had been sent before it may be lost."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname(), timeout=10)
        theirs, _ = server.accept()
        ours.send(b"unread")
        assert select.select([theirs], [], [], 10)[0]
        theirs.close()
        with (
            HijackedStream(ByteStream(ours, "tcp://x"), b"", tty=True, what="it") as stream,
            pytest.raises(EndpointUnreachable),
        ):
            stream.recv(timeout=10)


def test_deadline(tmp_path: Path) -> None:
    with (
        unix_server(tmp_path, _after_ping(Peer.read_to_end)) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", tty=False) as stream,
        pytest.raises(DeadlineExceeded),
    ):
        stream.copy(timeout=0.1)


def test_cut_within_aframe(tmp_path: Path) -> None:
    with (
        unix_server(tmp_path, _after_ping(lambda peer: peer.send(frame(1, b"hello")[:-1]))) as (
            transport,
            _,
        ),
        Engine(transport) as engine,
        engine.hijack("/x", tty=False) as stream,
        pytest.raises(ProtocolError, match="within a frame"),
    ):
        stream.copy(timeout=10)


def test_sink_that_fails(tmp_path: Path) -> None:
    def fail(data: bytes) -> None:
        raise BrokenPipeError

    with (
        unix_server(tmp_path, _after_ping(lambda peer: peer.send(frame(1, b"hello")))) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", tty=False) as stream,
        pytest.raises(BrokenPipeError),
    ):
        stream.copy(stdout=fail, timeout=10)


def test_refused(tmp_path: Path) -> None:
    refusal = answer(b'{"message":"container is not running"}', "409 Conflict")
    with (
        unix_server(tmp_path, _after_ping(Peer.leave, refusal)) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(Conflict, match="container is not running"),
    ):
        engine.hijack("/x", tty=False)


def test_answer_that_is_no_stream(tmp_path: Path) -> None:
    with (
        unix_server(tmp_path, _after_ping(Peer.leave, answer(b"{}"))) as (transport, _),
        Engine(transport) as engine,
        pytest.raises(ProtocolError, match="closed where it should have gone on"),
    ):
        engine.hijack("/x", tty=False)


def test_driven_with_select(tmp_path: Path) -> None:
    def play(peer: Peer) -> None:
        for _ in range(3):
            line = peer.read_until(b"\n")
            time.sleep(0.01)
            peer.send(line.upper())

    got = b""
    with (
        unix_server(tmp_path, _after_ping(play, UPGRADED + b"$ ")) as (transport, _),
        Engine(transport) as engine,
        engine.hijack("/x", tty=True) as stream,
    ):
        assert stream.recv() == b"$ "
        assert stream.recv_now() is None
        for word in (b"a\n", b"b\n", b"c\n"):
            stream.sendall(word, 5)
            if not stream.pending():
                assert select.select([stream.socket], [], [], 5)[0]
            data = stream.recv_now()
            assert data
            got += data
        assert stream.recv(timeout=5) == b""
    assert got == b"ABC"

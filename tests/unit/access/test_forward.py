"""Ports of a machine here: what is asked for, what listens, what a connection does; and those that go on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any, Self, cast

import needs
import pytest
from heard import Heard
from hypothesis import given
from hypothesis import strategies as st

from dinv.access import background_forwards
from dinv.access import forward as forwarding
from dinv.access.forward import Forward
from dinv.channel import relay as relay_to
from dinv.errors import CannotListen, InputError, MachineGone
from dinv.progress import Progress
from dinv.store import forwards
from dinv.system import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from dinv.lifecycle.host import Host


SECONDS = 10


class FakeMachine:
    """One whose relay answers with what it is sent, in capitals, once that has ended."""

    name = "dev"

    def __init__(self, status: int = 0, said: bytes = b"", error: Exception | None = None) -> None:
        self.driver = self
        self.status, self.said, self.error = status, said, error
        self.ports: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def channel(self) -> Self:
        return self

    def run(self, argv: list[str], *, stdin: Any, stdout: Any, stderr: Any) -> int:
        if self.error:
            raise self.error
        assert argv[:2] == ["sh", "-c"]
        self.ports.append(argv[-1])
        if not self.status:
            stdout(stdin.readall().upper())
        stderr(self.said)
        return self.status


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("80", "127.0.0.1:80 -> 80"),
        ("8080:80", "127.0.0.1:8080 -> 80"),
        ("0:80", "127.0.0.1:0 -> 80"),
        ("0.0.0.0:8080:80", "0.0.0.0:8080 -> 80"),
        ("localhost:8080:80", "localhost:8080 -> 80"),
        ("[::1]:8080:80", "[::1]:8080 -> 80"),
    ],
)
def test_what_is_asked_for(text: str, shown: str) -> None:
    assert str(Forward.parse(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["", "x", "0", "65536", "80:0", "70000:80", "localhost:80", "::1:80:80", "1:2:3:4", "-80", "80/udp"],
)
def test_what_cannot_be_asked_for(text: str) -> None:
    with pytest.raises(InputError, match="port"):
        Forward.parse(text)


@given(st.text())
def test_any_text_is_a_forward_or_an_error_in_words(text: str) -> None:
    try:
        forward = Forward.parse(text)
    except InputError:
        return
    assert 1 <= forward.remote <= 65535
    assert 0 <= forward.local <= 65535


@pytest.fixture
def serving() -> Iterator[Callable[[FakeMachine, Heard], int]]:
    """Serve a machine's port 80 until the test ends; returns the port here."""
    over = threading.Event()
    threads = []

    def start(machine: FakeMachine, told: Heard) -> int:
        listener = forwarding.Listener(Forward.parse("0:80"))
        thread = threading.Thread(
            target=lambda: forwarding.serve(
                lambda: cast("Host", machine), [listener], told, wanted=lambda: not over.is_set()
            )
        )
        thread.start()
        threads.append((thread, listener))
        return listener.forward.local

    yield start
    over.set()
    for thread, listener in threads:
        thread.join(SECONDS)
        listener.socket.close()
        assert not thread.is_alive()


def exchange(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while piece := connection.recv(1000):
            received += piece
    return received


def test_bytes_go_both_ways_and_an_end_of_one_is_no_end_of_the_other(
    serving: Callable[[FakeMachine, Heard], int],
) -> None:
    machine, told = FakeMachine(), Heard()
    port = serving(machine, told)
    assert [exchange(port, text) for text in (b"one", b"two")] == [b"ONE", b"TWO"]
    assert machine.ports == ["80", "80"]
    assert not told.warnings


@pytest.mark.parametrize(
    ("machine", "warning"),
    [
        (
            FakeMachine(1, b"x\nConnection refused\n"),
            "dev: no connection to port 80 there: Connection refused",
        ),
        (FakeMachine(127), "dev: no connection to port 80 there: exit status 127"),
        (FakeMachine(error=MachineGone("dev", "dinv-dev", "e")), "dev"),
    ],
)
def test_what_fails_ends_one_connection(
    serving: Callable[[FakeMachine, Heard], int], machine: FakeMachine, warning: str
) -> None:
    told = Heard()
    port = serving(machine, told)
    assert exchange(port, b"") == b""
    assert exchange(port, b"") == b""
    assert len(told.warnings) == 2
    assert warning in told.warnings[0]


def test_a_connection_that_breaks_down_makes_room_for_the_next() -> None:
    class Broken(Exception):
        pass

    slot = threading.Semaphore(0)
    here, there = socket.socketpair()
    with there, pytest.raises(Broken):
        forwarding._connect(
            lambda: cast("Host", FakeMachine(error=Broken())), here, Forward.parse("80"), Heard(), slot
        )
    assert slot.acquire(blocking=False)


def test_a_port_in_use_is_told_and_nothing_listens() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        first = Forward.parse("0:80")
        with (
            pytest.raises(CannotListen, match=f"Nothing can listen at 127.0.0.1:{port} here"),
            forwarding.listening([first, Forward.parse(f"{port}:80")]),
        ):
            pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", first.local), timeout=SECONDS)


def test_an_address_of_somebody_else() -> None:
    with (
        pytest.raises(CannotListen, match=r"192\.0\.2\.1:8080"),
        forwarding.listening([Forward.parse("192.0.2.1:8080:80")]),
    ):
        pass


# What runs in the machine, where its image has no socat


@pytest.mark.parametrize("programs", [("bash", "cat", "sleep"), ("nc",)])
def test_the_relay_of_images_without_socat(tmp_path: Path, programs: tuple[str, ...]) -> None:
    """As in VMware's images, which have bash, and docker:dind, which has busybox."""
    busybox, bash = needs.program("busybox"), needs.program("bash")
    for name in programs:
        (tmp_path / name).symlink_to(bash if name == "bash" else busybox)
    with socket.create_server(("127.0.0.1", 0)) as server:
        relay = subprocess.Popen(
            [busybox, *relay_to(server.getsockname()[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": str(tmp_path)},
        )
        try:
            server.settimeout(SECONDS)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(SECONDS)
                assert relay.stdin is not None
                relay.stdin.write(b"asked")
                relay.stdin.flush()
                assert connection.recv(100) == b"asked"
                connection.sendall(b"answered")
            # Its input is open still: what the server has said is passed on all the same.
            assert relay.stdout is not None
            assert relay.stdout.read(8) == b"answered"
            relay.stdin.close()
            relay.wait(SECONDS)
        finally:
            relay.kill()
            relay.wait(SECONDS)
            for stream in (relay.stdin, relay.stdout):
                if stream is not None:
                    stream.close()


# Those that go on by themselves


def wait(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def start(directory: Path) -> int:
    with forwarding.listening([Forward.parse("0:80")]) as listeners:
        return background_forwards.detach(
            str(directory),
            listeners,
            lambda wanted: forwarding.serve(
                lambda: cast("Host", FakeMachine()), listeners, Progress(), wanted=wanted
            ),
        )


def test_one_goes_on_until_it_is_ended(tmp_path: Path) -> None:
    pid = start(tmp_path)
    (detached,) = forwards.found(str(tmp_path))
    assert detached.pid == pid
    port = int(detached.forwards[0].split(":")[1].split()[0])
    assert exchange(port, b"hello") == b"HELLO"
    assert forwards.stop(str(tmp_path)) == 1
    assert not forwards.found(str(tmp_path))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
    assert forwards.stop(str(tmp_path)) == 0


def test_one_ends_when_its_record_is_gone(tmp_path: Path) -> None:
    start(tmp_path)
    (detached,) = forwards.found(str(tmp_path))
    held = os.open(detached.path, os.O_RDONLY)
    try:
        os.unlink(detached.path)
        wait(lambda: not os.path.exists(f"/proc/{detached.pid}"))
    finally:
        os.close(held)


def test_one_that_was_killed_leaves_a_record_that_counts_for_nothing(tmp_path: Path) -> None:
    pid = start(tmp_path)
    (detached,) = forwards.found(str(tmp_path))
    os.kill(pid, signal.SIGKILL)
    wait(lambda: not detached.running)
    assert not forwards.found(str(tmp_path))
    assert not os.path.exists(detached.path)


def test_one_that_is_just_recorded_is_not_taken_for_a_dead_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody looks between the making of the file and its lock, and would remove it."""
    taken: list[int] = []

    def take(descriptor: int, path: str, **more: Any) -> None:
        if not taken:
            taken.append(descriptor)
            assert forwards.found(str(tmp_path)) == []
        real(descriptor, path, **more)

    real = locks.take
    monkeypatch.setattr(locks, "take", take)
    forwards.record(forwards.path_of(str(tmp_path), 1), ["8080 -> 80"])
    try:
        (detached,) = forwards.found(str(tmp_path))
        assert (detached.running, detached.forwards) == (True, ["8080 -> 80"])
    finally:
        os.close(taken[0])


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"Forwards": 3}', b"[" * 60_000])
def test_spoilt_records(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "forwards" / "1.json"
    path.parent.mkdir()
    path.write_bytes(content)
    (path.parent / "x.json").write_bytes(content)
    os.mkfifo(path.parent / "2.json")
    assert not forwards.found(str(tmp_path))
    assert not path.exists()
    assert forwards._read(str(tmp_path / "forwards" / "x.json")) == []

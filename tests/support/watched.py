"""What is open at a machine while something is done to it, and whether it has lived on.

A container whose process, start and TCP connection are known, and clients of docker's own: `events`,
`logs -f`, `exec -i`, and a build that takes its time. Each is asked for something new at the end, so one that
hangs counts as dead too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from users import User

SECONDS = 30.0
CONTAINER = "watched"
PORT = 7777
_TALK = f"busybox nc -l -p {PORT} -e cat & while :; do echo tick; sleep 0.2; done"


class Client:
    """A docker command that stays; its output is read as it comes."""

    def __init__(self, environment: Mapping[str, str], *words: str, stdin: bool = False) -> None:
        self.words = ("docker", *words)
        self.process = subprocess.Popen(
            self.words,
            env=dict(environment),
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._said = bytearray()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            while data := os.read(stream.fileno(), 65536):
                self._said += data

    @property
    def said(self) -> str:
        """Everything it has written so far, on both its streams."""
        return self._said.decode(errors="replace")

    def write(self, data: bytes) -> None:
        """Write to its standard input; a test fails if it no longer reads it."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
            self.process.stdin.flush()
        except BrokenPipeError:
            pytest.fail(f"{self.words} has ended: {self.said[-2000:]}")

    def await_said(self, text: str, *, after: int = 0) -> None:
        """Wait until it has written `text`, behind the first `after` characters."""
        _until(lambda: text in self.said[after:], lambda: f"{self.words}: {self.said[-2000:]}")

    def await_end(self, seconds: float) -> None:
        """Wait until it has ended by itself; a test fails if it has not after so many seconds."""
        self.process.wait(seconds)

    def close(self) -> None:
        """End it, whatever it does."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(SECONDS)
        self._reader.join(SECONDS)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


class Watched:
    """The container and the clients at a machine that has the image `hello`. Use it in a `with`.

    `address`: where the machine's container can be reached from here; "" if it cannot be: then nothing is
    connected to it.
    """

    def __init__(self, user: User, machine: str, *, address: str = "", build_seconds: int = 600) -> None:
        self.user = user
        self.machine = machine
        self._opened = contextlib.ExitStack()
        self._environment = {**user.environment, **user.variables(machine)}
        self._address = address
        self._build_seconds = build_seconds
        self._connection: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self._opened.close()
        self.user.docker(self.machine, "rm", "-f", CONTAINER, status=None)

    def client(self, *words: str, stdin: bool = False) -> Client:
        """A further docker command at the machine, ended with the others."""
        return self.client_of(self._environment, *words, stdin=stdin)

    def client_of(self, environment: Mapping[str, str], *words: str, stdin: bool = False) -> Client:
        """The same of somebody else, in an environment of theirs."""
        found = Client(environment, *words, stdin=stdin)
        self._opened.callback(found.close)
        return found

    def _open(self) -> None:
        self.user.docker(
            self.machine,
            *("run", "-d", "--name", CONTAINER, "-p", f"{PORT}:{PORT}", "hello", "sh", "-c", _TALK),
        )
        self.container = self._container()
        self.events = self.client("events")
        self.await_events(self.events)
        self.logs = self.client("logs", "-f", CONTAINER)
        self.exec = self.client("exec", "-i", CONTAINER, "cat", stdin=True)
        self.build = self.client("build", "-t", "watched-build", "-", stdin=True)
        self.build.write(f"FROM hello\nRUN echo began; sleep {self._build_seconds}\n".encode())
        assert self.build.process.stdin is not None
        self.build.process.stdin.close()
        if self._address:
            self._connection = self._connect()
            self._opened.callback(self._connection.close)
            self._echo(b"before")
        self.logs.await_said("tick")
        self.build.await_said("began", after=self.build.said.find("RUN echo began") + len("RUN echo began"))
        self.exec.write(b"before\n")
        self.exec.await_said("before")

    def await_events(self, *clients: Client) -> None:
        """Wait until clients of `docker events` at the machine have heard of an exec."""
        await_heard(clients, lambda: self.user.docker(self.machine, "exec", CONTAINER, "true"), "exec_die")

    def _connect(self) -> socket.socket:
        end = time.monotonic() + SECONDS
        while True:
            try:
                connection = socket.create_connection((self._address, PORT), timeout=SECONDS)
            except OSError:
                assert time.monotonic() < end, f"nothing listens at {self._address}:{PORT}"
                time.sleep(0.1)
            else:
                return connection

    def _echo(self, text: bytes) -> None:
        assert self._connection is not None
        self._connection.sendall(text)
        answer = b""
        while len(answer) < len(text):
            data = self._connection.recv(65536)
            assert data, "the container's TCP connection was closed"
            answer += data
        assert answer == text

    def _container(self) -> str:
        form = "{{.Id}} {{.State.Pid}} {{.State.StartedAt}} {{.RestartCount}} {{.State.Status}}"
        return self.user.docker(self.machine, "inspect", "-f", form, CONTAINER)

    def check(self) -> None:
        """Fail unless the container is the same process, and every client and connection still works."""
        assert self._container() == self.container
        if self._address:
            self._echo(b"after " + os.urandom(4).hex().encode())
        token = os.urandom(4).hex()
        self.exec.write(f"{token}\n".encode())
        self.exec.await_said(token)
        self.logs.await_said("tick", after=len(self.logs.said))
        seen = len(self.events.said)
        self.user.docker(self.machine, "exec", CONTAINER, "true")
        self.events.await_said("exec_die", after=seen)
        assert self.build.process.poll() is None, self.build.said[-2000:]


def await_heard(clients: Sequence[Client], event: Callable[[], object], text: str) -> None:
    """Have clients of `docker events` hear of something, which is done again until all of them do.

    One that is not connected yet hears nothing of it, and nothing shows when it is.
    """
    end = time.monotonic() + SECONDS
    while not all(text in client.said for client in clients):
        assert time.monotonic() < end, [client.said[-2000:] for client in clients]
        event()
        time.sleep(0.1)


def _until(so: Callable[[], bool], why: Callable[[], str]) -> None:
    end = time.monotonic() + SECONDS
    while not so():
        assert time.monotonic() < end, why()
        time.sleep(0.02)

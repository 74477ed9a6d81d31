"""Files and commands by the system's ssh, for machines that have an SSH server of their own.

Commands run as root, as `Channel` has it: by sudo where somebody else logs in, which has to ask for no
password, as in the images that docker-machine uses. Files go through tar there.
"""

from __future__ import annotations

import contextlib
import posixpath
import shlex
import subprocess
import threading
import time
from math import inf, isinf

from dinv.channel import Channel, FileStat, Terminal
from dinv.drivers.ssh_address import ssh_command
from dinv.errors import DeadlineExceeded, LocalError, MachineError, NotFound, ServerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO, BinaryIO, Self

    from dinv.channel import TarStream
    from dinv.drivers.ssh_address import SSHAddress
    from dinv.engine.wire.http import Readable

CALL_SECONDS = 60.0
"""For a look at what is at a path."""
_CHUNK = 1 << 16
_FAILED = 255
"""What ssh ends with where it is ssh that failed (ssh(1))."""
_NOT_THERE = 3
_STAT = f'[ -e "$1" ] || exit {_NOT_THERE}; p=$(readlink -f "$1") && stat -c "%f %s" "$p" && printf %s "$p"'
_FORMAT, _DIRECTORY, _REGULAR = 0o170000, 0o040000, 0o100000


class SSHChannel(Channel):
    """By one ssh for each call, with the address and the key that docker-machine has recorded."""

    def __init__(self, machine: str, address: SSHAddress) -> None:
        self._machine = machine
        self._address = address

    def put_archive(self, directory: str, archive: bytes | Readable) -> None:
        import io

        stream = io.BytesIO(archive) if isinstance(archive, bytes) else archive
        said = bytearray()
        argv = ["tar", "-x", "-p", "-f", "-", "-C", directory]
        status = self.run(argv, stdin=stream, stderr=said.extend)  # type: ignore[arg-type]  # it is only read
        if status:
            raise ServerError(_last_line(said) or f"tar ended with exit status {status}")

    def get_archive(self, path: str) -> TarStream:
        look = ["/bin/sh", "-c", '[ -e "$1" ] || [ -L "$1" ]', "look", path.rstrip("/") or "/"]
        if self.run(look, timeout=CALL_SECONDS):
            raise NotFound(f"there is no {path}")
        directory, name = posixpath.split(path.rstrip("/"))
        process = self._start(["tar", "-c", "-f", "-", "-C", directory or "/", "--", name or "."])
        return _Archive(process)

    def stat(self, path: str) -> FileStat | None:
        said, errors = bytearray(), bytearray()
        status = self.run(
            ["/bin/sh", "-c", _STAT, "stat", path],
            stdout=said.extend,
            stderr=errors.extend,
            timeout=CALL_SECONDS,
        )
        if status == _NOT_THERE:
            return None
        facts, _, real = bytes(said).partition(b"\n")
        if status or not real:
            raise ServerError(_last_line(errors) or f"stat ended with exit status {status}")
        mode, size = facts.split()
        kind = int(mode, 16) & _FORMAT
        return FileStat(
            real.decode("utf-8", "surrogateescape"),
            is_directory=kind == _DIRECTORY,
            is_regular=kind == _REGULAR,
            size=int(size),
        )

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: BinaryIO | None = None,
        stdout: Callable[[bytes], object] | None = None,
        stderr: Callable[[bytes], object] | None = None,
        environment: Mapping[str, str] | None = None,
        timeout: float = inf,
    ) -> int:
        process = self._start(argv, stdin=stdin is not None, environment=environment)
        said = bytearray()

        def note(data: bytes) -> None:
            said.extend(data)
            if stderr is not None:
                stderr(data)

        readers = [
            threading.Thread(target=_read, args=(process.stdout, stdout or _drop), daemon=True),
            threading.Thread(target=_read, args=(process.stderr, note), daemon=True),
        ]
        if stdin is not None:
            threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()
        for reader in readers:
            reader.start()
        end = time.monotonic() + timeout
        try:
            status = process.wait(None if isinf(timeout) else timeout)
            for reader in readers:
                reader.join(None if isinf(timeout) else max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired as error:
            raise DeadlineExceeded(argv[0], timeout) from error
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        return self._checked(status, said)

    def open_terminal(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> Terminal:
        return _SSHTerminal(ssh_command(self._address, [], [self._line(argv, environment)], terminal=True))

    def _start(
        self, argv: Sequence[str], *, stdin: bool = False, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        command = ssh_command(self._address, [], [self._line(argv, environment or {})])
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except OSError as error:
            raise LocalError(f"{command[0]} cannot be run: {error.strerror}") from error

    def _line(self, argv: Sequence[str], environment: Mapping[str, str]) -> str:
        """The command as the shell there reads it."""
        variables = [f"{name}={value}" for name, value in environment.items()]
        words = ["env", *variables, *argv] if variables else list(argv)
        return shlex.join(words if self._address.user == "root" else ["sudo", "-n", "--", *words])

    def _checked(self, status: int, said: bytes | bytearray) -> int:
        """The exit status of the command. Raises MachineError where ssh did not get there."""
        if status == _FAILED:
            why = _last_line(said)
            raise MachineError(
                self._machine,
                f'ssh to machine "{self._machine}" ({self._address.host}) failed{f": {why}" if why else ""}',
            )
        return status


class _Archive:
    """What tar writes at the other side."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._said = bytearray()
        self._reader = threading.Thread(target=_read, args=(process.stderr, self._said.extend), daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._process.stdout is not None:
            self._process.stdout.close()
        if self._process.poll() is None:
            self._process.terminate()
        self._process.wait()

    def read(self, size: int, /) -> bytes:
        stream = self._process.stdout
        found = stream.read(size) if stream is not None else b""
        if not found:
            status = self._process.wait()
            self._reader.join()
            if status:
                raise ServerError(_last_line(self._said) or f"tar ended with exit status {status}")
        return found


class _SSHTerminal(Terminal):
    """A command on a terminal there, with ssh on one here: ssh passes its size on when it is told."""

    def __init__(self, command: list[str]) -> None:
        import os
        import pty

        self._terminal, theirs = pty.openpty()
        try:
            self._process = subprocess.Popen(
                command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
        except OSError as error:
            os.close(self._terminal)
            raise LocalError(f"{command[0]} cannot be run: {error.strerror}") from error
        finally:
            os.close(theirs)

    def copy(self, *, stdin: BinaryIO | None, stdout: Callable[[bytes], object]) -> None:
        import os

        if stdin is not None:
            threading.Thread(target=self._type, args=(stdin,), daemon=True).start()
        while True:
            try:
                data = os.read(self._terminal, _CHUNK)
            except OSError:  # what Linux says once the other end of a terminal is closed
                break
            if not data:
                break
            stdout(data)
        self._process.wait()

    def resize(self, *, rows: int, columns: int) -> None:
        import signal
        import termios

        termios.tcsetwinsize(self._terminal, (rows, columns))
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGWINCH)

    def exit_status(self) -> int:
        return self._process.wait()

    def close(self) -> None:
        import os

        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        os.close(self._terminal)

    def _type(self, stdin: BinaryIO) -> None:
        import os

        with contextlib.suppress(OSError, ValueError):
            while data := _some(stdin):
                os.write(self._terminal, data)


def _read(stream: IO[bytes] | None, take: Callable[[bytes], object]) -> None:
    if stream is None:
        return
    with stream:
        while data := stream.read1(_CHUNK):  # type: ignore[attr-defined]  # a BufferedReader
            take(data)


def _feed(pipe: IO[bytes] | None, source: BinaryIO) -> None:
    """All of `source`, until nobody reads it any more."""
    if pipe is None:
        return
    with contextlib.suppress(OSError, ValueError), pipe:
        while data := _some(source):
            pipe.write(data)
            pipe.flush()


def _some(source: BinaryIO) -> bytes:
    """What there is, without waiting for more where the stream can do that."""
    read: Callable[[int], bytes] = getattr(source, "read1", source.read)
    return read(_CHUNK)


def _drop(_data: bytes) -> None:
    pass


def _last_line(said: bytes | bytearray) -> str:
    lines = bytes(said).decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""

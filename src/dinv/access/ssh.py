"""Commands and shells in a machine, behaving like ssh, by exec on its endpoint."""

from __future__ import annotations

import contextlib
import io
import os
import select
import sys

from dinv.access import ssh_options
from dinv.errors import Conflict, DinvError, InputError, MachineError, NotFound
from dinv.wording import command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from dinv.channel import Channel, Terminal
    from dinv.lifecycle.host import Host

DISCONNECTED = 255
"""Exit status of a session that the user broke off, as with ssh."""
HANG_UP_SECONDS = 5.0
ASK_SECONDS = 10.0
"""Deadline for checking whether a machine has a program."""
SFTP = ("sftp-server", "openssh-sftp-server")
"""The SFTP server program and its Debian package."""
SFTP_SERVERS = (
    "/usr/lib/openssh/sftp-server",  # Debian, Ubuntu
    "/usr/libexec/sftp-server",  # Photon
    "/usr/libexec/openssh/sftp-server",  # Fedora
    "/usr/lib/ssh/sftp-server",  # Alpine, Arch
)
"""Its path in various distributions."""
_STDIN, _STDOUT, _STDERR = 0, 1, 2
_SESSION = "DINV_SESSION"
_DEFAULT_SIZE = (24, 80)
_END_OF_TRANSMISSION = b"\x04"

_COMMAND = 'exec /bin/sh -c -- "$1"'
_SUBSYSTEM = f"for server in {' '.join(SFTP_SERVERS)}; do [ ! -x $server ] || exec $server; done; exit 127"
_NOT_FOUND = 127
_SHELL = "if command -v bash >/dev/null; then exec bash -l; fi; exec /bin/sh -l"
_HOME = 'cd "${HOME:-/root}" 2>/dev/null'
# A stopped process receives the hang-up only once it continues.
_HANG_UP = (
    f'grep -ls "{_SESSION}=$1" /proc/[0-9]*/environ | '
    'while IFS=/ read -r _ _ pid _; do kill -HUP "$pid"; kill -CONT "$pid"; done'
)


def run_command(machine: Host, command: Sequence[str], *, terminal: bool) -> int:
    """Run a command in a machine on this process's standard streams; return its exit status.

    As with ssh, the words are joined with blanks and given to `/bin/sh -c` in root's home. Standard input is
    passed on; standard output and standard error stay separate. Without words, a login shell runs, on a
    terminal if standard input is one; `terminal` gives a command a terminal regardless of standard input. On
    a terminal, `~.` at the start of a line breaks off the session, which returns 255.

    Options of ssh may precede the command; see `dinv.access.ssh_options`, also for the subsystem sftp.

    If this side ends first (Ctrl-C, Interrupted by a signal, BrokenPipeError because nobody reads our
    output), the processes in the machine get SIGHUP and the exception propagates. Raises InputError,
    MachineNotRunning, MachineGone, and MachineError if the machine has no sftp-server.
    """
    options, command = ssh_options.take(command)
    address = machine.driver.ssh_address()
    if address is not None:
        from dinv.access import system_ssh

        return system_ssh.run(address, options, command, terminal=terminal)
    session = ssh_options.Session(options)
    if session.only_configuration:
        _show_configuration(machine.name)
        return 0
    if session.subsystem:
        return _run_subsystem(machine, command, session)
    words = " ".join(command)
    if session.terminal is not None:
        terminal = session.terminal
    if not words:
        terminal = _is_terminal() and session.terminal is not False
    argv = _argv(words, _size() if terminal else None)
    return _run(machine, session, argv, terminal=terminal)


def lacks(machine: str, program: str, package: str) -> MachineError:
    """Return the error for a program missing from a machine's image; `package` is its Debian package."""
    return MachineError(
        machine,
        f'Machine "{machine}" has no {program}: its image lacks it. The image that dinv builds has it: '
        + command("image", "build")
        + " (for a VCH: "
        + command("image", "push")
        + "), then "
        + command("upgrade", machine)
        + ".\nUntil its next upgrade, it can be installed: "
        + command("ssh", machine, f"apt-get update && apt-get install -y {package}")
        + ", or with the image's own package manager.",
    )


def check_has(machine: Host, look: str, program: str, package: str) -> None:
    """Raise the MachineError of `lacks` unless the shell command `look` succeeds in the running machine."""
    if machine.channel().run(["/bin/sh", "-c", look], timeout=ASK_SECONDS):
        raise lacks(machine.name, program, package)


def transport(store_path: str) -> list[str]:
    """Return the command line to use instead of `ssh`, for rsync's `-e` and sshfs's ssh_command.

    It runs this Python, not a name from PATH, and imports nothing from the current directory (-P).
    """
    return [sys.executable, "-P", "-m", "dinv", "-s", store_path, "ssh"]


def _show_configuration(name: str) -> None:
    """Print what `ssh -G` prints. git only checks that -G works, to recognise OpenSSH's ssh."""
    lines = (f"host {name}", f"user {ssh_options.USER}", f"hostname {name}", f"port {ssh_options.PORT}")
    (_writer(_STDOUT) or _drop)("".join(f"{line}\n" for line in lines).encode())


def _run_subsystem(machine: Host, command: Sequence[str], session: ssh_options.Session) -> int:
    if list(command) != [ssh_options.SUBSYSTEM]:
        asked = " ".join(command) or "none"
        raise InputError(
            f"The only subsystem of ssh supported is {ssh_options.SUBSYSTEM}; asked for: {asked}"
        )
    argv = ["/bin/sh", "-c", f"{_HOME}; {_SUBSYSTEM}"]
    status = _run(machine, session, argv, terminal=False)
    if status == _NOT_FOUND:
        raise lacks(machine.name, *SFTP)
    return status


def _run(machine: Host, session: ssh_options.Session, argv: Sequence[str], *, terminal: bool) -> int:
    """Run it, and hang up on it if this side ends first."""
    channel = machine.channel()
    mark = os.urandom(8).hex()
    environment = {**session.environment, _SESSION: mark}
    try:
        if terminal:
            return _on_terminal(channel, argv, environment)
        return channel.run(
            argv,
            stdin=None if session.without_input else _standard_input(),
            stdout=_writer(_STDOUT),
            stderr=_writer(_STDERR),
            environment=environment,
        )
    except _BrokenOffError:
        _hang_up(channel, mark)
        return DISCONNECTED
    except (Conflict, NotFound):
        # The machine was stopped or removed while the command ran; asking again raises the right error.
        machine.channel()
        raise
    except BaseException:
        _hang_up(channel, mark)
        raise


def _argv(words: str, size: tuple[int, int] | None = None) -> list[str]:
    steps = [_HOME]
    if size is not None:
        # The API can set a terminal's size only once the command runs, which may have read it by then.
        steps.append(f"stty rows {size[0]} cols {size[1]} 2>/dev/null")
    steps.append(_COMMAND if words else _SHELL)
    return ["/bin/sh", "-c", "; ".join(steps), "sh", words]


def _hang_up(channel: Channel, session: str) -> None:
    """Do what sshd does when a connection is lost; otherwise an abandoned exec would run forever.

    Its processes are found by a variable in their environment: the API reports an exec's pid in the
    endpoint's numbering, not the machine's, and cannot send it a signal (moby#9098).
    """
    with contextlib.suppress(DinvError):
        channel.run(["/bin/sh", "-c", _HANG_UP, "sh", session], timeout=HANG_UP_SECONDS)


# Standard streams


def _is_terminal() -> bool:
    # A closed standard input (`<&-`) is None; descriptor 0 may be one of our own connections by now.
    return sys.stdin is not None and os.isatty(_STDIN)


def _standard_input() -> io.FileIO | None:
    if sys.stdin is None:
        return None
    with contextlib.suppress(OSError):  # it is not a terminal, or not this session's controlling terminal
        if os.tcgetpgrp(_STDIN) != os.getpgrp():
            return None  # `dinv ssh NAME CMD &`: reading would stop us
    return _Input(_STDIN, closefd=False)


class _Input(io.FileIO):
    """Standard input; a read error counts as its end."""

    def read(self, size: int | None = -1, /) -> bytes | Any:
        try:
            return super().read(-1 if size is None else size)
        except OSError:
            return b""


def _writer(descriptor: int) -> Callable[[bytes], object] | None:
    """Return a function that writes everything to stdout or stderr, even if it is non-blocking."""
    if (sys.stdout if descriptor == _STDOUT else sys.stderr) is None:
        return None

    def write(data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(descriptor, left) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(descriptor, select.POLLOUT)
                poll.poll()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise DinvError(f"The command's output cannot be written: {error.strerror}") from error

    return write


# Terminals


def _on_terminal(channel: Channel, argv: Sequence[str], environment: dict[str, str]) -> int:
    if "TERM" in os.environ:
        environment["TERM"] = os.environ["TERM"]
    stdin = _terminal_input()
    with channel.open_terminal(argv, environment=environment) as terminal:
        with _raw_mode(), _sizes_followed(terminal):
            terminal.copy(stdin=stdin, stdout=_writer(_STDOUT) or _drop)
        return terminal.exit_status()


def _drop(data: bytes) -> None:
    """Discard output, for when standard output is closed."""


def _size() -> tuple[int, int]:
    """Return the rows and columns of the user's terminal."""
    for descriptor in (_STDIN, _STDOUT, _STDERR):
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(descriptor)
            if rows and columns:
                return rows, columns
    return _DEFAULT_SIZE


def _terminal_input() -> io.FileIO | None:
    if not _is_terminal():
        plain = _standard_input()
        return plain and _TypedInput(_STDIN, closefd=False)
    return _KeyboardInput(_STDIN, closefd=False)


class _TypedInput(_Input):
    """A file or pipe as terminal input: types Ctrl-D at its end, the only way to end terminal input."""

    _ended = False
    _line_begun = False

    def read(self, size: int | None = -1, /) -> bytes | Any:
        if self._ended:
            return b""
        data = super().read(size)
        if data is None:
            return data
        if data:
            self._line_begun = not data.endswith(b"\n")
            return data
        self._ended = True
        # On an unfinished line, the first Ctrl-D only submits the line.
        return _END_OF_TRANSMISSION * (2 if self._line_begun else 1)


class _BrokenOffError(Exception):
    """The user typed `~.`."""


class _KeyboardInput(_Input):
    """A terminal in raw mode, with ssh's escape from a session that hangs."""

    def __init__(self, descriptor: int, *, closefd: bool) -> None:
        super().__init__(descriptor, closefd=closefd)
        self._escape = Escape()

    def read(self, size: int | None = -1, /) -> bytes | Any:
        data = super().read(size)
        if not data:
            return data
        typed = self._escape.feed(data)
        # Not b"", which would mean end of input: a tilde is held back until the next key.
        return typed or None


class Escape:
    """Detects `~.` at the start of a typed line; `~~` there means one tilde (ssh's EscapeChar)."""

    def __init__(self) -> None:
        self._at_start = True
        self._held = False

    def feed(self, typed: bytes) -> bytes:
        """Return the part of `typed` to pass on. Raises _BrokenOffError for `~.`."""
        if typed and b"~" not in typed and not self._held:
            self._at_start = typed[-1:] in (b"\r", b"\n")
            return typed
        passed = bytearray()
        for key in typed:
            if self._held:
                self._held = False
                if key == ord("."):
                    raise _BrokenOffError
                if key != ord("~"):
                    passed.append(ord("~"))
            elif self._at_start and key == ord("~"):
                self._held = True
                self._at_start = False
                continue
            passed.append(key)
            self._at_start = key in b"\r\n"
        return bytes(passed)


@contextlib.contextmanager
def _raw_mode() -> Iterator[None]:
    """Send every key to the machine, including Ctrl-C; always restore the terminal afterwards."""
    if not _is_terminal():
        yield
        return
    import termios
    import tty

    before = termios.tcgetattr(_STDIN)
    try:
        # Immediately (TCSANOW), not after pending output: a terminal held by Ctrl-S would block us.
        tty.setraw(_STDIN, termios.TCSANOW)
        yield
    finally:
        with contextlib.suppress(termios.error):  # its window was closed
            termios.tcsetattr(_STDIN, termios.TCSANOW, before)


@contextlib.contextmanager
def _sizes_followed(terminal: Terminal) -> Iterator[None]:
    """Pass on changes of the window size.

    Uses a thread, since a slow answer must not delay the keys.
    """
    import signal
    import threading
    from queue import SimpleQueue

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can handle signals
        return
    changes: SimpleQueue[bool] = SimpleQueue()  # the only queue that a signal handler may put into

    def follow() -> None:
        while changes.get():
            rows, columns = _size()
            with contextlib.suppress(DinvError):
                terminal.resize(rows=rows, columns=columns)

    thread = threading.Thread(target=follow, name="terminal size", daemon=True)
    before = signal.signal(signal.SIGWINCH, lambda *_: changes.put(True))  # noqa: FBT003 - it is a queue item
    thread.start()
    changes.put(True)  # noqa: FBT003 - the window may have changed by now, and some machines have no stty
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
        changes.put(False)  # noqa: FBT003
        thread.join(HANG_UP_SECONDS)

"""dinv ssh: what is run, what becomes of the terminal, and what happens when this end goes first."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dinv.access import ssh
from dinv.access.ssh import Escape, run_command
from dinv.errors import Conflict, DinvError, EndpointUnreachable, InputError, MachineError, MachineNotRunning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


class FakeTerminal:
    def __init__(self, channel: FakeChannel) -> None:
        self.channel = channel
        self.sizes: list[tuple[int, int]] = []
        self.closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed = True

    def copy(self, *, stdin: Any, stdout: Callable[[bytes], object]) -> None:
        self.channel.during(stdin)

    def resize(self, *, rows: int, columns: int) -> None:
        self.sizes.append((rows, columns))

    def exit_status(self) -> int:
        return 5


class FakeChannel:
    """Notes commands; `during` is called while the first runs."""

    def __init__(self) -> None:
        self.argvs: list[Sequence[str]] = []
        self.environments: list[Mapping[str, str]] = []
        self.during: Callable[[Any], object] = lambda _stdin: None
        self.terminal = FakeTerminal(self)
        self.status = 4

    def run(
        self, argv: Sequence[str], *, environment: Mapping[str, str] | None = None, **streams: Any
    ) -> int:
        self.argvs.append(argv)
        self.environments.append(environment or {})
        if len(self.argvs) == 1:
            self.during(streams.get("stdin"))
        return self.status

    def open_terminal(self, argv: Sequence[str], *, environment: Mapping[str, str]) -> FakeTerminal:
        self.argvs.append(argv)
        self.environments.append(environment)
        return self.terminal


class FakeMachine:
    name = "m"

    def __init__(self) -> None:
        self.the_channel = FakeChannel()
        self.running = True
        self.driver = SimpleNamespace(ssh_address=lambda: None)

    def channel(self) -> FakeChannel:
        if not self.running:
            raise MachineNotRunning("m")
        return self.the_channel


@pytest.fixture
def machine() -> FakeMachine:
    return FakeMachine()


@pytest.fixture
def nothing_typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard input is /dev/null, whatever the tests were started with."""
    with _standard_input(os.open(os.devnull, os.O_RDONLY), monkeypatch):
        yield


class _standard_input:  # noqa: N801 - a function in all but form
    """Put a descriptor, which is closed, in the place of standard input."""

    def __init__(self, descriptor: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._before = os.dup(0)
        os.dup2(descriptor, 0)
        os.close(descriptor)
        monkeypatch.setattr(sys, "stdin", io.StringIO())

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        os.dup2(self._before, 0)
        os.close(self._before)


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal as standard input; its other end."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (31, 97))
    with _standard_input(slave, monkeypatch):
        yield master
    os.close(master)


def run(machine: Any, *words: str, terminal: bool = False) -> int:
    return run_command(machine, words, terminal=terminal)


def execute(argv: Sequence[str], home: Path) -> subprocess.CompletedProcess[str]:
    """What a machine would do, done here."""
    return subprocess.run(
        argv, env={"HOME": str(home), "PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False
    )


# What is run


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (["echo", "a  b", "c"], "a b c\n", 0),
        (["echo 'a  b' | tr a x"], "x  b\n", 0),
        (["pwd"], "HOME\n", 0),
        (["exit 9"], "", 9),
        (["nonexistent-command"], "", 127),
        (["/etc/hostname-is-no-program;", "exit", "126"], "", 126),
        (["echo $0 $#"], "/bin/sh 0\n", 0),
        (["--", "echo", "x"], "x\n", 0),
        (["-q", "-C", "--", "echo", "x"], "x\n", 0),
        (["-T", "echo", "-x"], "-x\n", 0),
        (["echo one\necho two"], "one\ntwo\n", 0),
    ],
)
@pytest.mark.usefixtures("nothing_typed")
def test_words_are_run_as_ssh_runs_them(
    machine: FakeMachine, tmp_path: Path, words: list[str], said: str, status: int
) -> None:
    assert run(machine, *words) == 4
    done = execute(machine.the_channel.argvs[0], tmp_path)
    assert (done.stdout, done.returncode) == (said.replace("HOME", str(tmp_path)), status)


@pytest.mark.usefixtures("nothing_typed")
def test_without_words_it_is_a_login_shell(machine: FakeMachine, tmp_path: Path) -> None:
    run(machine, terminal=True)  # of no effect: standard input is no terminal
    (tmp_path / ".profile").write_text("echo profile was read\n")
    done = execute(machine.the_channel.argvs[0], tmp_path)
    assert "profile was read" in done.stdout
    assert done.returncode == 0


def test_a_shell_on_a_terminal(machine: FakeMachine, keyboard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "vt102")
    assert run(machine) == 5
    channel = machine.the_channel
    assert "stty rows 31 cols 97" in channel.argvs[0][2]
    assert channel.environments[0]["TERM"] == "vt102"
    assert channel.terminal.sizes == [(31, 97)]
    assert channel.terminal.closed
    assert len(channel.argvs) == 1, "a session that ended is not hung up"


@pytest.mark.parametrize("option", ["-t", "-tt"])
def test_ssh_s_own_option_for_a_terminal(machine: FakeMachine, keyboard: int, option: str) -> None:
    """`docker-machine ssh NAME -t top` handed it to ssh."""
    run(machine, option, "top")
    channel = machine.the_channel
    assert channel.argvs[0][-1] == "top"
    assert channel.terminal.sizes


@pytest.mark.parametrize("option", ["-L", "-A", "-oForwardAgent=yes", "-tJ"])
def test_what_only_ssh_can_do_is_refused(machine: FakeMachine, option: str) -> None:
    with pytest.raises(InputError, match="is an option of ssh"):
        run(machine, option, "80:h:80", "true")
    assert machine.the_channel.argvs == []


# What programs ask for that take it for ssh


@pytest.mark.usefixtures("nothing_typed")
def test_the_calls_of_rsync_scp_and_git_are_commands(machine: FakeMachine, tmp_path: Path) -> None:
    run(machine, "-x", "-oClearAllForwardings=yes", "-oRequestTTY=no", "-lroot", "--", "echo", "-t", "x")
    done = execute(machine.the_channel.argvs[0], tmp_path)
    assert done.stdout == "-t x\n"


def test_no_terminal_where_ssh_is_told_so(machine: FakeMachine, keyboard: int) -> None:
    assert run(machine, "-T", "--", "cat", terminal=True) == 4
    assert run(machine, "-oRequestTTY=no") == 4
    assert run(machine, "-oRequestTTY=force", "cat") == 5


def test_no_input_where_ssh_is_told_so(machine: FakeMachine) -> None:
    seen: list[Any] = []
    machine.the_channel.during = seen.append
    run(machine, "-n", "cat")
    assert seen == [None]


@pytest.mark.usefixtures("nothing_typed")
def test_variables_go_over(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_PROTOCOL", "version=2")
    run(machine, "-o", "SendEnv=GIT_PROTOCOL", "-o", "SetEnv=A=b", "true")
    environment = machine.the_channel.environments[0]
    assert environment["GIT_PROTOCOL"] == "version=2"
    assert environment["A"] == "b"
    assert environment.keys() - {"GIT_PROTOCOL", "A"} == {"DINV_SESSION"}


@pytest.mark.usefixtures("nothing_typed")
def test_the_subsystem_is_looked_for(
    machine: FakeMachine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = tmp_path / "a" / "sftp-server"
    server.parent.mkdir()
    server.write_text("#!/bin/sh\npwd\n")
    server.chmod(0o755)
    script = ssh._SUBSYSTEM.replace(ssh.SFTP_SERVERS[2], str(server))
    monkeypatch.setattr(ssh, "_SUBSYSTEM", re.sub(r"/usr/[a-z/]+/sftp-server", "/nonexistent", script))
    assert run(machine, "-s", "--", "sftp") == 4
    done = execute(machine.the_channel.argvs[0], tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}\n")
    server.unlink()
    assert execute(machine.the_channel.argvs[0], tmp_path).returncode == 127


@pytest.mark.usefixtures("nothing_typed")
def test_an_image_without_the_subsystem(machine: FakeMachine) -> None:
    machine.the_channel.status = 127
    with pytest.raises(MachineError, match="no sftp-server"):
        run(machine, "-s", "sftp")
    assert run(machine, "sftp") == 127, "a command, and its own status"
    for words in (["-s", "netconf"], ["-s"], ["-s", "sftp", "x"]):
        with pytest.raises(InputError, match="subsystem"):
            run(machine, *words)


def test_git_sees_that_it_is_openssh_s(machine: FakeMachine, capfd: pytest.CaptureFixture[str]) -> None:
    machine.running = False
    assert run(machine, "-G", "-o", "SendEnv=GIT_PROTOCOL") == 0
    assert capfd.readouterr().out == "host m\nuser root\nhostname m\nport 22\n"


def test_the_transport_is_this_dinv_wherever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "dinv").mkdir()
    (tmp_path / "dinv" / "__main__.py").write_text("print('another')")
    command = [*ssh.transport(str(tmp_path / "a store")), "-x", "--", "nosuch", "true"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nosuch" in done.stderr


# The terminal


@pytest.mark.parametrize("error", [None, EndpointUnreachable("e", "gone"), KeyboardInterrupt(), ValueError()])
def test_the_terminal_is_as_it_was(machine: FakeMachine, keyboard: int, error: BaseException | None) -> None:
    before = termios.tcgetattr(0)
    during: list[Any] = []

    def happen(_: object) -> None:
        during.append(termios.tcgetattr(0))
        if error is not None:
            raise error

    machine.the_channel.during = happen
    if error is None:
        run(machine)
    else:
        with pytest.raises(type(error)):
            run(machine)
    local = 3
    assert during[0][local] & (termios.ICANON | termios.ISIG | termios.ECHO) == 0
    assert termios.tcgetattr(0) == before


def test_the_size_is_followed_and_then_no_more(machine: FakeMachine, keyboard: int) -> None:
    terminal = machine.the_channel.terminal

    def happen(_: object) -> None:
        termios.tcsetwinsize(0, (50, 132))
        signal.raise_signal(signal.SIGWINCH)

    handler = signal.getsignal(signal.SIGWINCH)
    machine.the_channel.during = happen
    run(machine)
    assert terminal.sizes[-1] == (50, 132)
    assert signal.getsignal(signal.SIGWINCH) == handler


def test_a_closed_window_leaves_no_error_of_its_own(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    master, slave = pty.openpty()
    with _standard_input(slave, monkeypatch):
        machine.the_channel.during = lambda _stdin: os.close(master)
        assert run(machine) == 5


def test_a_tilde_and_a_dot_break_it_off(machine: FakeMachine, keyboard: int) -> None:
    def happen(stdin: Any) -> None:
        os.write(keyboard, b"~")
        assert stdin.read(100) is None, "held back, and not the end"
        os.write(keyboard, b".")
        stdin.read(100)

    machine.the_channel.during = happen
    assert run(machine) == ssh.DISCONNECTED
    assert len(machine.the_channel.argvs) == 2, "and the far side is hung up"


def test_a_pipe_in_a_keyboards_place_ends_with_a_key(
    machine: FakeMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[bytes] = []

    def happen(stdin: Any) -> None:
        while data := stdin.read(100):
            read.append(data)

    for given_, expected in ((b"a\n", b"a\n\x04"), (b"a", b"a\x04\x04"), (b"", b"\x04")):
        mine, yours = os.pipe()
        os.write(yours, given_)
        os.close(yours)
        with _standard_input(mine, monkeypatch):
            machine.the_channel.during = happen
            assert run(machine, "cat", terminal=True) == 5
        assert b"".join(read) == expected
        read.clear()


def model(typed: bytes) -> tuple[bytes, bool]:
    """What ssh's manual says of `~.` and `~~`: what is passed on, and whether the session ends."""
    passed = b""
    rest = typed
    start = True
    while rest:
        if start and rest[:2] == b"~.":
            return passed, True
        if start and rest == b"~":
            break
        taken = 2 if start and rest[:2] == b"~~" else 1
        if start and rest[:1] == b"~" and taken == 1:
            passed += rest[:2]
            start = rest[1:2] in (b"\r", b"\n")
            rest = rest[2:]
            continue
        passed += rest[:1]
        start = rest[:1] in (b"\r", b"\n")
        rest = rest[taken:]
    return passed, False


@given(st.lists(st.text("~.\r\na", max_size=4), max_size=6))
def test_the_way_out_is_found_however_keys_come(pieces: list[str]) -> None:
    escape = Escape()
    passed = b""
    ended = False
    try:
        for piece in pieces:
            passed += escape.feed(piece.encode())
    except ssh._BrokenOffError:
        ended = True
    expected, expected_end = model("".join(pieces).encode())
    assert ended == expected_end
    # What came in one piece with the way out need not arrive any more.
    assert expected.startswith(passed) if ended else passed == expected


# Standard streams


def test_a_closed_standard_input_is_none(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    seen: list[Any] = []
    machine.the_channel.during = seen.append
    run(machine, "cat")
    assert seen == [None]


@pytest.mark.usefixtures("nothing_typed")
def test_standard_input_is_passed_on(machine: FakeMachine) -> None:
    seen: list[Any] = []
    machine.the_channel.during = seen.append
    run(machine, "cat")
    assert seen[0].fileno() == 0
    assert seen[0].read(10) == b""


@pytest.mark.parametrize(
    ("target", "error", "said"),
    [("/dev/full", DinvError, "No space left"), ("pipe", BrokenPipeError, "Broken pipe")],
)
def test_output_that_cannot_be_written(target: str, error: type[Exception], said: str) -> None:
    if target == "pipe":
        read, descriptor = os.pipe()
        os.close(read)
    else:
        descriptor = os.open(target, os.O_WRONLY)
    try:
        write = ssh._writer(descriptor)
        assert write is not None
        with pytest.raises(error, match=said):
            write(b"x")
    finally:
        os.close(descriptor)


def test_output_that_would_block_waits() -> None:
    import threading

    read, descriptor = os.pipe()
    os.set_blocking(descriptor, False)
    got = bytearray()

    def take() -> None:
        while data := os.read(read, 65536):
            got.extend(data)

    thread = threading.Thread(target=take)
    thread.start()
    write = ssh._writer(descriptor)
    assert write is not None
    write(b"x" * 1_000_000)
    os.close(descriptor)
    thread.join()
    os.close(read)
    assert len(got) == 1_000_000


# This end goes first


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BrokenPipeError(), EndpointUnreachable("e", "gone")])
@pytest.mark.usefixtures("nothing_typed")
def test_the_far_side_is_hung_up(machine: FakeMachine, error: BaseException) -> None:
    def happen(_: object) -> None:
        raise error

    machine.the_channel.during = happen
    with pytest.raises(type(error)):
        run(machine, "sleep", "100")
    _, hang_up = machine.the_channel.argvs
    assert hang_up[-1] == machine.the_channel.environments[0]["DINV_SESSION"]


def test_a_hang_up_ends_the_session_and_nothing_else() -> None:
    ours = subprocess.Popen(["sleep", "100"], env={"DINV_SESSION": "0123abcd"})
    other = subprocess.Popen(["sleep", "100"], env={"DINV_SESSION": "fedc9876"})
    try:
        subprocess.run(["/bin/sh", "-c", ssh._HANG_UP, "sh", "0123abcd"], check=True, timeout=30)
        assert ours.wait(30) == -signal.SIGHUP
        assert other.poll() is None
    finally:
        for child in (ours, other):
            child.kill()
            child.wait()


@pytest.mark.usefixtures("nothing_typed")
def test_a_machine_that_stops_under_a_command(machine: FakeMachine) -> None:
    def happen(_: object) -> None:
        machine.running = False
        raise Conflict("container is not running")

    machine.the_channel.during = happen
    with pytest.raises(MachineNotRunning):
        run(machine, "true")


def test_a_machine_that_does_not_run(machine: FakeMachine) -> None:
    machine.running = False
    with pytest.raises(MachineNotRunning):
        run(machine, "true")
    assert machine.the_channel.argvs == []

"""dinv ssh and dinv scp, the real command line on real machines."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
from users import LONG, User, command

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOON = 30.0
"""Seconds after which something will not happen any more."""


@pytest.fixture(scope="module")
def user(
    tmp_path_factory: pytest.TempPathFactory, endpoint_address: str, machine_image: str
) -> Iterator[User]:
    """A user with the machine m."""
    user = User(str(tmp_path_factory.mktemp("home")), endpoint_address)
    name = user.name("m")
    try:
        user.dinv("create", "--no-context", name)
        yield user
    finally:
        user.end_begun()
        user.dinv("rm", "-f", "-y", name, status=None)


def ssh(user: User, *words: str, data: bytes = b"", status: int = 0) -> bytes:
    done = subprocess.run(
        command("ssh", *words),
        input=data,
        env=user.environment,
        capture_output=True,
        timeout=LONG,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def running(user: User, m: str, word: str) -> bool:
    """Whether a process with a word in its command line runs in the machine, the one that looks excepted."""
    return user.dinv("ssh", m, f"pgrep -f '[{word[0]}]{word[1:]}'", status=None).returncode == 0


def wait_until_gone(user: User, m: str, word: str) -> None:
    end = time.monotonic() + SOON
    while running(user, m, word):
        assert time.monotonic() < end, f"{word} runs on in the machine"
        time.sleep(0.1)


def wait_until_there(user: User, m: str, word: str) -> None:
    end = time.monotonic() + SOON
    while not running(user, m, word):
        assert time.monotonic() < end, f"{word} does not run in the machine"
        time.sleep(0.1)


# Commands


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["exit 3"], 3),
        (["false"], 1),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
        (["kill -9 $$"], 137),
    ],
)
def test_the_exit_status_is_the_commands(user: User, m: str, words: list[str], status: int) -> None:
    user.dinv("ssh", m, *words, status=status)


def test_streams_are_apart_and_binary(user: User, m: str) -> None:
    done = user.dinv("ssh", m, "echo out; echo error >&2; pwd")
    assert (done.stdout, done.stderr) == ("out\n/root\n", "error\n")
    data = os.urandom(5_000_000)
    assert ssh(user, m, "cat", data=data) == data
    assert b"NAME=" in ssh(user, m, "sudo cat /etc/os-release | head -3")


def test_standard_input(user: User, m: str, box: str) -> None:
    assert ssh(user, m, "tee", f"{box}/f", data=b"x\n") == b"x\n"
    assert ssh(user, m, data=b"cd\necho $0; pwd\nexit 4\n", status=4).endswith(b"/root\n")
    closed = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *command("ssh", m, "cat; echo done")],
        env=user.environment,
        capture_output=True,
        timeout=LONG,
        check=False,
    )
    assert (closed.returncode, closed.stdout) == (0, b"done\n")


def test_a_command_that_ends_before_its_input(user: User, m: str) -> None:
    child = subprocess.Popen(
        command("ssh", m, "exit 6"), stdin=subprocess.PIPE, env=user.environment, stdout=subprocess.DEVNULL
    )
    try:
        assert child.wait(SOON) == 6
    finally:
        child.kill()
        child.communicate()


def test_nobody_reads_our_output(user: User, m: str) -> None:
    child = subprocess.Popen(
        command("ssh", m, "yes marked-yes"),
        env=user.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.read(10) == b"marked-yes"
    child.stdout.close()
    assert child.stderr is not None
    with child.stderr:
        assert b"Traceback" not in child.stderr.read()
    assert child.wait(SOON) == 1
    wait_until_gone(user, m, "marked-yes")


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_the_far_side_too(user: User, m: str, number: int, status: int) -> None:
    child = user.begin("ssh", m, f"sleep 10{number}")
    wait_until_there(user, m, f"sleep 10{number}")
    child.send_signal(number)
    child.communicate(timeout=SOON)
    assert child.returncode == status
    wait_until_gone(user, m, f"sleep 10{number}")


# Terminals


class Session:
    """dinv on a terminal of its own, as a person in front of it."""

    def __init__(self, user: User, *words: str) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (30, 100))
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        self.child = subprocess.Popen(
            command("ssh", *words),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**user.environment, "TERM": "vt100"},
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - the tests have no threads here
        )

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.child.kill()
        self.child.wait()
        os.close(self.master)
        os.close(self.slave)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def see(self, text: bytes) -> None:
        """Wait until the terminal has shown `text` after what was waited for before."""
        end = time.monotonic() + SOON
        while text not in self.seen:
            assert select.select([self.master], [], [], max(0, end - time.monotonic()))[0], self.seen
            self.seen += os.read(self.master, 65536)
        self.seen = self.seen.partition(text)[2]

    def see_again(self, keys: bytes, text: bytes) -> None:
        """Type until the terminal shows `text`: what follows a change of size takes its time."""
        end = time.monotonic() + SOON
        while True:
            self.type(keys)
            with contextlib.suppress(AssertionError):
                ready = time.monotonic() + 1
                while text not in self.seen and time.monotonic() < ready:
                    if select.select([self.master], [], [], 0.1)[0]:
                        self.seen += os.read(self.master, 65536)
            if text in self.seen:
                return
            assert time.monotonic() < end, self.seen

    def wait(self) -> int:
        """The exit status; the terminal is as it was then."""
        end = time.monotonic() + SOON
        while self.child.poll() is None:
            assert time.monotonic() < end, self.seen
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536)
        assert termios.tcgetattr(self.slave) == self.before
        return self.child.returncode


def _take_terminal() -> None:
    """Make standard input the controlling terminal, which Ctrl-C and SIGWINCH come from."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def session(user: User, *words: str) -> Iterator[Session]:
    found = Session(user, *words)
    try:
        yield found
    finally:
        found.close()


def test_a_shell(user: User, m: str) -> None:
    with session(user, m) as shell:
        shell.see(b"# ")
        shell.type(b"stty size; echo term=$TERM; tty; echo in=$PWD\r")
        shell.see(b"30 100\r\n")
        shell.see(b"term=vt100\r\n")
        shell.see(b"/dev/pts/")
        shell.see(b"in=/root\r\n")
        termios.tcsetwinsize(shell.slave, (44, 155))
        shell.see_again(b"stty size\r", b"44 155\r\n")
        shell.type(b"sleep 4321\r")
        wait_until_there(user, m, "sleep 4321")
        shell.type(b"\x03")
        shell.see(b"^C")
        shell.type(b"exit 9\r")
        assert shell.wait() == 9


def test_a_command_on_a_terminal(user: User, m: str) -> None:
    with session(user, "-t", m, "stty size; tty; exit 5") as command_:
        command_.see(b"30 100\r\n")
        command_.see(b"/dev/pts/")
        assert command_.wait() == 5
    assert user.dinv("ssh", "-t", m, "stty size").stdout == "24 80\n"


def test_a_command_without_one_reads_the_terminal(user: User, m: str) -> None:
    with session(user, m, "read word; echo got $word; tty") as command_:
        command_.type(b"hello\r")
        command_.see(b"got hello")
        command_.see(b"not a tty")
        command_.wait()
    with session(user, m, "sleep 8765") as command_:
        wait_until_there(user, m, "sleep 8765")
        command_.type(b"\x03")
        assert command_.wait() == 130
    wait_until_gone(user, m, "sleep 8765")


def test_the_way_out(user: User, m: str) -> None:
    with session(user, "-t", m, "sleep 5678") as command_:
        wait_until_there(user, m, "sleep 5678")
        command_.type(b"\r~.")
        assert command_.wait() == 255
    wait_until_gone(user, m, "sleep 5678")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_terminal_is_restored_after_a_signal(user: User, m: str, number: int, status: int) -> None:
    with session(user, "-t", m, f"sleep 77{number}") as command_:
        wait_until_there(user, m, f"sleep 77{number}")
        command_.child.send_signal(number)
        assert command_.wait() == status
    wait_until_gone(user, m, f"sleep 77{number}")


def test_a_terminal_is_restored_when_the_far_side_is_killed(user: User, m: str) -> None:
    with session(user, "-t", m, "sleep 3456") as command_:
        wait_until_there(user, m, "sleep 3456")
        user.dinv("ssh", m, "pkill -9 -f '[s]leep 3456'")
        assert command_.wait() == 137


def test_much_goes_both_ways_through_a_terminal(user: User, m: str) -> None:
    with session(user, "-t", m, "stty raw -echo; echo ready; head -c 300000 | md5sum") as command_:
        command_.see(b"ready")
        for _ in range(300):
            command_.type(b"x" * 1000)
        command_.see(b"  -")
        assert command_.wait() == 0


# Copies


def fill(top: Path) -> None:
    (top / "a b" / "ü").mkdir(parents=True)
    (top / "empty").mkdir(mode=0o750)
    (top / "a b" / "ü" / "new\nline").write_bytes(b"x" * 513)
    (top / "nothing").write_bytes(b"")
    (top / "c:d").write_bytes(os.urandom(200_000))
    (top / "c:d").chmod(0o640)
    (top / os.fsdecode(b"\xff")).write_bytes(b"no text")
    (top / "link").symlink_to("a b/ü")
    (top / "closed").mkdir()
    (top / "closed" / "file").write_bytes(b"in")
    (top / "closed").chmod(0o555)


def tree(top: Path) -> dict[str, tuple[int, object]]:
    found: dict[str, tuple[int, object]] = {}
    for at in sorted(top.rglob("*")):
        what: object = os.readlink(at) if at.is_symlink() else at.read_bytes() if at.is_file() else None
        found[str(at.relative_to(top))] = (at.lstat().st_mode, what)
    return found


def test_a_directory_there_within_and_back(user: User, m: str, box: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    fill(source)
    user.dinv("scp", "-r", str(source), f"{m}:{box}")
    user.dinv("scp", "-r", f"{m}:{box}/source", f"{m}:{box}/second")
    user.dinv("scp", "-r", f"{m}:{box}/second/.", f"{m}:{box}/third")
    user.dinv("scp", "-r", f"{m}:{box}/third", str(tmp_path / "back"))
    assert tree(tmp_path / "back") == tree(source)
    assert ssh(user, m, f"find {box} ! -user root -o ! -group root") == b""


def test_a_machine_to_another_and_a_stopped_one(user: User, m: str, box: str, tmp_path: Path) -> None:
    other = user.name("n")
    user.dinv("create", "--no-context", other)
    try:
        ssh(user, m, f"head -c 3000000 /dev/urandom > {box}/data; mkfifo {box}/pipe")
        copied = user.dinv("scp", "-r", f"{m}:{box}", f"{other}:copy")
        assert copied.stderr == "Warning: copy/pipe is a named pipe: left out\n"
        assert ssh(user, other, "cat copy/data") == ssh(user, m, f"cat {box}/data")
        user.dinv("stop", other)
        user.dinv("scp", f"{other}:copy/data", str(tmp_path))
        user.dinv("scp", str(tmp_path / "data"), f"{other}:again")
        assert "is not running" in user.fails("ssh", other, "true")
        user.dinv("start", other)
        assert ssh(user, other, "cat again") == (tmp_path / "data").read_bytes()
    finally:
        user.dinv("rm", "-f", "-y", other)


def test_names_and_standard_output(user: User, m: str, box: str, tmp_path: Path) -> None:
    (tmp_path / "a:b").write_text("with a colon")
    copied = subprocess.run(
        command("scp", "./a:b", f"{m}:{box}/"), cwd=tmp_path, env=user.environment, timeout=LONG, check=False
    )
    assert copied.returncode == 0
    assert user.dinv("scp", f"{m}:{box}/a:b", "/dev/stdout").stdout == "with a colon"
    user.dinv("scp", str(tmp_path / "a:b"), f"{m}:~/{box.removeprefix('/root/')}/new")
    assert ssh(user, m, f"ls {box}") == b"a:b\nnew\n"
    ssh(user, m, f"ln -s new {box}/link; ln -s {box} {box}/dir")
    user.dinv("scp", f"{m}:{box}/dir/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_text() == "with a colon"
    assert not (tmp_path / "followed").is_symlink()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("M:/nope HERE", "no such file or directory"),
        ("M:/etc/passwd/x HERE", "no such file or directory"),
        ("M:/etc HERE", "add -r"),
        ("M:/etc/passwd/ HERE", "not a directory"),
        ("HERE/f M:/nope/", "no such directory"),
        ("HERE/f M:/nope/x", "no directory /nope"),
        ("HERE/f M:/etc/passwd/x", "/etc/passwd is not a directory"),
        ("HERE/f M:/proc/x", "not on the machine's disk"),
        ("HERE/nope M:", "no such file or directory"),
        ("HERE/f nope:", 'machine "nope" does not exist'),
        ("HERE/f HERE/g", "use cp"),
        ("M:/etc/passwd HERE/nope/x", "there is no directory"),
        ("M:/etc/hosts M:/etc/hosts", "the same"),
    ],
)
def test_what_cannot_be_copied_is_one_line(user: User, m: str, tmp_path: Path, words: str, said: str) -> None:
    (tmp_path / "f").write_text("x")
    error = user.fails("scp", *words.replace("M:", f"{m}:").replace("HERE", str(tmp_path)).split())
    assert said in error
    assert error.count("\n") == 1
    assert os.listdir(tmp_path) == ["f"]


def test_a_large_file_takes_no_memory(user: User, m: str, box: str, tmp_path: Path) -> None:
    ssh(user, m, f"head -c 200000000 /dev/zero > {box}/large")
    measured = (
        "import resource, subprocess, sys; status = subprocess.call(sys.argv[1:]); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", measured, *command("scp", "-q", f"{m}:{box}/large", str(tmp_path))],
        env=user.environment,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=True,
    )
    assert int(done.stdout) < 40_000, "KiB"
    assert (tmp_path / "large").stat().st_size == 200_000_000


def test_a_copy_that_is_ended_leaves_what_was_there(user: User, m: str, box: str, tmp_path: Path) -> None:
    # Holes take no disk there; it takes seconds until they have come, and it is ended at the first of them.
    ssh(user, m, f"truncate -s 4G {box}/large")
    (tmp_path / "large").write_text("old")
    child = user.begin("scp", "-q", f"{m}:{box}/large", str(tmp_path))
    end = time.monotonic() + SOON
    while len(os.listdir(tmp_path)) == 1 and child.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    child.terminate()
    child.communicate(timeout=SOON)
    assert child.returncode == 143
    assert os.listdir(tmp_path) == ["large"]
    assert (tmp_path / "large").read_text() == "old"

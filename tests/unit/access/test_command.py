"""Commands in a machine, as a program runs them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from dinv.access.command import run
from dinv.errors import BadRequest, CommandFailed, DeadlineExceeded, InputError, MachineError

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeHost:
    """A machine in which each command repeats its input, and complains."""

    name = "dev"

    def __init__(self, status: int = 0) -> None:
        self.status = status
        self.asked: list[tuple[Any, Any, float]] = []
        self.refusal: Exception | None = None

    def channel(self) -> FakeHost:
        return self

    def run(
        self,
        argv: tuple[str, ...],
        *,
        stdin: io.BytesIO | None,
        stdout: Callable[[bytes], object],
        stderr: Callable[[bytes], object],
        environment: object,
        timeout: float,
    ) -> int:
        self.asked.append((argv, environment, timeout))
        if self.refusal is not None:
            raise self.refusal
        for piece in iter(lambda: stdin.read(2) if stdin else b"", b""):
            stdout(piece)
        stderr(b"first\nlast\n")
        return self.status


def do(host: FakeHost, *argv: str, **options: Any) -> Any:
    given: Any = host
    return run(given, argv, **options)


def test_what_it_wrote_and_how_it_ended() -> None:
    host = FakeHost(3)
    done = do(host, "cat", "-", input=b"said\n\n", environment={"A": "b"})
    assert (done.exit_status, done.stdout, done.stderr) == (3, b"said\n\n", b"first\nlast\n")
    assert (done.machine, done.argv, done.text) == ("dev", ("cat", "-"), "said")
    assert host.asked == [(("cat", "-"), {"A": "b"}, float("inf"))]
    assert "exit status 3" in repr(done)


def test_an_open_file_is_its_input_too() -> None:
    assert do(FakeHost(), "cat", input=io.BytesIO(b"\xff\xfe")).text == "\ufffd\ufffd"
    assert do(FakeHost(), "cat").stdout == b""


def test_pieces_as_they_come() -> None:
    pieces: list[bytes] = []
    done = do(FakeHost(), "cat", input=b"12345", stdout=pieces.append, stderr=pieces.append)
    assert pieces == [b"12", b"34", b"5", b"first\nlast\n"]
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_failure_is_an_error_where_it_is_checked() -> None:
    with pytest.raises(
        CommandFailed, match='In machine "dev", make ended with exit status 2: last'
    ) as caught:
        do(FakeHost(2), "make", "all", input=b"x", check=True)
    error = caught.value
    assert isinstance(error, MachineError)
    assert (error.machine, error.argv, error.exit_status) == ("dev", ("make", "all"), 2)
    assert (error.stdout, error.stderr) == (b"x", b"first\nlast\n")
    assert do(FakeHost(0), "make", check=True).exit_status == 0


@pytest.mark.parametrize("argv", ["docker info", [], ()])
def test_a_line_is_not_a_command(argv: Any) -> None:
    host: Any = FakeHost()
    with pytest.raises(InputError, match="list of words"):
        run(host, argv)
    assert host.asked == []


def test_what_takes_too_long_names_the_command() -> None:
    host = FakeHost()
    host.refusal = DeadlineExceeded("the end of exec 1234", 2)
    with pytest.raises(DeadlineExceeded, match='sleep in machine "dev" took longer than 2 s'):
        do(host, "sleep", "9", timeout=2)
    assert host.asked[0][2] == 2


def test_a_program_that_is_not_there_is_127_as_in_a_shell() -> None:
    host = FakeHost()
    host.refusal = BadRequest("executable file not found in $PATH")
    done = do(host, "nosuch")
    assert (done.exit_status, done.stderr) == (127, b"nosuch: executable file not found in $PATH\n")

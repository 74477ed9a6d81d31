"""Tables on a terminal: no wider than it is, coloured where it wants that; and in a pipe as ever."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest
from fake_program import Program
from hypothesis import given
from hypothesis import strategies as st

from dinv.cli.show.fitting import LEAST_CELL, fitted
from dinv.cli.show.machine_rows import COLUMNS
from dinv.formats.table import widths
from dinv.store.record import CREATING
from dinv.store.store import Store

if TYPE_CHECKING:
    from fake_driver import World

SPARE = ("SWARM", "DRIVER", "DOCKER", "ACTIVE")
ROW = ["dev", "-", "docker", "Running", "tcp://127.0.0.1:26773", "", "v26.1.5", ""]
ILL = [
    "old",
    "",
    "docker",
    "Error",
    "",
    "",
    "Unknown",
    "Cannot reach the Docker endpoint unix:///run/x: refused",
]


def width(lines: list[list[str]]) -> int:
    return sum(widths(lines)) + max(len(line[-1]) for line in lines)


@pytest.mark.parametrize(
    ("room", "head"),
    [
        (200, list(COLUMNS)),
        (80, ["NAME", "ACTIVE", "DRIVER", "STATE", "URL", "SWARM", "DOCKER"]),
        (60, ["NAME", "ACTIVE", "STATE", "URL", "DOCKER"]),
        (40, ["NAME", "STATE", "URL"]),
        (30, ["NAME", "STATE", "URL"]),
    ],
)
def test_columns_go_until_it_fits(room: int, head: list[str]) -> None:
    lines, moved = fitted(COLUMNS, [ROW, ILL], room, spare=SPARE, below="ERRORS")
    assert lines[0] == head
    assert width(lines) <= room
    assert all(len(line) <= room for line in moved)
    assert " ".join("\n".join(moved).split()) == ("" if room == 200 else f"old: {ILL[-1]}")


def test_a_url_that_is_cut_shows_that_it_is() -> None:
    lines, _ = fitted(COLUMNS, [ROW], 30, spare=SPARE, below="ERRORS")
    assert lines[1][-1].endswith("\u2026")
    assert "tcp://127.0.0.1:26773".startswith(lines[1][-1][:-1])


CELL = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=40)


@given(st.lists(st.lists(CELL, min_size=8, max_size=8), max_size=4), st.integers(1, 120))
def test_any_table_fits_or_is_as_narrow_as_it_gets(rows: list[list[str]], room: int) -> None:
    lines, moved = fitted(COLUMNS, rows, room, spare=SPARE, below="ERRORS")
    narrowest = all(len(cell) <= LEAST_CELL for line in lines for cell in line)
    assert width(lines) <= room or (narrowest and len(lines[0]) == 3)
    assert len(lines) == len(rows) + 1
    assert all(len(line) <= max(room, LEAST_CELL) for line in moved)


# On a real terminal


def on_terminal(columns: int, *words: str, environ: dict[str, str] | None = None, status: int = 0) -> str:
    """What `dinv` prints on a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {"TERM": "xterm", **(environ or {})}
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CI", "NO_COLOR", "CLICOLOR", "COLUMNS")
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "dinv", *words],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env={**env, **given},
    )
    os.close(theirs)
    said = b""
    end = time.monotonic() + 60
    try:
        while time.monotonic() < end and select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            said += piece
        assert process.wait(60) == status
    finally:
        process.kill()
        os.close(ours)
    return said.decode()


@pytest.fixture
def machine(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """One whose create did not finish: the error says how to go on. No endpoint is asked for it."""
    assert Program(capsys)("create", "dev", "-q") == 0
    store = Store()
    config = store.load("dev")
    config.ours["Phase"] = CREATING
    store.save(config)


@pytest.mark.usefixtures("machine")
def test_ls_in_60_columns_does_not_wrap() -> None:
    lines = on_terminal(60, "ls", environ={"NO_COLOR": "1"}).split("\r\n")
    assert all(len(line) <= 60 for line in lines)
    assert lines[0].split()[:1] == ["NAME"]
    assert "dinv rm dev" in " ".join("\n".join(lines).split())


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("environ", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"CI": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_states_are_coloured_where_the_terminal_wants_it(environ: dict[str, str], *, coloured: bool) -> None:
    said = on_terminal(100, "ls", environ=environ)
    assert ("\x1b[31mError\x1b[0m" in said) is coloured
    assert ("\x1b" in said) is coloured


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_errors_begin_in_a_colour(environ: dict[str, str], *, coloured: bool) -> None:
    said = on_terminal(100, "url", "nosuch", environ=environ, status=1)
    assert said.startswith("\x1b[31mdinv: \x1b[0mDocker machine" if coloured else "dinv: Docker machine")


@pytest.mark.usefixtures("machine")
def test_in_a_pipe_it_is_docker_machines_table() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dinv", "ls"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "60"},
    )
    head, row = done.stdout.splitlines()
    assert head.split() == list(COLUMNS)
    assert len(row) > 100
    assert "\x1b" not in done.stdout

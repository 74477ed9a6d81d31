"""What endpoints and records say reaches no terminal as a command, whichever verb prints it."""

from __future__ import annotations

import io
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
from fake_driver import FakeDriver
from fake_program import Program

from dinv import cli
from dinv.errors import DinvError
from dinv.states import RUNNING, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_driver import World

    from dinv.progress import Progress

EVIL = "evil\x1b]0;owned\x07\x9b2J\u202e\x08\udc9b"


@pytest.fixture
def dinv(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    program = Program(capsys)
    assert program("create", "dev", "-q") == 0
    return program


def spoil(change: Callable[[dict[str, dict[str, object]]], object]) -> None:
    path = os.path.join(os.environ["MACHINE_STORAGE_PATH"], "machines", "dev", "config.json")
    with open(path, encoding="utf-8") as file:
        document = json.load(file)
    change(document)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)


def assert_harmless(program: Program) -> None:
    for text in (program.out, program.err):
        assert not [letter for letter in text if not letter.isprintable() and letter not in "\n\t"], text


@pytest.mark.parametrize(
    "words",
    [
        ("ls",),
        ("ls", "--format", "{{.DockerVersion}} {{.Image}}"),
        ("ls", "--format", "table {{.DockerVersion}}\\t{{.Image}}"),
        ("ls", "--format", "json"),
        ("inspect", "dev"),
        ("inspect", "-f", "{{.Driver.Image}}", "dev"),
        ("status", "dev"),
        ("stop", "dev"),
        ("start", "dev"),
        ("rm", "-y", "dev"),
    ],
    ids=" ".join,
)
def test_records_and_errors_are_shown_escaped(
    dinv: Program, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def change(document: dict[str, dict[str, object]]) -> None:
        document["Dinv"]["DockerVersion"] = EVIL
        document["Driver"]["Image"] = EVIL

    spoil(change)

    def fail(*_: object, **__: object) -> None:
        raise DinvError(f"The endpoint said {EVIL}\nand more")

    monkeypatch.setattr(FakeDriver, "state", lambda _self, timeout: Status(RUNNING, f"{timeout} {EVIL}"))
    monkeypatch.setattr(FakeDriver, "stop", fail)
    monkeypatch.setattr(FakeDriver, "remove", fail)
    dinv(*words)
    assert_harmless(dinv)
    assert "evil" in dinv.out + dinv.err or words == ("start", "dev")


def test_an_entry_with_such_a_name_is_shown_escaped(dinv: Program) -> None:
    directory = os.fsencode(os.path.join(os.environ["MACHINE_STORAGE_PATH"], "machines"))
    os.mkdir(os.path.join(directory, b"evil\x1b[2J\x9b"))
    assert dinv("ls") == 0
    assert_harmless(dinv)
    assert "evil\\x1b[2J\\udc9b" in dinv.out


def test_progress_of_an_endpoint_is_shown_escaped(dinv: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: FakeDriver, *, timeout: float) -> None:
        raise AssertionError

    def restart(self: object, progress: Progress, **_: object) -> None:
        progress.line("Image", EVIL, EVIL)
        progress.note(EVIL)
        progress.warn(EVIL)
        with progress.working("Image", EVIL):
            progress._due = 0.0  # type: ignore[attr-defined]  # as if it took long
            progress.update(EVIL)

    monkeypatch.setattr(FakeDriver, "start", start)
    monkeypatch.setattr("dinv.machine.Machine.restart", restart)
    assert dinv("restart", "dev") == 0
    assert_harmless(dinv)
    assert dinv.out.count("evil") >= 3


def test_a_template_may_have_colours_of_its_own(dinv: Program) -> None:
    assert dinv("ls", "--format", "\x1b[1m{{.Name}}\x1b[0m") == 0
    assert dinv.out == "\x1b[1mdev\x1b[0m\n"


@pytest.mark.parametrize(
    ("encoding", "written"), [("utf-8", b"/caf\xe9 \xc3\xbc"), ("ascii", b"/caf\xe9 \\xfc")]
)
def test_a_path_that_is_no_text_goes_out_as_it_is(
    monkeypatch: pytest.MonkeyPatch, encoding: str, written: bytes
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding))
    cli._open_streams()
    sys.stdout.write(os.fsdecode(b"/caf\xe9 ") + "ü")
    sys.stdout.flush()
    assert raw.getvalue() == written

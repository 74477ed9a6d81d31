"""`--progress json`: one JSON object a line on standard error, to the very end, and nothing else there."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from fake_program import Program

from dinv.cli.show import progress as shown_progress
from dinv.cli.show.event_progress import JsonProgress
from dinv.cli.show.events import Events
from dinv.cli.voice import Voice
from dinv.errors import EndpointUnreachable
from dinv.lifecycle.create import STEPS

if TYPE_CHECKING:
    from fake_driver import World

ALWAYS = {"time", "seconds", "event"}


@pytest.fixture
def program(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


def events(program: Program) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in program.err.splitlines()]
    for event in found:
        assert set(event) >= ALWAYS
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
    assert [event["event"] for event in found].count("done") == 1
    assert found[-1]["event"] == "done"
    assert [event["seconds"] for event in found] == sorted(event["seconds"] for event in found)
    return found


def test_a_create(program: Program) -> None:
    assert program("create", "dev", "--progress", "json") == 0
    assert program.out == ""
    found = events(program)
    assert {"step", "line", "note"} <= {event["event"] for event in found}
    assert {event.get("machine") for event in found[:-1]} == {"dev"}
    assert found[-1]["exit_code"] == 0
    (ready,) = [event for event in found if "ready at" in event.get("text", "")]
    assert ready["subject"] == "Docker"


def test_the_steps_of_a_create(program: Program) -> None:
    assert program("create", "dev", "--progress", "json") == 0
    told = [event for event in events(program) if event["event"] == "at"]
    assert {event["transaction"] for event in told} == {"create"}
    steps = [event["step"] for event in told]
    of_clusters = {"requirements", "join"}
    assert sorted(steps) == sorted({step.name for step in STEPS} - of_clusters), "each once"
    assert (steps[0], steps[-1]) == (STEPS[0].name, STEPS[-1].name)


def test_standard_output_is_for_what_is_asked_for(program: Program) -> None:
    assert program("create", "dev", "--progress=json", "-q") == 0
    assert program.out == "dev\n"
    assert events(program)
    assert program("create", "other", "--progress=json", "--format", "{{.Name}}") == 0
    assert program.out == "other\n"
    assert events(program)


def test_an_error_is_an_event(world: World, program: Program) -> None:
    def refused(step: str) -> None:
        if step == "check":
            raise EndpointUnreachable("unix:///\x1b[2Je", "refused")

    world.at = refused
    assert program("create", "dev", "--progress", "json") == 1
    error, done = events(program)[-2:]
    assert (error["event"], error["type"], error["exit_code"]) == ("error", "EndpointUnreachable", 1)
    assert "refused" in error["text"]
    assert isinstance(error["notes"], list)
    assert "\x1b" not in program.err
    assert done["exit_code"] == 1


def test_of_several_each_error_is_one_with_its_machine(program: Program) -> None:
    program("create", "dev", "-q")
    assert program("restart", "dev", "nosuch", "--progress", "json") == 1
    found = events(program)
    (error,) = [event for event in found if event["event"] == "error"]
    assert (error["machine"], error["type"]) == ("nosuch", "MachineNotFound")
    assert {event.get("machine") for event in found if event["event"] == "line"} == {"dev"}


@pytest.mark.parametrize(
    "words",
    [
        ("create", "--progress", "json"),
        ("create", "--progress", "json", "--nosuch", "dev"),
        ("create", "-progress=json", "--timeout", "nan", "dev"),
    ],
)
def test_what_is_wrong_with_the_command_line_is_an_event_too(
    program: Program, words: tuple[str, ...]
) -> None:
    assert program(*words) == 1
    (error, _) = events(program)
    assert error["type"] == "UsageError"


def test_calls_are_events_with_debug(program: Program) -> None:
    program("create", "dev", "--progress", "json", "--debug")
    assert events(program)


def test_what_docker_machines_flags_are_told_is_an_event(program: Program) -> None:
    flags = ("--progress", "json", "--engine-install-url", "https://x", "--engine-storage-driver", "overlay")
    assert program("--bugsnag-api-token", "x", "create", "dev", *flags) == 0
    told = [event["text"] for event in events(program) if event["event"] == "note"]
    assert [text.split()[0] for text in told[:3]] == [
        "--bugsnag-api-token",
        "--engine-install-url",
        "--engine-storage-driver",
    ]


def test_it_is_no_kind(program: Program) -> None:
    assert program("create", "dev", "--progress", "jsno") == 1
    assert program.err.splitlines() == [
        (
            'dinv: invalid value for flag --progress: "jsno" is not one of auto, plain, json, quiet. '
            "See 'dinv create --help'."
        ),
        'Did you mean "json"?',
    ]


class Recorded(Events):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[dict[str, Any]] = []

    def write(self, event: str, machine: str = "", **more: Any) -> None:
        self.found.append({"event": event, "machine": machine, **more})


def test_updates_come_soon_but_not_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(shown_progress.time, "monotonic", lambda: now[0])  # type: ignore[attr-defined]
    voice = Voice("dinv")
    voice.events = recorded = Recorded()
    progress = JsonProgress(voice, "dev")
    with progress.working("Image", "pulling"):
        for tenth in range(300):
            now[0] = 100.0 + tenth / 10
            progress.update("layer 1" if tenth < 250 else f"layer {tenth}")
    updates = [event for event in recorded.found if event["event"] == "update"]
    same = [event["step_seconds"] for event in updates if event["detail"] == "layer 1"]
    assert same == [0.0, 10.0, 20.0]
    assert 20 <= len(updates) - len(same) <= 26
    assert recorded.found[0] == {"event": "step", "machine": "dev", "subject": "Image", "text": "pulling"}


def test_lines_of_several_threads_stay_whole(capsys: pytest.CaptureFixture[str]) -> None:
    written = Events()

    def write(name: str) -> None:
        for number in range(50):
            written.write("note", name, text="x" * number)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 150
    assert all(json.loads(line)["event"] == "note" for line in lines)

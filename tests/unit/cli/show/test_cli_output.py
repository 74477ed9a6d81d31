"""How progress is shown, and how several machines are done at once."""

from __future__ import annotations

import threading
import time

import pytest

from dinv.cli.several import for_each
from dinv.cli.show import progress as shown_progress
from dinv.cli.show.progress import LiveProgress, PlainProgress, QuietProgress
from dinv.cli.voice import Voice
from dinv.errors import DinvError, EndpointUnreachable

DINV = Voice("dinv")


class Clock:
    """Time as the test has it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(shown_progress.time, "monotonic", lambda: self.now)  # type: ignore[attr-defined]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_facts_are_lines_with_columns(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(DINV)
    progress.line("Image", "dinv:latest", "present")
    progress.line("Docker", "ready")
    progress.note("by the way")
    assert capsys.readouterr().out.splitlines() == [
        "Image        dinv:latest                           present",
        "Docker       ready",
        "by the way",
    ]


def test_of_several_each_line_and_warning_has_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    progress = PlainProgress(DINV, "dev")
    progress.line("Docker", "ready")
    progress.line("Pool", "dev: 2 ready")
    progress.warn("no memory limit here")
    assert capsys.readouterr() == (
        "Docker       dev: ready\nPool         dev: 2 ready\n",
        "Warning: dev: no memory limit here\n",
    )


def test_quiet_says_only_what_has_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    progress = QuietProgress(DINV)
    progress.line("Image", "x")
    progress.note("x")
    with progress.working("Image", "x"):
        progress.update("x")
    progress.warn("careful")
    progress.hook("ready.d/chat", "sent \x1b[31m")
    assert capsys.readouterr() == ("", "Warning: careful\nready.d/chat: sent \\x1b[31m\n")


def test_long_work_is_told_now_and_then(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    progress = PlainProgress(DINV)
    with progress.working("Image", "pulling"):
        for _ in range(260):
            clock.now += 0.1
            progress.update("1 of 3")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0] == "Image        pulling, 10 s, 1 of 3"
    assert "20 s" in lines[1]


@pytest.mark.parametrize("kind", [PlainProgress, LiveProgress])
def test_seconds_are_counted_while_the_work_says_nothing(
    kind: type[PlainProgress], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_progress, "TICK_SECONDS", 0.01)
    shown: list[float] = []
    show = kind._show

    def noted(self: PlainProgress, label: str, text: str, detail: str, seconds: float) -> None:
        show(self, label, text, detail, seconds)
        shown.append(seconds)

    monkeypatch.setattr(kind, "_show", noted)
    progress = kind(DINV)
    with progress.working("Machine", "starting dev"):
        for seconds in (3.0, 20.0):
            clock.now = 100.0 + seconds
            end = time.perf_counter() + 30
            while seconds not in shown and time.perf_counter() < end:
                time.sleep(0.01)
    assert {3.0, 20.0} <= set(shown)
    assert progress._work is None
    said = len(shown)
    time.sleep(0.05)
    assert len(shown) == said  # it has ended


def test_what_the_work_said_last_is_shown_with_the_seconds(
    capsys: pytest.CaptureFixture[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shown_progress, "TICK_SECONDS", 0.01)
    progress = PlainProgress(DINV)
    said = ""
    with progress.working("Image", "pulling"):
        progress.update("1 of 3")
        clock.now += 12
        end = time.perf_counter() + 30
        while not said and time.perf_counter() < end:
            said = capsys.readouterr().out
            time.sleep(0.01)
    assert said == "Image        pulling, 12 s, 1 of 3\n"


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_what_moves_is_one_line(
    columns: int, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = LiveProgress(DINV)
    with progress.working("Docker", "starting at tcp://127.0.0.1:2376"):
        clock.now += 5
        progress.update("waiting for the daemon: it closed the connection in the TLS handshake")
        assert progress._status is not None
        shown = progress._status.status
        assert len(str(shown)) <= columns - 2
        assert ("\u2026" in str(shown)) is (columns < 100)
    capsys.readouterr()


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    for progress in (PlainProgress(DINV), LiveProgress(DINV)):
        with progress.working("Image", "pulling"):
            clock.now += 0.5
            progress.update("1 of 3")
        clock.now += 60
        progress.update("nothing goes on")
    assert capsys.readouterr() == ("", "")


def test_live_progress_ends_with_the_work_however_it_ends(clock: Clock) -> None:
    progress = LiveProgress(DINV)
    before = threading.active_count()

    def work() -> None:
        with progress.working("Image", "pulling [bold]"):
            clock.now += 5
            progress.update("[red]1 of 3")
            assert progress._status is not None
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert progress._status is None
    deadline = time.perf_counter() + 10
    while threading.active_count() > before and time.perf_counter() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_one_machines_error_goes_up() -> None:
    def fail(_name: str) -> None:
        raise DinvError("ill")

    with pytest.raises(DinvError, match="ill"):
        for_each(DINV, ["a"], fail)


def test_of_several_every_error_is_shown_and_the_others_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    def work(name: str) -> None:
        if name == "b":
            error = EndpointUnreachable("unix:///e", "refused")
            error.add_note("To forget it: dinv rm -f b")
            raise error
        if name == "c":
            raise ZeroDivisionError
        done.append(name)

    assert for_each(DINV, ["a", "b", "c", "d", "a"], work) == 1
    assert sorted(done) == ["a", "d"]
    said = capsys.readouterr().err
    assert "dinv: " in said
    assert "refused" in said
    assert "dinv rm -f b" in said
    assert "ZeroDivisionError" in said
    assert "Traceback" not in said


def test_several_are_done_at_once() -> None:
    barrier = threading.Barrier(3, timeout=20)

    def wait(_name: str) -> None:
        barrier.wait()

    assert for_each(DINV, ["a", "b", "c"], wait) == 0

"""What every verb is given: options before and after it, machines by name, a way to be interrupted."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from dinv.cli.app import App
from dinv.cli.show.event_progress import JsonProgress
from dinv.cli.show.progress import LiveProgress, PlainProgress, QuietProgress
from dinv.cli.verbs import ls, ssh, start
from dinv.cli.voice import Voice
from dinv.errors import InputError, Interrupted, MachineNotFound
from dinv.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType


@pytest.fixture
def app(tmp_path: Path) -> App:
    app = App(Voice("dinv"))
    app.store_path = str(tmp_path / "store")
    return app


@pytest.mark.parametrize(
    ("words", "verb", "rest"),
    [
        ([], "help", []),
        (["ls", "-q"], "ls", ["-q"]),
        (["-h"], "help", []),
        (["--help"], "help", []),
        (["--version"], "version", []),
        (["-v"], "version", []),
        (["-", "x"], "-", ["x"]),
        (["ssh", "dev", "-v"], "ssh", ["dev", "-v"]),
    ],
)
def test_the_verb_is_the_first_word(app: App, words: list[str], verb: str, rest: list[str]) -> None:
    assert app.take_global_options(words) == (verb, rest)


@pytest.mark.parametrize("words", [["-s", "/s"], ["-s=/s"], ["--storage-path", "/s"], ["-storage-path=/s"]])
def test_options_before_the_verb(app: App, words: list[str]) -> None:
    assert app.take_global_options([*words, "-D", "ls"]) == ("ls", [])
    assert (app.store_path, app.debug) == ("/s", True)
    assert app.machines.path == "/s"
    assert app.trace is not None


def test_the_same_options_after_the_verb(app: App) -> None:
    options = app.parse("ls", ls, ["-q", "--storage-path", "/s", "--debug"])
    assert options.quiet
    assert (app.store_path, app.debug) == ("/s", True)


def test_without_debug_no_calls_are_shown(app: App) -> None:
    app.parse("ls", ls, [])
    assert app.trace is None


@pytest.mark.parametrize("words", [["-s"], ["--nosuch", "ls"], ["-x"]])
def test_what_is_wrong_before_the_verb(app: App, words: list[str]) -> None:
    with pytest.raises(InputError):
        app.take_global_options(words)


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        (["dev", "ls", "-la", "--debug"], ["dev", "ls", "-la", "--debug"]),
        (["-t", "dev", "-t"], ["dev", "-t"]),
        (["-s", "/s", "dev", "id"], ["dev", "id"]),
        (["--storage-path", "/s", "dev"], ["dev"]),
        (["-s=/s", "dev"], ["dev"]),
        (["-t"], []),
        (["-t", "-s", "/s"], []),
    ],
)
def test_after_the_machines_name_all_is_the_commands(app: App, words: list[str], rest: list[str]) -> None:
    options = app.parse("ssh", ssh, words)
    assert options.rest == rest
    assert not app.debug
    assert options.tty == (words[0] == "-t")


def test_names_are_those_given_or_default(app: App) -> None:
    assert app.names(["a", "b"]) == ["a", "b"]
    with pytest.raises(InputError, match="default"):
        app.names([])
    os.makedirs(Store(app.store_path).directory("default"))
    assert app.names([]) == ["default"]
    with pytest.raises(MachineNotFound):
        app.machine("nosuch")


class Looking:
    """Somebody who looks at standard output."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("CI", raising=False)


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ([], LiveProgress),
        (["--progress", "auto"], LiveProgress),
        (["--progress", "plain"], PlainProgress),
        (["-progress=json"], JsonProgress),
        (["--progress", "quiet"], QuietProgress),
        (["-q"], QuietProgress),
        (["-q", "--progress", "json"], JsonProgress),
        (["--debug"], PlainProgress),
        (["a", "b"], PlainProgress),  # two lines that move would overwrite each other
    ],
)
def test_progress_is_for_who_looks(
    app: App, words: list[str], kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    Looking(monkeypatch)
    app.parse("start", start, words)
    assert type(app.progress()) is kind


def test_progress_where_nobody_looks(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    app.parse("start", start, [])
    assert type(app.progress()) is PlainProgress
    Looking(monkeypatch)
    assert type(app.progress()) is LiveProgress
    app.voice.aside = True  # what is on standard error then is for no terminal
    assert type(app.progress()) is PlainProgress


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_work_and_nothing_stays_changed(app: App, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    undone = []

    def work() -> None:
        try:
            os.kill(os.getpid(), number)
            time.sleep(20)
        finally:
            undone.append(True)

    with pytest.raises(Interrupted) as caught, app.interruptible():
        work()
    assert (caught.value.signal, caught.value.exit_code, undone) == (number, 128 + number, [True])
    assert signal.getsignal(number) == before


def test_a_verb_may_have_no_quiet(app: App) -> None:
    module = SimpleNamespace(arguments=lambda _parser: None)
    app.parse("url", cast("ModuleType", module), [])
    assert type(app.progress()) is PlainProgress


def test_for_each_is_for_the_names_given(app: App) -> None:
    seen: list[Any] = []
    assert app.for_each(["a"], seen.append) == 0
    assert seen == ["a"]


def test_a_signal_in_an_import_waits_for_its_end() -> None:
    # What is raised in importlib's own callbacks is swallowed: see App.interruptible.
    raised_in: list[str] = []
    source = "import signal\nsignal.raise_signal(signal.SIGTERM)\nraised_in.append('ended')\n"
    code = compile(source, "<frozen importlib._bootstrap>", "exec")

    def run() -> None:
        with App(Voice("dinv")).interruptible():
            exec(code, {"raised_in": raised_in})  # noqa: S102  (its own source, above)
            for _ in range(500):
                time.sleep(0.01)

    with pytest.raises(Interrupted):
        run()
    assert raised_in == ["ended"]


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with App(Voice("dinv")).interruptible():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)]
    with App(Voice("dinv")).interruptible():
        assert signal.getsignal(signal.SIGTERM) is not before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)] == before

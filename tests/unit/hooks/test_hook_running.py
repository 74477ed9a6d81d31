"""One hook: what it gets, what it says, and each way in which it can go wrong."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hook_files import HeardOfHooks, facts, put
from users import eventually

from dinv import hooks
from dinv.errors import HookRefused, InputError, MachineBusy
from dinv.hooks import running, settings
from dinv.system import processes

if TYPE_CHECKING:
    from dinv.store.store import Store

SLEEPER = f"4711.{os.getpid()}"
"""What the sleeps of this process's tests are told, so that they can be found."""


@pytest.fixture(autouse=True)
def made(store: Store) -> None:
    os.makedirs(store.path, mode=0o700)


def asked(store: Store, **changes: object) -> HeardOfHooks:
    heard = HeardOfHooks()
    hooks.ask(store, "pre-issue", facts("pre-issue", **changes), heard)
    return heard


def refused(store: Store) -> HookRefused:
    with pytest.raises(HookRefused) as caught:
        asked(store)
    return caught.value


def sleepers() -> list[int]:
    return processes.find(lambda words: words[-1] == SLEEPER)


def configure(store: Store, text: str) -> None:
    with open(os.path.join(store.path, "config.toml"), "w", encoding="utf-8") as file:
        file.write(text)


def test_it_gets_the_document_the_facts_and_nothing_else(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "s3cret")
    monkeypatch.setenv("DINV_VAULT_TOKEN", "s3cret")
    monkeypatch.setenv("LC_TIME", "C")
    put(store, "pre-issue", "cat; env; pwd")
    heard = asked(store, role="server", names=["a.example.com", "::1"], holder="alice", lifetime=None)
    told = json.loads(heard.texts[0])
    assert told["facts"] == {
        "role": "server",
        "names": ["a.example.com", "::1"],
        "holder": "alice",
        "lifetime": None,
    }
    assert (told["version"], told["event"], told["store"]) == (1, "pre-issue", store.path)
    variables = dict(line.partition("=")[::2] for line in heard.texts[1:-1])
    assert {key: value for key, value in variables.items() if key.startswith("DINV")} == {
        "DINV_HOOK": "pre-issue",
        "DINV_HOOK_DEPTH": "1",
        "DINV_HOOK_EVENT": "pre-issue",
        "DINV_HOOK_MACHINE": "dev",
        "DINV_HOOK_ROLE": "server",
        "DINV_HOOK_NAMES": "a.example.com ::1",
        "DINV_HOOK_HOLDER": "alice",
    }
    assert variables["MACHINE_STORAGE_PATH"] == store.path
    assert variables["LC_TIME"] == "C"
    assert "s3cret" not in str(heard.lines)
    assert os.path.samefile(heard.texts[-1], store.path)


def test_one_that_does_not_read_what_it_gets_is_fine(store: Store) -> None:
    put(store, "pre-issue", "exit 0")
    told = facts("pre-issue")
    told["machine"]["labels"] = {f"label{number}": "x" * 60 for number in range(5000)}
    hooks.ask(store, "pre-issue", told, HeardOfHooks())


def test_names_that_the_environment_cannot_hold_are_not_left_out_for_a_hook_to_overlook(store: Store) -> None:
    put(store, "pre-issue", "exit 0")
    with pytest.raises(HookRefused, match="Argument list too long"):
        asked(store, names=["x" * 60 + str(number) for number in range(5000)])
    with pytest.raises(HookRefused, match="null byte"):
        asked(store, holder="a\0b")


def test_nothing_of_dinvs_is_open_in_it(store: Store) -> None:
    put(store, "pre-issue", "ls /proc/self/fd")
    descriptor = os.open(store.path, os.O_RDONLY)
    os.set_inheritable(descriptor, True)  # noqa: FBT003  (its only form)
    try:
        assert asked(store).texts == ["0", "1", "2", "3"]  # 3 is ls's own
    finally:
        os.close(descriptor)


def test_both_streams_are_shown_line_by_line(store: Store) -> None:
    put(store, "pre-issue.d/one", "echo out; echo err >&2; printf 'no end'")
    assert asked(store).lines == [
        ("pre-issue.d/one", "out"),
        ("pre-issue.d/one", "err"),
        ("pre-issue.d/one", "no end"),
    ]


def test_a_refusal_has_what_it_said_and_where_it_is(store: Store) -> None:
    path = put(store, "pre-issue", "echo 'x.org is not ours' >&2; exit 3")
    error = refused(store)
    said = "The hook pre-issue has refused: x.org is not ours. Do what it asks for, or change or remove it: "
    assert str(error) == said + path
    assert (error.hook, error.event, error.output) == ("pre-issue", "pre-issue", ["x.org is not ours"])


def test_one_that_refuses_without_a_word(store: Store) -> None:
    put(store, "pre-issue", "exit 7")
    assert "has refused, without a word: it has ended with exit status 7." in str(refused(store))


def test_the_first_that_refuses_is_the_last_that_is_asked(store: Store) -> None:
    for name in ("pre-issue.d/20-no", "pre-issue.d/10-yes", "pre-issue.d/30-never"):
        put(store, name, f"echo {name} >> asked; {'false' if 'no' in name else 'true'}")
    assert refused(store).hook == "pre-issue.d/20-no"
    with open(os.path.join(store.path, "asked"), encoding="utf-8") as file:
        assert file.read().split() == ["pre-issue.d/10-yes", "pre-issue.d/20-no"]


@pytest.mark.parametrize(
    ("script", "interpreter", "said"),
    [
        ("kill -SEGV $$", "/bin/sh", "was ended by SIGSEGV"),
        ("kill -KILL $$", "/bin/sh", "was ended by SIGKILL"),
        ("kill -KILL $PPID", "/bin/sh", "was lost: the process that looks after it has ended"),
        ("", "/usr/bin/no-such-python", "the interpreter that its first line names is not there"),
    ],
)
def test_one_that_cannot_answer_refuses(store: Store, script: str, interpreter: str, said: str) -> None:
    path = put(store, "pre-issue", script, interpreter=interpreter)
    text = str(refused(store))
    assert said in text
    assert "a hook that cannot answer refuses" in text
    assert text.endswith(f"Repair or remove it: {path}")


def test_one_that_is_no_program_at_all_refuses(store: Store) -> None:
    path = put(store, "pre-issue", "")
    with open(path, "wb") as file:
        file.write(b"\x00\x01\x02 neither ELF nor a script")
    assert "cannot be run: it is neither a program nor a script" in str(refused(store))


def test_one_that_hangs_is_ended_with_all_it_has_started(store: Store) -> None:
    configure(store, "[hooks]\ntimeout = 0.3\n")
    put(store, "pre-issue", f"echo waiting; sleep {SLEEPER} & sleep {SLEEPER}")
    error = refused(store)
    assert "has not ended within 0.3 s, and was stopped (timeout in [hooks] of config.toml)" in str(error)
    assert error.output in (["waiting"], []), "none on a computer so busy that it has not begun"
    eventually(lambda: not sleepers())


def test_one_that_hangs_and_does_not_take_sigterm_is_killed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(store, "[hooks]\ntimeout = 0.3\n")
    put(store, "pre-issue", f"trap '' TERM\nsleep {SLEEPER}\nsleep {SLEEPER}")
    refused(store)
    eventually(lambda: not sleepers())


def test_what_it_leaves_running_in_its_group_is_ended_and_what_has_left_is_not_waited_for(
    store: Store,
) -> None:
    put(
        store,
        "pre-issue",
        f"sleep {SLEEPER} &\nsetsid sh -c 'echo $$ > daemon; sleep {SLEEPER}' &\n"
        "until [ -s daemon ]; do sleep 0.05; done",
    )
    asked(store)
    eventually(lambda: os.path.exists(os.path.join(store.path, "daemon")))
    with open(os.path.join(store.path, "daemon"), encoding="utf-8") as file:
        daemon = int(file.read())
    try:
        eventually(lambda: len(sleepers()) <= 1)
        assert processes.command_line(daemon)
    finally:
        os.killpg(daemon, signal.SIGKILL)
    eventually(lambda: not sleepers())


def test_a_kill_of_dinv_ends_the_hook(store: Store) -> None:
    put(store, "pre-issue", f"echo begun\nsleep {SLEEPER}")
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from hook_files import HeardOfHooks, facts; from dinv import hooks\n"
        "from dinv.store.store import Store\n"
        "class Said(HeardOfHooks):\n"
        "    def hook(self, hook, text): print(text, flush=True)\n"
        "hooks.ask(Store(sys.argv[1]), 'pre-issue', facts('pre-issue'), Said())\n"
    )
    support = os.path.dirname(sys.modules["hook_files"].__file__ or "")
    command = [sys.executable, "-c", program, store.path, support]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            eventually(lambda: bool(sleepers()))
        finally:
            process.kill()
    eventually(lambda: not sleepers())


def test_ctrl_c_ends_the_hook(store: Store) -> None:
    put(store, "pre-issue", f"echo begun\nsleep {SLEEPER}")

    class Impatient(HeardOfHooks):
        def hook(self, hook: str, text: str) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hooks.ask(store, "pre-issue", facts("pre-issue"), Impatient())
    eventually(lambda: not sleepers())


def test_huge_output_is_read_and_dropped(store: Store) -> None:
    put(store, "pre-issue.d/lines", "yes line | head -n 100000")
    put(store, "pre-issue.d/long", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo after")
    heard = asked(store)
    lines = [text for hook, text in heard.lines if hook == "pre-issue.d/lines"]
    assert lines == ["line"] * running.MOST_LINES + ["(it printed more, which is not shown)"]
    long = [text for hook, text in heard.lines if hook == "pre-issue.d/long"]
    assert max(map(len, long)) <= running.LONGEST_LINE + 4
    assert long[-1] == "(it printed more, which is not shown)"


def test_bytes_of_any_kind_are_shown_as_text(store: Store) -> None:
    put(store, "pre-issue", r"printf '\377\000x\r\ny\n'")
    assert asked(store).texts == ["\ufffd\0x", "y"]


def test_what_is_wrong_after_the_fact_is_a_warning(store: Store) -> None:
    path = put(store, "ready", "echo no >&2; exit 1")
    heard = HeardOfHooks()
    hooks.tell(store, "ready", facts("ready"), heard)
    assert heard.texts == ["no"]
    said = "The hook ready has ended with exit status 1. What it was told of has happened and stands. Repair "
    assert heard.warnings == [f"{said}or remove it: {path}"]


def test_the_others_are_told_all_the_same(store: Store) -> None:
    put(store, "ready.d/a", "exit 1")
    put(store, "ready.d/b", "echo told")
    heard = HeardOfHooks()
    hooks.tell(store, "ready", facts("ready"), heard)
    assert heard.texts == ["told"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[hooks", "is not TOML"),
        ("hooks = 3", "line 1: hooks is not a table"),
        ("[hooks]\ntimeout = true", "line 2: timeout = True is not a number of seconds"),
        ("[hooks]\ntimeout = 0", "line 2: timeout = 0 is not"),
        ("[hooks]\ntimeout = 3601", "up to 3600"),
        ("[hooks]\ntimeout = nan", "timeout = nan is not"),
        ("[hooks]\ntimeuot = 3", "line 2: timeuot does not exist"),
    ],
)
def test_settings_that_cannot_be_used(store: Store, content: str, said: str) -> None:
    put(store, "pre-issue", "exit 0")
    put(store, "ready", "exit 0")
    configure(store, content)
    with pytest.raises(InputError) as caught:
        asked(store)
    assert said in str(caught.value)
    assert "config.toml" in str(caught.value)
    heard = HeardOfHooks()
    hooks.tell(store, "ready", facts("ready"), heard)
    assert said in heard.warnings[0]


def test_settings_of_others_are_theirs(store: Store) -> None:
    assert settings.seconds(store.path) == settings.SECONDS
    configure(store, '[create]\nauthority = "vault"\n[hooks]\ntimeout = 90')
    assert settings.seconds(store.path) == 90


def test_hooks_do_not_call_each_other_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "pre-issue", "echo $DINV_HOOK_DEPTH")
    monkeypatch.setenv("DINV_HOOK_DEPTH", str(running.DEEPEST - 1))
    assert asked(store).texts == [str(running.DEEPEST)]
    monkeypatch.setenv("DINV_HOOK_DEPTH", str(running.DEEPEST))
    assert "already running in hooks of one another" in str(refused(store))


def test_a_hook_is_told_why_it_cannot_have_the_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DINV_HOOK", "pre-issue.d/x")
    monkeypatch.setenv("DINV_HOOK_MACHINE", "dev")
    assert "It runs the hook pre-issue.d/x, and waits for that to end" in str(MachineBusy("dev"))
    assert "Wait until it has finished" in str(MachineBusy("other"))


def test_facts_that_are_not_the_events_are_a_mistake_of_ours(store: Store) -> None:
    with pytest.raises(ValueError, match="not the facts of ready"):
        hooks.tell(store, "ready", facts("ready", role="server"), HeardOfHooks())


def test_python_without_a_name_of_its_own(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, "pre-issue", "exit 0")
    monkeypatch.setattr(sys, "executable", "/no/python")
    assert f"cannot be run: {os.strerror(errno.ENOENT)}" in str(refused(store))


def test_no_descriptor_is_left_open(store: Store) -> None:
    put(store, "pre-issue", "echo x")
    asked(store)
    before = os.listdir("/proc/self/fd")
    asked(store)
    assert set(os.listdir("/proc/self/fd")) <= set(before)  # threads of other tests may close theirs


def test_a_hook_takes_signals_as_usual(store: Store) -> None:
    """Python ignores SIGPIPE, and what it starts would too: `yes | head` would complain."""
    put(store, "pre-issue", "yes | head -n 1; grep SigIgn /proc/self/status")
    assert asked(store).texts[0] == "y"
    assert not int(asked(store).texts[1].split()[1], 16) & 1 << (signal.SIGPIPE - 1)

"""Which hooks there are, in which order, and which are refused or skipped."""

from __future__ import annotations

import os
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest
from hook_files import HeardOfHooks, facts, put
from hypothesis import given
from hypothesis import strategies as st

from dinv import hooks, plugins
from dinv.errors import HookRefused
from dinv.hooks import finding

if TYPE_CHECKING:
    from pathlib import Path

    from dinv.store.store import Store


@pytest.fixture(autouse=True)
def made(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    os.makedirs(store.path, mode=0o700)
    monkeypatch.setattr(finding, "_points", None)


def names(store: Store, event: str = "pre-issue") -> list[str]:
    return [hook.name for hook in finding.hooks(store.path, event)]


def problems(store: Store) -> dict[str, str]:
    return {plugin.name: plugin.problem for plugin in finding.installed(store.path)}


def package(directory: Path, monkeypatch: pytest.MonkeyPatch, points: str, code: str) -> None:
    """Install a package with entry points."""
    info = directory / "site" / "our_rules-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-rules\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[dinv.hooks]\n{points}\n")
    (directory / "site" / "our_rules.py").write_text(code)
    monkeypatch.syspath_prepend(str(directory / "site"))


def test_most_stores_have_none(store: Store) -> None:
    assert names(store) == []
    assert finding.installed(store.path) == []
    hooks.ask(store, "pre-issue", facts("pre-issue"), HeardOfHooks())


def test_the_one_comes_before_those_of_the_directory_in_their_order(store: Store) -> None:
    for name in ("pre-issue.d/b", "pre-issue.d/10_x", "pre-issue", "pre-issue.d/a-1", "issued", "ready.d/a"):
        put(store, name, "exit 0")
    assert names(store) == ["pre-issue", "pre-issue.d/10_x", "pre-issue.d/a-1", "pre-issue.d/b"]
    assert set(problems(store).values()) == {""}


def test_what_run_parts_and_git_skip_is_skipped(store: Store) -> None:
    for name in ("pre-issue.d/x~", "pre-issue.d/x.sh", "pre-issue.d/.x", "pre-issue.d/ä"):
        put(store, name, "exit 1")
    path = put(store, "pre-issue.d/not", "exit 1", mode=0o644)
    os.makedirs(os.path.join(store.path, "hooks", "pre-issue.d", "folder"))
    put(store, "chat.url", "")
    os.symlink("nowhere", os.path.join(store.path, "hooks", "pre-issue.d", "dangling"))
    assert names(store) == []
    assert problems(store) == {"pre-issue.d/not": f"not used: not executable (chmod +x {path})"}


def test_a_name_that_was_meant_for_an_event_is_told(store: Store) -> None:
    put(store, "pre-isue", "exit 0")
    put(store, "redy.d/x", "exit 0")
    put(store, "notes", "", mode=0o644)
    found = problems(store)
    assert set(found) == {"pre-isue", "redy.d"}
    assert "no event pre-isue" in found["pre-isue"]
    assert '"pre-issue"' in found["pre-isue"]


def test_a_link_serves_another_event(store: Store) -> None:
    put(store, "ready.d/chat", "exit 0")
    os.makedirs(os.path.join(store.path, "hooks", "removed.d"))
    os.symlink("../ready.d/chat", os.path.join(store.path, "hooks", "removed.d", "chat"))
    assert names(store, "removed") == ["removed.d/chat"]
    assert finding.hooks(store.path, "removed")[0].problem == ""


@pytest.mark.parametrize("mode", [0o775, 0o757, 0o777, 0o722 | 0o111])
@pytest.mark.parametrize("what", ["pre-issue.d/x", "pre-issue.d", ".", ".."])
def test_what_others_can_write_is_refused(store: Store, what: str, mode: int) -> None:
    put(store, "pre-issue.d/x", "touch run")
    path = os.path.normpath(os.path.join(store.path, "hooks", what))
    os.chmod(path, mode)
    with pytest.raises(HookRefused) as caught:
        hooks.ask(store, "pre-issue", facts("pre-issue"), HeardOfHooks())
    assert f"is refused: others may write to {path} (chmod go-w {path})" in str(caught.value)
    assert not os.path.exists(os.path.join(store.path, "run"))
    assert "others may write" in problems(store)["pre-issue.d/x"]
    os.chmod(path, 0o1777 if os.path.isdir(path) else 0o755)
    hooks.ask(store, "pre-issue", facts("pre-issue"), HeardOfHooks())


def test_after_the_fact_it_is_a_warning_and_it_is_not_run(store: Store) -> None:
    put(store, "ready", "touch run", mode=0o777)
    heard = HeardOfHooks()
    hooks.tell(store, "ready", facts("ready"), heard)
    assert "is refused: others may write" in heard.warnings[0]
    assert not os.path.exists(os.path.join(store.path, "run"))


def test_what_a_link_leads_to_counts(store: Store, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = elsewhere / "x"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    os.makedirs(os.path.join(store.path, "hooks"))
    os.symlink(program, os.path.join(store.path, "hooks", "ready"))
    assert finding.hooks(store.path, "ready")[0].problem == ""
    elsewhere.chmod(0o777)
    assert str(elsewhere) in finding.hooks(store.path, "ready")[0].problem


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_belongs_to_somebody_else_is_refused(store: Store) -> None:
    path = put(store, "pre-issue", "exit 0")
    os.chown(path, 4711, 4711)
    with pytest.raises(HookRefused, match=r"belongs to another user \(uid 4711\)"):
        hooks.ask(store, "pre-issue", facts("pre-issue"), HeardOfHooks())


# Packages

CODE = """
import json
from dinv.hooks import Refused

def fine(told):
    print("told of", told["event"], told["machine"]["name"])

class Quota:
    def __init__(self):
        print("made")
    def __call__(self, told):
        raise Refused("no more machines")

def broken(told):
    return 1 / 0

def hangs(told):
    import time
    time.sleep(60)
"""


def test_an_entry_point_is_asked_in_a_process_of_its_own(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, "pre-issue.fine = our_rules:fine\nready = our_rules:fine", CODE)
    put(store, "pre-issue", "echo first")
    heard = HeardOfHooks()
    hooks.ask(store, "pre-issue", facts("pre-issue"), heard)
    assert heard.lines == [("pre-issue", "first"), ("pre-issue.fine", "told of pre-issue dev")]
    assert "our_rules" not in sys.modules
    assert names(store, "ready") == ["ready"]
    (found,) = [each for each in finding.installed(store.path) if each.name == "ready"]
    assert (found.kind, found.source, found.problem) == ("hook", "our-rules 1.2", "")


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("Quota", "has refused: made; no more machines."),
        ("broken", "ZeroDivisionError"),
        ("missing", "AttributeError"),
    ],
)
def test_an_entry_point_that_raises_refuses(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attribute: str, said: str
) -> None:
    package(tmp_path, monkeypatch, f"pre-issue = our_rules:{attribute}", CODE)
    with pytest.raises(HookRefused) as caught:
        hooks.ask(store, "pre-issue", facts("pre-issue"), HeardOfHooks())
    assert said in str(caught.value)
    assert str(caught.value).endswith("our-rules 1.2")


def test_an_entry_point_that_hangs_is_ended(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, "pre-issue = our_rules:hangs", CODE)
    with open(os.path.join(store.path, "config.toml"), "w", encoding="utf-8") as file:
        file.write("[hooks]\ntimeout = 1")
    with pytest.raises(HookRefused, match="has not ended within 1 s"):
        hooks.ask(store, "pre-issue", facts("pre-issue"), HeardOfHooks())


def test_an_entry_point_for_no_event_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, monkeypatch, "pre-isue.fine = our_rules:fine", CODE)
    assert "no event pre-isue" in problems(store)["pre-isue.fine"]


def test_python_is_asked_only_where_a_package_mentions_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(**_: str) -> None:
        pytest.fail("entry points were looked for")

    with monkeypatch.context() as patched:
        patched.setattr("importlib.metadata.entry_points", never)
        assert names(store) == []
    package(tmp_path, monkeypatch, "pre-issue = our_rules:fine", CODE)
    monkeypatch.setattr(finding, "_points", None)
    assert names(store) == ["pre-issue"]


@pytest.mark.parametrize("group", ["dinv.hooks", "console_scripts", "pytest11", "no.such.group"])
def test_the_look_at_files_finds_what_python_finds(group: str) -> None:
    assert plugins.mentioned(group) or not entry_points(group=group)


def test_what_is_no_directory_counts_as_a_mention(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some.zip").write_bytes(b"")
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "none")])
    assert not plugins.mentioned("dinv.hooks")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "some.zip")])
    assert plugins.mentioned("dinv.hooks")


@given(st.text(min_size=1).filter(lambda name: "/" not in name and "\0" not in name))
def test_plain_names_are_safe_in_a_path(name: str) -> None:
    if finding._is_plain(name):
        assert name not in (".", "..")
        assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in name)

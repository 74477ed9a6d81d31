"""Hooks at the command line: what they print, a refusal, and the list of them."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from fake_program import Program
from hook_files import put

from dinv.store.store import Store

if TYPE_CHECKING:
    from fake_driver import World


@pytest.fixture
def program(world: World, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture
def own_store(world: World) -> Store:
    store = Store()
    os.makedirs(store.path, mode=0o700, exist_ok=True)
    return store


def test_what_a_hook_prints_is_on_standard_error(program: Program, own_store: Store) -> None:
    put(own_store, "ready.d/chat", "echo told")
    assert program("create", "dev") == 0
    assert "ready.d/chat: told\n" in program.err
    assert "told" not in program.out


def test_with_events_it_is_one(program: Program, own_store: Store) -> None:
    put(own_store, "ready.d/chat", "echo told")
    assert program("create", "dev", "--progress", "json") == 0
    (told,) = [event for event in map(json.loads, program.err.splitlines()) if event["event"] == "hook"]
    assert (told["hook"], told["text"], told["machine"]) == ("ready.d/chat", "told", "dev")


def test_a_refusal_is_an_error_of_one_line(program: Program, own_store: Store) -> None:
    path = put(own_store, "pre-remove", "echo keep it; exit 1")
    assert program("create", "dev") == 0
    assert program("rm", "-y", "dev") == 1
    assert "dinv: The hook pre-remove has refused: keep it. Do what it asks for" in program.err
    assert path in program.err


def test_plugins_lists_them(program: Program, own_store: Store) -> None:
    path = put(own_store, "pre-issue.d/domain", "exit 0")
    put(own_store, "pre-isue", "exit 0")
    assert program("plugins", "--format", "json") == 0
    found = {each["Name"]: each for each in json.loads(program.out) if each["Kind"] == "hook"}
    assert found["pre-issue.d/domain"] == {
        "Name": "pre-issue.d/domain",
        "Kind": "hook",
        "From": path,
        "Package": "",
        "Version": "",
        "EntryPoint": "",
        "Problem": "",
    }
    assert "no event pre-isue" in found["pre-isue"]["Problem"]

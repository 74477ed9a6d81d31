"""The pages: what they show can be pasted, and is a command line that dinv takes."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import TYPE_CHECKING

import pytest
from documents import LANGUAGES, blocks, commands, pages, read
from harness import CHECKOUT

from dinv.cli.app import App
from dinv.cli.verbs import VERBS, module_name
from dinv.cli.voice import Voice
from dinv.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _called_dinv(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/dinv"])
    monkeypatch.setenv("MACHINE_STORAGE_PATH", str(tmp_path / "store"))


@pytest.mark.parametrize("page", pages())
def test_blocks_say_what_they_are(page: str) -> None:
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{block} is neither commands (sh) nor text"
        if block.language == "sh":
            prompts = [line for line in block.text.splitlines() if line.startswith("$ ")]
            assert not prompts, f"{block}: with its prompt it cannot be pasted: {prompts}"


@pytest.mark.parametrize("page", pages())
def test_what_is_not_run_has_a_reason(page: str) -> None:
    for block in blocks(page):
        assert not block.reason or len(block.reason) > 20, f"{block}: {block.reason} is not a reason"


def test_pages_are_run() -> None:
    run = [page for page in pages() if any(b.language == "sh" and not b.reason for b in blocks(page))]
    assert len(run) >= 4


@pytest.mark.parametrize("page", pages())
def test_every_command_is_one_that_dinv_takes(page: str) -> None:
    for shown, words in commands(page):
        app = App(Voice("dinv"))
        try:
            verb, rest = app.take_global_options(list(words))
            assert verb in VERBS, f"{page}: there is no verb {verb}: {shown}"
            if rest:  # one verb alone is its name in the text, with whatever arguments it needs
                app.parse(verb, importlib.import_module(module_name(verb)), rest)
        except SystemExit:  # --help
            continue
        except UsageError as error:
            # Flags alone are named in the text without the arguments that the verb needs.
            missing = not str(error).startswith(("flag ", "invalid ", "unknown "))
            if not (missing and all(word.startswith("-") for word in rest)):
                pytest.fail(f"{page}: {shown}\n{error}")
        except Exception as error:  # noqa: BLE001  (whatever it is, the page is wrong)
            pytest.fail(f"{page}: {shown}\n{error}")


def test_there_is_something_to_see() -> None:
    assert sum(len(commands(page)) for page in pages()) > 60
    assert sum(block.language == "sh" for page in pages() for block in blocks(page)) > 8


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    text = read(page)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            path = os.path.join(CHECKOUT, os.path.dirname(page), target)
            assert os.path.exists(path), f"{page}: there is no {target}"
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", text):
        if "://" in target:
            continue
        there = os.path.normpath(os.path.join(os.path.dirname(page), target)) if target else page
        titles = re.findall(r"^#+ (.+)$", read(there), re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
        assert anchor in slugs, f"{page}: {there} has no part #{anchor}"


@pytest.mark.parametrize("page", pages())
def test_files_that_it_names_are_there(page: str) -> None:
    """A file moves, and the page that names it does not: that is seen here."""
    for name in re.findall(
        r"`((?:src|tests|scripts|benchmarks|images|examples|docs|man)/[\w./-]+)`", read(page)
    ):
        assert os.path.exists(os.path.join(CHECKOUT, name)), f"{page}: there is no {name}"

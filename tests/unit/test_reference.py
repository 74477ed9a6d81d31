"""The command line's reference: docs/cli.md and the man pages are what the parsers say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest
from harness import CHECKOUT
from scripts import check_pages

from dinv.cli.verbs import VERBS

MANUALS = ("dinv.1", "dinv-create.1")


def _manual(name: str) -> str:
    with open(os.path.join(CHECKOUT, "man", name), encoding="utf-8") as file:
        return file.read()


def test_the_pages_are_what_the_script_writes() -> None:
    check_pages("reference")


def test_every_verb_is_in_them() -> None:
    with open(os.path.join(CHECKOUT, "docs", "cli.md"), encoding="utf-8") as file:
        page = file.read()
    titles = set(re.findall(r"^## (.+)$", page, re.MULTILINE))
    assert not set(VERBS) - titles
    sections = {
        title.replace("\\-", "-") for title in re.findall(r"^\.SS (.+)$", _manual("dinv.1"), re.MULTILINE)
    }
    assert not set(VERBS) - sections


def test_the_options_of_drivers_are_in_them() -> None:
    manual = _manual("dinv-create.1").replace("\\-", "-")
    for flag in ("--memory", "--isolation", "--url", "--tls-san"):
        assert f"\\fB{flag}\\fR" in manual


@pytest.mark.parametrize("name", MANUALS)
def test_a_man_page_is_sound(name: str) -> None:
    mandoc = shutil.which("mandoc")
    if mandoc is None:
        pytest.skip("mandoc is not installed")
    done = subprocess.run(
        [mandoc, "-T", "lint", "-W", "warning", os.path.join(CHECKOUT, "man", name)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

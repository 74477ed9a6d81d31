"""The site of docs/: which pages are in it, and where their links lead. `scripts/docs` builds it."""

from __future__ import annotations

import os
import re
import shlex
import struct
import sys
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from documents import pages, read
from harness import CHECKOUT
from scripts import script

from dinv.cli.verbs import VERBS

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def site() -> Any:
    return script("docs_site")


@pytest.fixture(scope="module")
def session() -> Any:
    return script("session")


@pytest.fixture(scope="module")
def pictures() -> Any:
    return script("screenshots")


def test_every_page_is_in_the_menu_once(site: Any) -> None:
    named = [f"{page}.md" for titles in site.MENU.values() for page in titles]
    docs = {os.path.basename(page) for page in pages() if page.startswith("docs/")}
    assert len(named) == len(set(named))
    wanted = docs - {"index.md"} | set(site.TAKEN_IN.values())
    assert set(named) == wanted, "a new page belongs into MENU of scripts/docs_site.py"


def test_every_page_of_docs_is_found_by_its_task() -> None:
    links = {target for target, _ in re.findall(r"\]\(([^)#\s]+)(#[^)]*)?\)", read("docs/index.md"))}
    docs = {os.path.basename(page) for page in pages() if page.startswith("docs/")}
    assert not docs - links - {"index.md"}, "a new page belongs into a table of docs/index.md"


@pytest.mark.parametrize(
    ("here", "link", "there"),
    [
        ("README.md", "[a](docs/store.md#the-store)", "[a](store.md#the-store)"),
        ("docs/design.md", "[a](../images/README.md)", "[a](image.md)"),
        ("docs/design.md", "[a](store.md), [b](#c)", "[a](store.md), [b](#c)"),
        ("README.md", "![a](docs/session.svg)", "![a](session.svg)"),
        (
            "README.md",
            '<picture>\n<source srcset="docs/b.png">\n<img alt="a" src="docs/a.png">\n</picture>',
            "![a](a.png)",
        ),
        (
            "images/README.md",
            "[a](examples/sshd/Dockerfile)",
            "a (`images/examples/sshd/Dockerfile`)",
        ),
        ("docs/design.md", "[a](nowhere.md), [b](../nor/here)", "[a](nowhere.md), [b](../nor/here)"),
        ("docs/design.md", "```text\n[a](../README.md)\n```", "```text\n[a](../README.md)\n```"),
    ],
)
def test_links_lead_to_the_pages_of_the_site(site: Any, here: str, link: str, there: str) -> None:
    sources = {"docs/store.md": "store.md", "images/README.md": "image.md", "README.md": "readme.md"}
    assert site.turned(link, here, sources) == there


def test_all_pages_are_gathered_with_what_they_show(site: Any, tmp_path: Any) -> None:
    site.gather(str(tmp_path / "pages"))
    for path in pages():
        name = site.TAKEN_IN.get(path, os.path.basename(path))
        assert (tmp_path / "pages" / name).exists(), path
        text = (tmp_path / "pages" / name).read_text()
        for target in re.findall(r"\]\(([^)#\s:]+\.(?:md|svg|png))(?:#[^)]*)?\)", text):
            assert (tmp_path / "pages" / target).exists(), f"{path}: {target}"


def test_the_recorded_session_needs_nothing_from_elsewhere() -> None:
    path = os.path.join(CHECKOUT, "docs", "session.svg")
    tree = ET.parse(path).getroot()  # noqa: S314  (our own)
    assert tree.tag == f"{SVG}svg"
    said = "".join(tree.itertext()).replace("\xa0", " ")
    assert "ready at tcp://" in said
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert not re.findall(r"@import|@font-face|<image|<script|href=|url\((?!#)", text)


def test_pictures_are_there_and_small(pictures: Any) -> None:
    shown = "".join(map(read, pages()))
    for name in pictures.SIZES:
        for scheme in ("light", "dark"):
            path = pictures.path_of(name, scheme)
            assert os.path.getsize(path) < pictures.MOST_BYTES
            with open(path, "rb") as file:
                header = file.read(24)
            assert struct.unpack(">II", header[16:]) == pictures.SIZES[name]
            assert os.path.basename(path) in shown, "a picture that no page shows"


def test_the_recorded_session_is_the_one_that_the_script_has(session: Any) -> None:
    text = "".join(ET.parse(session.OUTPUT).getroot().itertext()).replace("\xa0", " ")  # noqa: S314
    for line in session.SESSION:
        assert line in text, line
        words = shlex.split(line)
        assert words[0] != "dinv" or words[1] in VERBS


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ("a\r\nb\r\n", "a\nb"),
        ("one\r\033[2Ktwo\r\n", "two"),
        ("\033[?25l\033[32mwait\033[0m\r\033[2K\033[?25hdone\r\n", "done"),
        ("kept\r\ngone\r\n\033[1A\033[2Kthere\r\n", "kept\nthere"),
        ("\033[1mbold\033[0m", "\033[1mbold\033[0m"),
    ],
)
def test_what_was_drawn_over_is_not_in_it(session: Any, sent: str, seen: str) -> None:
    assert session.shown(sent) == seen


def test_a_terminal_that_does_more_is_said(session: Any) -> None:
    with pytest.raises(SystemExit, match="control sequence"):
        session.shown("\033[5;5Hhere")


def test_scripts_of_the_site_load_without_its_packages(site: Any) -> None:
    assert site
    assert "sphinx.cmd.build" not in sys.modules

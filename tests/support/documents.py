"""The project's pages, as the tests read them: fenced blocks, and commands in the text."""

from __future__ import annotations

import glob
import os
import re
import shlex

from harness import CHECKOUT

LANGUAGES = ("sh", "text", "python", "json", "toml", "yaml", "ini", "groovy")
"""Commands to paste are `sh`; what they print, and whatever nobody runs, is `text`."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: ((?:(?!-->).)+) -->\n\Z", re.DOTALL)
_INLINE = re.compile(r"`((?:[^`\n]|\n(?!\n))+)`")
# Where a command of dinv's begins within a line, and where it ends.
_COMMAND = re.compile(
    r"""(?:^|[('"`]|\$\(|\| |[=&;] |eval )\s*(?:sudo )?dinv (?P<words>[^|()<>#;&\n]*)""", re.MULTILINE
)


class Block:
    """A fenced block: where it begins, its language, its text, and why no test runs it ("": one does)."""

    def __init__(self, page: str, line: int, language: str, text: str, reason: str) -> None:
        self.page = page
        self.line = line
        self.language = language
        self.text = text
        self.reason = reason

    def __repr__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """README, what it links to, and the image's own page; relative to the checkout."""
    found = ["README.md", "CONTRIBUTING.md", "examples/README.md", "images/README.md"]
    return found + sorted(os.path.relpath(path, CHECKOUT) for path in glob.glob(f"{CHECKOUT}/docs/*.md"))


def read(page: str) -> str:
    with open(os.path.join(CHECKOUT, page), encoding="utf-8") as file:
        return file.read()


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page."""
    text = read(page)
    found = []
    for match in _FENCE.finditer(text):
        before = text[: match.start()]
        reason = _NOT_RUN.search(before)
        found.append(Block(page, before.count("\n") + 1, match[1], match[2], reason[1] if reason else ""))
    return found


def commands(page: str) -> list[tuple[str, list[str]]]:
    """The page's command lines of dinv, with the words behind `dinv`; those with gaps are left out."""
    text = read(page)
    shown = [block.text.replace("\\\n", " ") for block in blocks(page) if block.language == "sh"]
    shown += [code.replace("\n", " ") for code in _INLINE.findall(_FENCE.sub("", text))]
    found = []
    for each in shown:
        for match in _COMMAND.finditer(each):
            words = match["words"].strip().rstrip("`,.")
            if not words or re.search(r"\.\.\.|[\[\]]|\bVERB\b", words) or not re.match(r"-|[a-z]", words):
                continue
            quote = shlex.shlex(words, posix=True, punctuation_chars=False)
            quote.whitespace_split, quote.commenters = True, ""
            try:
                found.append((each.strip(), list(quote)))
            except ValueError:  # the end of a quotation that began before `dinv`
                found.append((each.strip(), words.replace("'", "").replace('"', "").split()))
    return found

"""A template's text as tokens (Go: text/template/parse/lex.go)."""

from __future__ import annotations

import re

from dinv.errors import TemplateError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT, LEFT, RIGHT, SPACE, END = "text", "left", "right", "space", "end"
STRING, RAW, CHARACTER, NUMBER = "string", "raw", "character", "number"
FIELD, VARIABLE, WORD, DOT = "field", "variable", "word", "dot"
DECLARE, ASSIGN, PIPE, COMMA, OPEN, CLOSE = "declare", "assign", "pipe", "comma", "open", "close"

_BLANK = " \t\r\n"
_LEFT_TRIM = re.compile(r"\{\{-[ \t\r\n]")
_RIGHT_TRIM = re.compile(r"[ \t\r\n]+-\}\}")
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\r\n]+)
    | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
    | (?P<raw>`[^`]*`)
    | (?P<character>'(?:[^'\\\n]|\\[^\n])*')
    | (?P<number>[+-]?\.?[0-9](?:[eEpP][+-]|[\w.])*)
    | (?P<field>\.[^\W\d]\w*)
    | (?P<variable>\$\w*)
    | (?P<word>[^\W\d]\w*)
    | (?P<dot>\.)
    | (?P<declare>:=)
    | (?P<assign>=)
    | (?P<pipe>\|)
    | (?P<comma>,)
    | (?P<open>\()
    | (?P<close>\))
    """,
    re.VERBOSE,
)
_UNTERMINATED = {
    '"': "unterminated quoted string",
    "`": "unterminated raw quoted string",
    "'": "unterminated character constant",
}
# What may follow a field, a variable or a word (Go: atTerminator); else `.a-b` would be two operands.
_AFTER_NAME = frozenset(_BLANK + ".,|:=()}")
_NAMES = frozenset((FIELD, VARIABLE, WORD))


class Token:
    """`text` is as written in the template, except for TEXT, which is trimmed and has its escapes decoded."""

    __slots__ = ("end", "kind", "position", "text")

    def __init__(self, kind: str, text: str, position: int, end: int) -> None:
        self.kind = kind
        self.text = text
        self.position = position
        self.end = end


class Source:
    """A template's text, with positions in it for messages."""

    def __init__(self, text: str) -> None:
        self.text = text

    def error(self, position: int, reason: str, *, at: str | None = None) -> TemplateError:
        """Return an error in the template, or, if `at` is given, in executing that part of it."""
        before = self.text[:position]
        line = before.count("\n") + 1
        return TemplateError(reason, line=line, column=position - before.rfind("\n"), at=at)


def tokens(source: Source, *, escapes: bool, start: int) -> list[Token]:
    """All tokens, END last. Raises TemplateError."""
    return list(_tokens(source, escapes=escapes, start=start))


def _tokens(source: Source, *, escapes: bool, start: int) -> Iterator[Token]:
    text, position, trim = source.text, start, False
    while True:
        left = text.find("{{", position)
        chunk = text[position : left if left >= 0 else len(text)]
        if escapes:
            chunk = _expand(chunk)
        if trim:
            chunk = chunk.lstrip(_BLANK)
        trimmed = left >= 0 and _LEFT_TRIM.match(text, left)
        if trimmed:
            chunk = chunk.rstrip(_BLANK)
        if chunk:
            yield Token(TEXT, chunk, position, left if left >= 0 else len(text))
        if left < 0:
            break
        position = left + (4 if trimmed else 2)
        if text.startswith("/*", position):
            position, trim = _comment(source, position)
            continue
        yield Token(LEFT, "{{", left, position)
        action = _Action(source, position, left)
        for token in action:
            if escapes and token.kind == RAW:
                token.text = _expand(token.text)
            yield token
        position, trim = action.position, action.trim
    yield Token(END, "", len(text), len(text))


def _expand(chunk: str) -> str:
    """docker/machine: commands/ls.go, parseFormat; there, too, trim markers remove these blanks."""
    return chunk.replace(r"\t", "\t").replace(r"\n", "\n")


def _comment(source: Source, position: int) -> tuple[int, bool]:
    """Return where the text continues after a comment, and whether it is trimmed."""
    end = source.text.find("*/", position + 2)
    if end < 0:
        raise source.error(position, "unclosed comment")
    if source.text.startswith("}}", end + 2):
        return end + 4, False
    trimmed = _RIGHT_TRIM.match(source.text, end + 2)
    if trimmed is None:
        raise source.error(position, "comment ends before closing delimiter")
    return trimmed.end(), True


class _Action:
    """Yield the tokens of one action, RIGHT last; return where it ends, and how."""

    def __init__(self, source: Source, position: int, left: int) -> None:
        self.source = source
        self.position = position
        self.left = left
        self.trim = False

    def __iter__(self) -> Iterator[Token]:
        text = self.source.text
        while True:
            start = self.position
            trimmed = _RIGHT_TRIM.match(text, start)
            if trimmed or text.startswith("}}", start):
                self.trim = trimmed is not None
                self.position = trimmed.end() if trimmed else start + 2
                yield Token(RIGHT, "}}", start, self.position)
                return
            if start == len(text):
                raise self.source.error(self.left, "unclosed action")
            found = _TOKEN.match(text, start)
            if found is None:
                reason = _UNTERMINATED.get(text[start]) or f"unexpected {text[start]!r} in an action"
                raise self.source.error(start, reason)
            self.position = found.end()
            kind = str(found.lastgroup)
            self._check_name_ends(kind)
            yield Token(kind, found.group(), start, self.position)

    def _check_name_ends(self, kind: str) -> None:
        """Raise TemplateError where a name runs into something else without a separator."""
        text, end = self.source.text, self.position
        if kind in _NAMES and end < len(text) and text[end] not in _AFTER_NAME:
            hint = ""
            if text[end] == "-":
                hint = '; a key that has one is read with index: {{index . "a-b"}}'
            raise self.source.error(end, f"bad character {text[end]!r}{hint}")

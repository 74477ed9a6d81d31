r"""Files of environment variables, as shells, editors and people write them: parsed strictly.

A line that is not understood is an error and never skipped: a missing variable could mean that nothing is
verified. One line may hold several variables. Understood are

    NAME=VALUE NAME="VALUE" NAME='VALUE' ...    sh, env, vic-machine; also with `export`, `declare -x`
    NAME = VALUE                                dotenv, with blanks around the sign
    setenv NAME VALUE      set -gx NAME VALUE   csh and fish
    set NAME=VALUE         set "NAME=VALUE"     cmd.exe: all of the line is the value
    $env:NAME = "VALUE"                         PowerShell

with comments (`#`, in a file for cmd.exe `REM` and `::`), `\` at the end of a line that continues, line ends
of every system, and a byte order mark, also that of UTF-16, which PowerShell writes. Nothing is expanded.
"""

from __future__ import annotations

import re

from dinv.errors import InputError
from dinv.system import files

LARGEST = 65536
"""Bytes."""

SWALLOWED = re.compile(r"(?:DOCKER|COMPOSE)_[A-Z_]+=|VERIFY=|TLS_VERIFY")
"""In a value, it shows that a quotation mark, a backslash or a lost line end swallowed a variable."""

_BLANKS = " \t"
_CMD = re.compile(r"@?set[ \t]+(\"?)([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.IGNORECASE)
_POWERSHELL = re.compile(r"\$env:([A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*(.*)", re.IGNORECASE)
_SETENV = re.compile(r"(?:setenv|set(?:[ \t]+-[a-zA-Z]+)+)[ \t]+([A-Za-z_][A-Za-z0-9_]*)[ \t]+(.*)")
_NOTHING = re.compile(
    r"(?:@?rem(?:[ \t].*)?|::.*|@?echo[ \t]+off|@?setlocal|set[ \t]+[-+][a-z]+|#.*|;?)", re.IGNORECASE
)
_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)[ \t]*=([ \t]*)")
_EXPORT = re.compile(r"(?:export|declare[ \t]+-x|typeset[ \t]+-x)(?=[ \t]|$)")
_BARE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?=[ \t;]|$)")


def read(path: str) -> list[tuple[int, str, str]]:
    """Return the variables the file sets, in order: line (from 1), name as written, value.

    Raises InputError, which names the file and the line.
    """
    try:
        content = files.read(path, largest=LARGEST)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    return parse(_decoded(path, content), path)


def _decoded(path: str, content: bytes) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read: it is not text. Save it as UTF-8.") from error
    if "\0" in text:
        raise InputError(f"{path} has null characters in it, as UTF-16 has. Save it as UTF-8.")
    return text


def parse(text: str, path: str) -> list[tuple[int, str, str]]:
    """Do `read`'s work on text; `path` is what errors call it."""
    found: list[tuple[int, str, str]] = []
    for number, line in _lines(text):
        try:
            found += ((number, name, value) for name, value in _line(line))
        except _NotUnderstood as error:
            raise InputError(
                f"{path}:{number}: {error}. Write a variable as NAME=VALUE, and put a # before anything else"
            ) from None
    return found


class _NotUnderstood(Exception):
    """Why a line is not understood. The line is not quoted: it may hold a secret."""


def _lines(text: str) -> list[tuple[int, str]]:
    """Yield the lines with their numbers; a line that ends in a backslash is joined with the next."""
    lines: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        first, before = begun or (number, "")
        whole = before + line
        # A comment does not continue (POSIX, 2.3), and two backslashes are the end of a Windows path.
        goes_on = re.search(r"(?<!\\)\\$", line) and not whole.lstrip(_BLANKS).startswith("#")
        # "C:\vch\" at the end of a line for cmd.exe or PowerShell is not a continuation.
        goes_on = goes_on and not _CMD.match(whole.strip(_BLANKS))
        if goes_on:
            begun = (first, whole[:-1])
        else:
            begun = None
            lines.append((first, whole.strip(_BLANKS)))
    if begun is not None:
        lines.append((begun[0], begun[1].strip(_BLANKS)))
    return lines


def _line(line: str) -> list[tuple[str, str]]:
    if _NOTHING.fullmatch(line):
        return []
    if match := _SETENV.fullmatch(line):
        value, rest = _value(match[2])
        return [(match[1], _checked(value)), *_after(rest)]
    if match := _CMD.fullmatch(line):
        quote, name, value = match.groups()
        value = value.rstrip(_BLANKS)
        if quote:
            if not value.endswith('"'):
                raise _NotUnderstood("the quotation mark is not closed")
            value = value[:-1]
        return [(name, _checked(_unquoted(value)))]
    if match := _POWERSHELL.fullmatch(line):
        value, rest = _value(match[2], escape="`")
        return [(match[1], _checked(value)), *_after(rest)]
    return _assignments(line)


def _assignments(line: str) -> list[tuple[str, str]]:
    """Parse `[export] NAME=VALUE ...`, which is sh's, and `NAME = VALUE`, which is not."""
    found: list[tuple[str, str]] = []
    rest, exporting = line, False
    while rest := rest.lstrip(_BLANKS):
        if rest.startswith("#"):
            break
        if rest.startswith((";", "&&")):
            rest, exporting = rest.lstrip(";&"), False
        elif match := _EXPORT.match(rest):
            rest, exporting = rest[match.end() :], True
        elif match := _ASSIGNMENT.match(rest):
            name, after = match.groups()
            rest = rest[match.end() :]
            if after and _ASSIGNMENT.match(rest):
                value = ""  # `A= B=1`: sh leaves A empty
            else:
                value, rest = _value(rest)
            if name == "DOCKER_CERT_PATH":
                value, rest = _rest_of_path(value, rest)
            found.append((name, _checked(value)))
        elif exporting and (match := _BARE_NAME.match(rest)):
            rest = rest[match.end() :]  # `A=1; export A`
        else:
            raise _NotUnderstood("this is not understood")
    return found


def _rest_of_path(value: str, rest: str) -> tuple[str, str]:
    """vic-machine does not quote DOCKER_CERT_PATH, even if it contains blanks."""
    while match := re.match(r"([ \t]+)([^ \t;#=\"']+)(?=[ \t;]|$)", rest):
        value += match[1] + match[2]
        rest = rest[match.end() :]
    return value, rest


def _value(text: str, *, escape: str = "\\") -> tuple[str, str]:
    """Parse the value at the beginning of `text`; return it and the rest."""
    value, at = "", 0
    while at < len(text):
        char = text[at]
        if char in _BLANKS or char == ";":
            break
        if char == "'":
            end = text.find("'", at + 1)
            if end < 0:
                raise _NotUnderstood("the quotation mark is not closed")
            value, at = value + text[at + 1 : end], end + 1
        elif char == '"':
            part, at = _double_quoted(text, at + 1, escape)
            value += part
        elif char == "\\" and text[at + 1 : at + 2] in ('"', "'", " "):
            value, at = value + text[at + 1], at + 2
        else:
            value, at = value + char, at + 1
    return value, text[at:]


def _double_quoted(text: str, at: int, escape: str) -> tuple[str, int]:
    value = ""
    while at < len(text):
        if text[at] == '"':
            return value, at + 1
        if text[at] == escape and text[at + 1 : at + 2] in ('"', "$", "`", escape):
            at += 1
        value, at = value + text[at], at + 1
    raise _NotUnderstood("the quotation mark is not closed")


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _after(rest: str) -> list[tuple[str, str]]:
    """Check the rest of a line after a value: nothing, a comment, or the next command."""
    rest = rest.lstrip(_BLANKS)
    if not rest.startswith((";", "#")) and rest:
        raise _NotUnderstood("there is more after the value")
    return _line(rest.lstrip(_BLANKS + ";"))


def _checked(value: str) -> str:
    if not value.isprintable():
        raise _NotUnderstood("the value has an invisible character")
    if SWALLOWED.search(value):
        raise _NotUnderstood("another variable is within the value")
    return value

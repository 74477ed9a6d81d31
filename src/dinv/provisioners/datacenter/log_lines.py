"""What the installers of Docker Datacenter print: lines of logrus, in any of its three forms.

    time="2019-05-22T00:27:54Z" level=fatal msg="the following required ports are ..."   to a pipe
    FATA[0036] the following required ports are ...                                      to a terminal
    {"level":"fatal","msg":"...","time":"..."}                                           with --jsonlog

A line of level "fatal" is a failure, whatever the exit status is said to have been: launchpad relies on
that, too (Mirantis/launchpad: pkg/mke/bootstrap.go, pkg/util/cmdbuffer). In the first form a message is
quoted as Go's strconv.Quote does (sirupsen/logrus: text_formatter.go).
"""

from __future__ import annotations

import json
import re

from dinv.formats.visible import one_line

FATAL = ("fatal", "panic")
LONGEST_LINE = 16 * 1024
"""Bytes of a line; the rest of a longer one is dropped."""
LONGEST_SHOWN = 500
MOST_KEPT = 200
"""How many lines are remembered: the last ones. Those of level "error" and above are kept beside them."""
HIDDEN = "***"

_SHORT = re.compile(r"(?P<level>DEBU|INFO|WARN|ERRO|FATA|PANI|TRAC)\[[^\]]*\]\s*(?P<text>.*)")
_LEVELS = {
    "TRAC": "trace",
    "DEBU": "debug",
    "INFO": "info",
    "WARN": "warning",
    "ERRO": "error",
    "FATA": "fatal",
    "PANI": "panic",
}
_PAIR = re.compile(r'(?P<key>[A-Za-z0-9_.-]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<plain>\S*))(?:\s+|$)')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|([0-7]{3})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PASSWORD = re.compile(r"(?i)(password\s*[:=]\s*)(?!\()\S+")
_HIGHEST = 0x10FFFF


class Line:
    """One line of output. `level` is "" for one that is not logrus's; `text` is its message, on one line."""

    __slots__ = ("level", "text")

    def __init__(self, level: str, text: str) -> None:
        self.level = level
        self.text = text

    def __repr__(self) -> str:
        return f"<Line {self.level or '-'} {self.text!r}>"

    @property
    def fatal(self) -> bool:
        """Whether it says that the installer has failed."""
        return self.level in FATAL

    @property
    def grave(self) -> bool:
        """Whether it is an error that may be the reason of a failure."""
        return self.fatal or self.level == "error"


def parse(line: str) -> Line:
    """Return what a line says."""
    line = _COLOUR.sub("", line).strip()
    if line.startswith("{"):
        found = _json(line)
        if found is not None:
            return found
    short = _SHORT.fullmatch(line)
    if short is not None:
        return Line(_LEVELS[short["level"]], _shown(short["text"]))
    fields = _pairs(line)
    if "level" in fields and ("msg" in fields or "time" in fields):
        message = fields.get("msg", "")
        cause = fields.get("error", "")
        text = f"{message}: {cause}" if message and cause else message or cause
        return Line(_level(fields["level"]), _shown(text))
    return Line("", _shown(line))


def _json(line: str) -> Line | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("level"), str):
        return None
    return Line(_level(found["level"]), _shown(str(found.get("msg", ""))))


def _level(word: str) -> str:
    word = word.lower()
    return "warning" if word == "warn" else word


def _pairs(line: str) -> dict[str, str]:
    """Return the fields of a line of KEY=VALUE; {} if it is something else."""
    fields: dict[str, str] = {}
    position = 0
    while position < len(line):
        match = _PAIR.match(line, position)
        if match is None:
            return {}
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else _unquoted(quoted)
        fields.setdefault(match["key"], value)
        position = match.end()
    return fields


def _unquoted(text: str) -> str:
    """Undo Go's strconv.Quote. An escape that Go does not write stays as it is."""

    def one(match: re.Match[str]) -> str:
        two, four, eight, octal, plain = match.groups()
        if plain is not None:
            return _PLAIN_ESCAPES.get(plain, plain if plain in '"\\' else match[0])
        number = int(octal, 8) if octal else int(two or four or eight, 16)
        return chr(number) if number <= _HIGHEST else match[0]

    return _ESCAPE.sub(one, text)


def _shown(text: str) -> str:
    return one_line(" ".join(text.split()))


class Log:
    """What an installer has said so far, in bytes as they come. No secret is in any of its lines.

    `secrets` are texts that are replaced, should the installer repeat them.
    """

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        # A line has them as they are, and as `parse` shows them.
        forms = {form for secret in secrets for form in (secret, _shown(secret)) if form}
        self._secrets = sorted(forms, key=len, reverse=True)
        self._begun: dict[str, bytearray] = {}
        self.lines: list[Line] = []
        """The last MOST_KEPT lines."""
        self.grave: list[Line] = []
        """Those of level "error" and above, the first MOST_KEPT."""

    def feed(self, data: bytes, stream: str = "stdout") -> list[Line]:
        """Take bytes of one of the streams; return the lines that they complete, without empty ones."""
        begun = self._begun.setdefault(stream, bytearray())
        *complete, rest = (bytes(begun) + data).split(b"\n")
        begun[:] = rest[:LONGEST_LINE]
        return [line for raw in complete if (line := self._take(raw)) is not None]

    def end(self) -> list[Line]:
        """Return the lines that were not ended."""
        left = [bytes(begun) for begun in self._begun.values()]
        self._begun.clear()
        return [line for raw in left if (line := self._take(raw)) is not None]

    def _take(self, raw: bytes) -> Line | None:
        text = raw[:LONGEST_LINE].decode("utf-8", "replace")
        line = parse(text)
        line.text = self._without_secrets(line.text)
        if not line.text:
            return None
        self.lines = [*self.lines[-MOST_KEPT + 1 :], line]
        if line.grave and len(self.grave) < MOST_KEPT:
            self.grave.append(line)
        return line

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _PASSWORD.sub(rf"\g<1>{HIDDEN}", text)
        return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."

    @property
    def fatal(self) -> list[str]:
        """What the lines of level "fatal" say."""
        return [line.text for line in self.grave if line.fatal]

    def reasons(self, count: int = 5) -> list[str]:
        """Return why it failed, as far as it says so: "fatal" lines, else errors, else its last lines."""
        errors = [line.text for line in self.grave if not line.fatal]
        return (self.fatal or errors[-count:] or [line.text for line in self.lines])[-count:]

    def says(self, words: str) -> bool:
        """Whether a line that is kept has these words."""
        return any(words in line.text for line in (*self.lines, *self.grave))

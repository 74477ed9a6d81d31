"""The functions of a template: Go's own, docker-machine's, and those of docker's --format.

A function is called with its arguments' values, and raises CallError when it cannot answer. `and` and `or`,
which may not evaluate all their arguments, are in execution.py.
"""

from __future__ import annotations

import re

from dinv.formats.template.printf import sprint, sprintf, sprintln
from dinv.formats.template.values import Heading, Record, format_value, is_true, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Function = Callable[..., Any]

_TOO_LARGE = 1_000_000
"""The most characters that pad adds, as printf's width."""

_SPACES = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Go: unicode.IsSpace. Python counts four control characters as well."""

_STRING_OR_SMALL = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9.]+e-[0-9]+')
_LEAST_WITHOUT_EXPONENT = 1e-6


class CallError(Exception):
    """A function cannot be called like this; the message says why."""


def as_json(value: Any, *, indent: int | None = None) -> str:
    """Go's encoding/json: keys in alphabetical order, HTML's special characters escaped."""
    import json

    separators = (",", ":") if indent is None else (",", ": ")
    try:
        text = json.dumps(
            _whole(value),
            indent=indent,
            separators=separators,
            sort_keys=True,
            ensure_ascii=False,
            allow_nan=False,
        )
    except ValueError as error:
        raise CallError(str(error)) from error
    if "e-" in text:
        text = _STRING_OR_SMALL.sub(_small, text)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _small(found: re.Match[str]) -> str:
    """Write a number that Python gives a negative exponent as Go does: 0.00001, 1e-7; not strings."""
    text = found.group()
    if text.startswith('"'):
        return text
    if abs(float(text)) < _LEAST_WITHOUT_EXPONENT:
        return text.replace("e-0", "e-")
    mantissa, _, exponent = text.partition("e-")
    return f"{float(text):.{len(mantissa.partition('.')[2]) + int(exponent)}f}"


def _whole(value: Any) -> Any:
    """Write floats without a fraction as Go does: 1, not 1.0."""
    match value:
        case float() if value.is_integer() and abs(value) < 1e21:  # Go: encoding/json
            return int(value)
        case dict():
            return {key: _whole(item) for key, item in value.items()}
        case list() | tuple():
            return [_whole(item) for item in value]
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise CallError(f"expected string; got {type_name(value)}")
    return value


def _number(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise CallError(f"expected int; got {type_name(value)}")
    return value


def _index(value: Any, *keys: Any) -> Any:
    _not_nil(value)
    for key in keys:
        _not_nil(value)
        if isinstance(value, dict):
            value = value.get(_text(key))
        elif isinstance(value, list | tuple | str):
            place = _number(key)
            if not 0 <= place < len(value):
                raise CallError(f"index out of range: {place}")
            value = ord(value[place]) if isinstance(value, str) else value[place]
        else:
            raise CallError(f"can't index item of type {type_name(value)}")
    return value


def _not_nil(value: Any) -> None:
    if value is None:
        raise CallError("index of untyped nil")


def _slice(value: Any, *places: Any) -> Any:
    if not isinstance(value, list | tuple | str):
        raise CallError(f"can't slice item of type {type_name(value)}")
    if len(places) > 2:
        raise CallError(f"too many slice indexes: {len(places)}")
    begin, end = [*map(_number, places), *(0, len(value))[len(places) :]]
    if not 0 <= begin <= end <= len(value):
        raise CallError(f"invalid slice index: {begin} to {end} of {len(value)}")
    return value[begin:end]


def _length(value: Any) -> int:
    if not isinstance(value, list | tuple | str | dict) or isinstance(value, Record):
        raise CallError(f"len of type {type_name(value)}")
    return len(value)


def _join(value: Any, separator: Any) -> str:
    """`join .List ","`, and in a pipeline `.List | join ","`."""
    if isinstance(value, str):
        value, separator = separator, value
    if value is None:
        return ""
    if not isinstance(value, list | tuple):
        raise CallError(f"expected a list; got {type_name(value)}")
    return _text(separator).join(map(format_value, value))


def _split(text: Any, separator: Any) -> list[str]:
    return list(_text(text)) if _text(separator) == "" else _text(text).split(separator)


def _upper(text: Any) -> str:
    """Go: unicode.ToUpper of each letter, which stays one letter."""
    return "".join(upper if len(upper := letter.upper()) == 1 else letter for letter in _text(text))


def _lower(text: Any) -> str:
    """Go: unicode.ToLower of each letter, whatever stands next to it."""
    return "".join(letter.lower()[0] for letter in _text(text))


def _title(text: Any) -> str:
    letters = list(_text(text))
    for place, letter in enumerate(letters):
        if not place or _separates(text[place - 1]):
            letters[place] = letter.title() if len(letter.title()) == 1 else letter
    return "".join(letters)


def _separates(letter: str) -> bool:
    """Go's strings.Title: whether a word begins after this character; beyond ASCII only after a space."""
    if letter.isascii():
        return not (letter.isalnum() or letter == "_")
    return letter in _SPACES


def _truncate(text: Any, length: Any) -> str:
    return _text(text)[: max(0, _number(length))]


def _pad(text: Any, before: Any, after: Any) -> str:
    if _text(text) == "":
        return ""
    before, after = _number(before), _number(after)
    if max(before, after) > _TOO_LARGE:
        raise CallError(f"more than {_TOO_LARGE} spaces")
    return f"{' ' * before}{text}{' ' * after}"


def _printf(form: Any, *arguments: Any) -> str:
    return sprintf(_text(form), arguments)


def _printed(values: tuple[Any, ...]) -> str:
    return sprint(["<no value>" if value is None else value for value in values])


_ENTITIES = (
    *(("&", "&amp;"), ("'", "&#39;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;")),
    ("\0", "\ufffd"),
)


def _html(*arguments: Any) -> str:
    text = _printed(arguments)
    for letter, entity in _ENTITIES:
        text = text.replace(letter, entity)
    return text


def _urlquery(*arguments: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_printed(arguments), errors="replace")


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case int() | float():
            return "number"
        case str():
            return "string"
        case None:
            return "nil"
    raise CallError(f"non-comparable type {type_name(value)}")


def _equal(first: Any, second: Any, *others: Any) -> bool:
    """Whether the first is equal to any of the others."""
    return any(_is_equal(first, other) for other in (second, *others))


def _is_equal(first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    if _kind(first) != _kind(second):
        raise CallError(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    return bool(first == second)


def _is_less(first: Any, second: Any) -> bool:
    kinds = {_kind(first), _kind(second)}
    if not kinds <= {"number", "string"}:
        raise CallError(f"invalid type for comparison: {type_name(first)} and {type_name(second)}")
    if len(kinds) > 1:
        raise CallError(f"incompatible types for comparison: {type_name(first)} and {type_name(second)}")
    return bool(first < second)


FUNCTIONS: dict[str, Function | None] = {
    # Go's (text/template/funcs.go). None: see the head of this file.
    "and": None,
    "or": None,
    "eq": _equal,
    "ge": lambda first, second: not _is_less(first, second),
    "gt": lambda first, second: _is_less(second, first),
    "html": _html,
    "index": _index,
    "le": lambda first, second: not _is_less(second, first),
    "len": _length,
    "lt": _is_less,
    "ne": lambda first, second: not _is_equal(first, second),
    "not": lambda value: not is_true(value),
    "print": lambda *values: sprint(values),
    "printf": _printf,
    "println": lambda *values: sprintln(values),
    "slice": _slice,
    "urlquery": _urlquery,
    # docker-machine's (docker/machine: commands/inspect.go).
    "json": as_json,
    "prettyjson": lambda value: as_json(value, indent=4),
    # The docker CLI's (docker/cli: templates/templates.go), and trim.
    "join": _join,
    "lower": _lower,
    "pad": _pad,
    "split": _split,
    "title": _title,
    "trim": lambda text: _text(text).strip(_SPACES),
    "truncate": _truncate,
    "upper": _upper,
}

_KEEPS_HEADING = frozenset(
    (
        *("html", "index", "join", "json", "lower", "pad", "prettyjson", "slice", "split"),
        *("title", "trim", "truncate", "upper", "urlquery"),
    )
)


def call(name: str, arguments: list[Any]) -> Any:
    """Call a function. Raises CallError."""
    if name in _KEEPS_HEADING:
        for value in arguments:
            if isinstance(value, Heading):
                return value
    function = FUNCTIONS[name]
    assert function is not None  # noqa: S101  (and, or: execution.py)
    code = function.__code__
    least = code.co_argcount - len(function.__defaults__ or ())
    most = None if code.co_flags & 4 else code.co_argcount
    if len(arguments) < least or (most is not None and len(arguments) > most):
        want = str(least) if most == least else f"at least {least}" if most is None else f"{least} to {most}"
        raise CallError(f"wrong number of args: want {want} got {len(arguments)}")
    return function(*arguments)

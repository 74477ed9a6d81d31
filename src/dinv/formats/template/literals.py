"""Go's literals (The Go Programming Language Specification: Integer, Floating-point, String literals)."""

from __future__ import annotations

import re

_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, "'": 39, '"': 34}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_OCTAL = re.compile(r"([+-]?)0[0-9_]+")
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)
_LARGEST = 2**64 - 1
_SMALLEST = -(2**63)


def string(literal: str) -> str:
    """The value of a literal in double quotes. Raises ValueError, with what is wrong."""
    return _unescape(literal[1:-1], "'")


def character(literal: str) -> int:
    """The value of a literal in single quotes: a code point. Raises ValueError."""
    value = _unescape(literal[1:-1], '"')
    if len(value) != 1:
        raise ValueError(f"malformed character constant: {literal}")
    return ord(value)


def number(literal: str) -> int | float:
    """The value of a number, signed or not. Raises ValueError."""
    octal = _OCTAL.fullmatch(literal)
    if octal and not set("89").isdisjoint(literal):
        raise ValueError(f"bad number syntax: {literal} (a number that begins with 0 is octal)")
    try:
        value: int | float = int(f"{octal[1]}0o{literal.lstrip('+-')[1:]}" if octal else literal, 0)
    except ValueError:
        return _float(literal)
    if not _SMALLEST <= value <= _LARGEST:
        raise ValueError(f"integer overflow: {literal}")
    return value


def _float(literal: str) -> float:
    bad = ValueError(f"bad number syntax: {literal}")
    try:
        value = float.fromhex(literal) if "p" in literal.lower() else float(literal)
    except (ValueError, OverflowError) as error:
        raise bad from error
    if value - value != 0:  # infinite
        raise bad
    return value


def _unescape(text: str, other_quote: str) -> str:
    def one(found: re.Match[str]) -> str:
        byte, short, long, octal, letter = found.groups()
        if letter:
            if letter not in _ESCAPES or letter == other_quote:
                raise ValueError(f"unknown escape in a literal: \\{letter}")
            return chr(_ESCAPES[letter])
        value = int(octal, 8) if octal else int(byte or short or long, 16)
        if value > (0xFF if octal else _LAST_CODE_POINT) or value in _SURROGATES:
            raise ValueError(f"no such character: {found.group()}")
        return chr(value)

    return _ESCAPE.sub(one, text)

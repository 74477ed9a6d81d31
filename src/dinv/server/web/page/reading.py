"""What people write into forms, as values; what cannot be one is Invalid, with the field's name."""

from __future__ import annotations

from datetime import timedelta

from dinv.formats.durations import parse_duration
from dinv.formats.units import parse_size
from dinv.server.problems import Invalid

LONGEST_SECONDS = 3650 * 86400


def _invalid(field: str, label: str, why: str) -> Invalid:
    detail = f"{label}: {why}"
    return Invalid(detail, errors=[{"pointer": f"/{field}", "detail": detail}])


def period(text: str, field: str, label: str) -> timedelta | None:
    """Such as 8h; None if nothing is written."""
    if not text.strip():
        return None
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise _invalid(field, label, f'"{text[:40]}" {error}') from error
    if not 0 < seconds <= LONGEST_SECONDS:
        raise _invalid(field, label, "is not between a second and ten years")
    return timedelta(seconds=seconds)


def some_period(text: str, field: str, label: str) -> timedelta:
    """A period that has to be written."""
    found = period(text, field, label)
    if found is None:
        raise _invalid(field, label, "is missing")
    return found


def size(text: str, field: str, label: str) -> int | None:
    """Such as 64g, in bytes; None if nothing is written."""
    if not text.strip():
        return None
    try:
        return parse_size(text)
    except ValueError as error:
        raise _invalid(field, label, f'"{text[:40]}" {error}') from error


def whole(text: str, field: str, label: str) -> int | None:
    """A whole number from 0 on; None if nothing is written."""
    if not text.strip():
        return None
    if not text.strip().isascii() or not text.strip().isdigit() or len(text.strip()) > 9:
        raise _invalid(field, label, f'"{text[:40]}" is not a whole number')
    return int(text)


def number(text: str, field: str, label: str) -> float | None:
    """A number from 0 on; None if nothing is written."""
    if not text.strip():
        return None
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:
        raise _invalid(field, label, f'"{text[:40]}" is not a number')
    return found


def words(text: str) -> tuple[str, ...]:
    """What stands between commas, without blanks."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def pairs(text: str, field: str, label: str) -> dict[str, str]:
    """Such as a=b, c=d."""
    found = {}
    for word in words(text):
        key, equals, value = word.partition("=")
        if not equals or not key.strip():
            raise _invalid(field, label, f'"{word[:40]}" is not NAME=VALUE')
        found[key.strip()] = value.strip()
    return found

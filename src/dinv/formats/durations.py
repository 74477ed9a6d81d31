"""Durations as users write them: 90m, 12h, 30d, 1d12h. No months or years: they have no fixed length."""

from __future__ import annotations

UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
"""Seconds in each unit."""

_LONGEST = 32  # characters


def parse_duration(text: str) -> int:
    """Return the seconds in a duration such as "12h" or "1d12h".

    Numbers are whole. Each unit is given once, the largest first. A number without a unit is refused, since
    other programs read it as seconds, as hours or as days. Raises ValueError, which says why it is not one.
    """
    left = text.strip().lower()
    total, units = 0, list(UNITS)
    while left and len(text) <= _LONGEST:
        digits = len(left) - len(left.lstrip("0123456789"))
        unit = left[digits : digits + 1]
        if not digits or unit not in units:
            break
        total += int(left[:digits]) * UNITS[unit]
        units = units[units.index(unit) + 1 :]
        left = left[digits + 1 :]
        if not left:
            return total
    raise ValueError("is not a duration; write numbers and units, such as 90m, 12h, 30d or 1d12h")


def format_duration(seconds: float) -> str:
    """Return a duration as `parse_duration` reads it: 30d, 1d12h, 0s. Fractions of a second are cut off."""
    left, parts = int(seconds), []
    for unit, size in UNITS.items():
        number, left = divmod(left, size) if unit != "w" else (0, left)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def about(seconds: float) -> str:
    """Return a duration for people, in its largest unit: 29 days, 1 hour, 45 seconds."""
    size, name = next(
        ((size, name) for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")) if seconds >= size),
        (1, "second"),
    )
    number = int(seconds // size)
    return f"{number} {name}" if number == 1 else f"{number} {name}s"

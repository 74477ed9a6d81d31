"""Sizes as docker's flags take them: 512m, 2g, 1.5GiB are multiples of 1024 bytes.

docker/go-units: size.go, RAMInBytes.
"""

from __future__ import annotations

_SIZE = r"(\d+(?:\.\d+)?) ?([kmgtp]?)i?b?"
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def parse_size(text: str) -> int:
    """Return the bytes in a size such as "512m". Raises ValueError, which says why it is not one."""
    import re

    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError("is not a size; write a number and a unit, such as 512m or 2g")
    number, unit = match.groups()
    try:
        return int(float(number) * 1024 ** _POWERS[unit.lower()])
    except OverflowError as error:
        raise ValueError("is more than any computer has") from error


def format_size(size: float) -> str:
    """Format bytes for people: three digits and a unit, in multiples of 1024."""
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while len(units) > 1 and abs(size) >= 1000:  # three digits
        size /= 1024
        del units[0]
    # From 999.5 on, "g" would write 1e+03.
    return f"{size:.3g} {units[0]}" if abs(size) < 999.5 else f"{size:.0f} {units[0]}"

"""What is mounted on this computer, from the kernel's list (Linux, proc(5): /proc/PID/mountinfo).

Only the list is read. The mounts themselves are not touched: one whose server is gone may fail or block.
"""

from __future__ import annotations

import os
import re

MOUNTS = "/proc/self/mountinfo"


def listed() -> list[tuple[str, str]]:
    """Return each mount's point and type, such as ("/home", "ext4"), in the order of mounting.

    A point that was mounted over appears twice. Raises OSError where there is no such list, as on macOS.
    """
    with open(MOUNTS, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return parse(file.read())


def parse(text: str) -> list[tuple[str, str]]:
    """Parse the text of a mountinfo list: ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE ..."""
    found = []
    for line in text.split(
        "\n"
    ):  # not splitlines: only \n ends a line, and names may contain the other separators
        before, separator, after = line.partition(" - ")
        if separator:
            found.append((_decoded(before.split(" ")[4]), after.split(" ")[0]))
    return found


def _decoded(field: str) -> str:
    """Decode blanks, tabs, newlines and backslashes, which the kernel writes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def below(directory: str) -> list[str]:
    """Return the mount points inside `directory`, in the order of mounting. Raises OSError."""
    inside = directory.rstrip(os.sep) + os.sep
    return [point for point, _ in listed() if point.startswith(inside)]


def kind_at(path: str) -> str | None:
    """Return the type of the mount at an absolute path, "" if nothing is mounted there, None if unknown."""
    try:
        points = dict(listed())  # the last mount at a point is the visible one
    except OSError:
        return None
    return points.get(path, "")

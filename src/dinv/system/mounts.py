"""What is mounted on this computer, from the kernel's list (Linux, proc(5): /proc/PID/mountinfo).

The list is read and no mount is looked at: one whose other side is gone may fail then, or wait.
"""

from __future__ import annotations

import os
import re

MOUNTS = "/proc/self/mountinfo"


def listed() -> list[tuple[str, str]]:
    """Each mount's point and type, such as ("/home", "ext4"), in the order of mounting.

    A point that something else was mounted over is there twice. Raises OSError where there is no such list,
    as on macOS.
    """
    with open(MOUNTS, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        return parse(file.read())


def parse(text: str) -> list[tuple[str, str]]:
    """The same from the text of a list: ID PARENT DEVICE ROOT POINT OPTIONS [TAG...] - TYPE SOURCE ..."""
    found = []
    for line in text.split("\n"):  # not splitlines: only \n ends a line, other such characters are in names
        before, separator, after = line.partition(" - ")
        if separator:
            found.append((_decoded(before.split(" ")[4]), after.split(" ")[0]))
    return found


def _decoded(field: str) -> str:
    """The kernel writes blanks, tabs, newlines and backslashes as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def below(directory: str) -> list[str]:
    """Where something is mounted inside `directory`, in the order of mounting. Raises OSError."""
    inside = directory.rstrip(os.sep) + os.sep
    return [point for point, _ in listed() if point.startswith(inside)]


def kind_at(path: str) -> str | None:
    """The type of what is mounted at an absolute path, "" for nothing; None where that cannot be told."""
    try:
        points = dict(listed())  # the last one at a point is the one that is seen
    except OSError:
        return None
    return points.get(path, "")

"""`.dockerignore`: which files of a directory are no part of a build's context.

The rules are docker's (moby/patternmatcher: patternmatcher.go): a pattern is a path below the directory, in
which `*` and `?` stop at a slash and `**` does not; it excludes what is below it, too. The last pattern that
fits decides, and `!` before it takes the path in again.
"""

from __future__ import annotations

import posixpath
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def excluded(text: str) -> Callable[[str], bool]:
    """Return a function that says whether a path is excluded: with slashes, relative to the directory."""
    rules = []
    for line in text.splitlines():
        pattern = line.strip()
        if not pattern or pattern.startswith("#"):
            continue
        wanted = pattern.startswith("!")
        pattern = posixpath.normpath(pattern.removeprefix("!").strip()).lstrip("/")
        if pattern and pattern != ".":
            rules.append((_compiled(pattern), wanted))

    def is_excluded(path: str) -> bool:
        for rule, wanted in reversed(rules):
            if rule.fullmatch(path):
                return not wanted
        return False

    return is_excluded


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_regular(pattern))
    except re.error:  # a range that ends before it begins: docker refuses the file
        return re.compile(re.escape(pattern))


def _regular(pattern: str) -> str:
    """Return the regular expression for a path that the pattern fits, or that is below one."""
    found = ""
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at):
            found += "(?:.*/)?"
            at += 3
        elif pattern.startswith("**", at):
            found += ".*"
            at += 2
        elif pattern[at] == "*":
            found += "[^/]*"
            at += 1
        elif pattern[at] == "?":
            found += "[^/]"
            at += 1
        elif pattern[at] == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            members = re.sub(r"[\[\\&~|]|--", lambda each: re.escape(each[0]), pattern[at + 1 : end])
            found += f"[{members}]"
            at = end + 1
        else:
            at += pattern[at] == "\\" and at + 1 < len(pattern)
            found += re.escape(pattern[at])
            at += 1
    return f"{found}(?:/.*)?"

r"""Text of others made fit to be shown: what a terminal would obey, and what reads otherwise than it is.

Endpoints, records, archives and files have names and messages in them that anybody may have written. Control
characters (C0, DEL, C1), bidirectional overrides and other format characters, line and paragraph separators
and lone surrogates are shown as Python writes them: \x1b, \u202e. The command line passes all it prints
through here, but for what a machine says itself: `logs` and `ssh`.
"""

from __future__ import annotations

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode's general categories; unassigned ones are left alone, they may be of a newer Unicode."""


def visible(text: str, keep: str = "\n\t") -> str:
    """The text with what cannot be seen escaped; the letters of `keep` stay."""
    rest = text
    for letter in keep:
        rest = rest.replace(letter, "")
    if rest.isprintable():
        return text
    import unicodedata

    return "".join(
        letter
        if letter.isprintable() or letter in keep or unicodedata.category(letter) not in _HIDDEN
        else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


def one_line(text: str) -> str:
    """The same where a line break would be one too many: names, cells of tables, words of a command."""
    return visible(text, keep="")

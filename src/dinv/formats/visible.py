r"""Make text of unknown origin safe to show: no control sequences, and nothing misleading.

Endpoints, records, archives and files contain names and messages that anybody may have written. Control
characters (C0, DEL, C1), bidirectional overrides and other format characters, line and paragraph separators
and lone surrogates are shown as Python writes them: \x1b, \u202e. The command line passes everything that it
prints through here, except a machine's own output: `logs` and `ssh`.
"""

from __future__ import annotations

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode general categories to escape; not unassigned characters, which a newer Unicode may have."""


def visible(text: str, keep: str = "\n\t") -> str:
    """Return the text with invisible characters escaped, except those in `keep`."""
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
    """The same, with line breaks escaped too: for names, cells of tables, words of a command."""
    return visible(text, keep="")

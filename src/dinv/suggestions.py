"""Did you mean: known words that resemble the one given. Imported only when there is an error."""

from __future__ import annotations

from difflib import SequenceMatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE = 0.7
"""How similar two words must be, from 0 to 1: `crate` resembles `create` (0.91), `bogus` nothing."""
_SWAPPED = 0.66
"""... if they consist of the same letters in another order: `sl`, `dve`."""
_BEGINNING = 3
"""How many letters of a word's beginning are enough to recognise it: `--mem`, `regen`."""
_FOR_THE_WORD = 0.05
"""By how much a match with the first of several words counts less than one with the whole."""
_MOST_WORDS = 2000
"""With more known words than this none is compared: an error is reported at once."""


def closest(word: str, known: Iterable[str]) -> str:
    """Return the word of `known` that is most like `word`, or "" if none is. Case is ignored."""
    given = word.casefold()
    best, found = 0.0, ""
    for place, candidate in enumerate(known):
        if place >= _MOST_WORDS:
            break
        other = candidate.casefold()
        # `--storge` for --storage-path: the first of several words is enough.
        likeness = max(_ratio(given, other), _ratio(given, other.partition("-")[0]) - _FOR_THE_WORD)
        if sorted(other) == sorted(given):
            likeness = max(likeness, _SWAPPED) + 1 - _SWAPPED
        elif len(given) >= _BEGINNING and other.startswith(given):
            likeness = max(likeness, _ALIKE)
        if likeness >= _ALIKE and likeness > best:
            best, found = likeness, candidate
    return found


def _ratio(given: str, other: str) -> float:
    return SequenceMatcher(None, given, other, autojunk=False).ratio()


def did_you_mean(word: str, known: Iterable[str], before: str = "") -> str:
    """Return `Did you mean "create"?`, or ""; `before` is put before the suggested word."""
    found = closest(word, known)
    return f'Did you mean "{before}{found}"?' if found and found != word else ""

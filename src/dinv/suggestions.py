"""Did you mean: what is known and nearly the word that was given. Imported only where there is an error."""

from __future__ import annotations

from difflib import SequenceMatcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_ALIKE = 0.7
"""How alike two words have to be, from 0 to 1: `crate` is like `create` (0.91), `bogus` like nothing."""
_SWAPPED = 0.66
"""... where they are the same letters in another order: `sl`, `dve`."""
_BEGINNING = 3
"""Letters of a word's beginning that are enough to know it: `--mem`, `regen`."""
_FOR_THE_WORD = 0.05
"""By how much less the first word of several is like what was given than the whole."""
_MOST_WORDS = 2000
"""Of more words than this none is looked at: an error is said at once or not at all."""


def closest(word: str, known: Iterable[str]) -> str:
    """The word of `known` that is most like `word`, or "" if none is like it. Case does not matter."""
    given = word.casefold()
    best, found = 0.0, ""
    for place, candidate in enumerate(known):
        if place >= _MOST_WORDS:
            break
        other = candidate.casefold()
        # `--storge` for --storage-path: the first word of several is enough.
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
    """`Did you mean "create"?`, or ""; `before` is put before the word that is meant."""
    found = closest(word, known)
    return f'Did you mean "{before}{found}"?' if found and found != word else ""

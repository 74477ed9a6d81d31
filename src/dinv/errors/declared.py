"""Files that declare machines: what is wrong in them, and what cannot be done with them."""

from __future__ import annotations

from dinv.errors.base import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_MOST_SHOWN = 50


class DeclarationError(InputError):
    """A file cannot be used. `source` is its name, or "".

    `problems` are all that were found in it, in its order: each a `dinv.formats.problem.Problem`, with its
    `line`, `column`, `path` and `message`.
    """

    def __init__(self, problems: Iterable[Any], source: str = "") -> None:
        found: dict[tuple[int, int, str], Any] = {}
        for problem in problems:
            found.setdefault(problem.key, problem)
        self.problems = [found[key] for key in sorted(found)]
        self.source = source
        before = f"{source}, " if source else ""
        shown = [f"{before}{problem}" for problem in self.problems[:_MOST_SHOWN]]
        if len(self.problems) > _MOST_SHOWN:
            shown.append(f"... and {len(self.problems) - _MOST_SHOWN} more problems")
        super().__init__("\n".join(shown))

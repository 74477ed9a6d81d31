"""Telling the user what is going on.

The library speaks to a Progress; what it does with that is up to who calls. This one says nothing: it is
what a program gets that did not ask. The command line's are in `dinv.cli.show.progress`.
"""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Progress:
    """Silent, and the base of those that are not."""

    def line(self, label: str, text: str, state: str = "") -> None:
        """A fact: `label` is a word, `text` what there is, `state` what became of it."""

    def stage(self, text: str) -> None:
        """A part of the work begins, in docker-machine's words; said where the program stands in for it."""

    def at_step(self, transaction: str, step: str) -> None:
        """A transaction (`create`, `upgrade`, ...) comes to this of its steps (`dinv.lifecycle.steps`)."""

    def note(self, text: str) -> None:
        """A remark beside the work: something was passed over, something stays."""

    def warn(self, text: str) -> None:
        """Something the user should do something about."""

    def update(self, text: str) -> None:
        """How far the work that is going on has come; may be called very often."""

    @contextlib.contextmanager
    def working(self, label: str, text: str) -> Iterator[None]:  # the base says nothing
        """Work that may take long goes on inside."""
        yield

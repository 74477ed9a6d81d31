"""Progress: how the library tells the user what it is doing.

The library calls the methods of a Progress; what they do is up to the caller. The one here is silent, and is
the default for programs. The command line's are in `dinv.cli.show.progress`.
"""

from __future__ import annotations

import contextlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Progress:
    """A silent Progress, and the base class of the others."""

    def line(self, label: str, text: str, state: str = "") -> None:
        """A fact: `label` is a word, `text` the detail, `state` the result."""

    def stage(self, text: str) -> None:
        """A stage of the work begins, in docker-machine's words; shown when called as docker-machine."""

    def at_step(self, transaction: str, step: str) -> None:
        """A transaction (`create`, `upgrade`, ...) begins this one of its steps (`dinv.lifecycle.steps`)."""

    def note(self, text: str) -> None:
        """A remark: something was skipped, or something was left behind."""

    def warn(self, text: str) -> None:
        """Something that the user should act on."""

    def hook(self, hook: str, text: str) -> None:
        """A line that a hook (`dinv.hooks`) has printed; `hook` is its name."""

    def update(self, text: str) -> None:
        """How far the current work has come; may be called very often."""

    @contextlib.contextmanager
    def working(self, label: str, text: str) -> Iterator[None]:  # the base class is silent
        """A context in which work that may take long goes on."""
        yield

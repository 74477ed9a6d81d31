"""What dinv's library says while it works, as events of the machine; and how it is told to stop.

A Progress is called all along the way, so it is also where an operation is ended early: an exception from it
undoes the library's transaction as any other failure does. It is raised once, since undoing reports too.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Literal

from dinv.errors import DinvError
from dinv.formats.visible import one_line
from dinv.progress import Progress

MOST_EVENTS = 200
"""Of one attempt at an operation; then there is one that says so."""
LONGEST_EVENT = 500
"""Characters."""
_HIDDEN = ("password", "secret", "token", "key")
_SHORTEST_SECRET = 6


class Stopped(DinvError):
    """The operation is to end here, and to be undone.

    `why`: its machine is to be removed, it takes too long, another server has it, or this server ends.
    """

    def __init__(self, text: str, why: Literal["removed", "late", "lost", "server"]) -> None:
        super().__init__(text)
        self.why = why


class Reporting(Progress):
    """The Progress of one operation.

    `say` writes an event (kind, text); `stopped` returns why to stop, or None; `recorded` is called once
    there is a record of what is being created, and nothing on the endpoint yet. `secrets` are texts that
    events never have.
    """

    def __init__(
        self,
        say: Callable[[str, str], None],
        *,
        stopped: Callable[[], Stopped | None] = lambda: None,
        recorded: Callable[[], None] = lambda: None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._say = say
        self._stopped = stopped
        self._recorded = recorded
        self._secrets = secrets
        self._thread = threading.get_ident()
        self._raised = False
        self._count = 0

    def line(self, label: str, text: str, state: str = "") -> None:
        self._event("progress", " ".join(part for part in (f"{label}:", text, state) if part))

    def stage(self, text: str) -> None:
        """docker-machine's words for what `line` says too."""
        self._check()

    def at_step(self, transaction: str, step: str) -> None:
        self._check()
        if (transaction, step) == ("create", "image"):
            self._recorded()

    def note(self, text: str) -> None:
        self._event("note", text)

    def warn(self, text: str) -> None:
        self._event("warning", text)

    def hook(self, hook: str, text: str) -> None:
        self._event("note", f"{hook}: {text}")

    @contextlib.contextmanager
    def working(self, label: str, text: str) -> Iterator[None]:
        self._event("progress", f"{label}: {text}")
        yield

    def _check(self) -> None:
        # Other threads of the library have nobody who would undo anything.
        if self._raised or threading.get_ident() != self._thread:
            return
        stopped = self._stopped()
        if stopped is not None:
            self._raised = True
            raise stopped

    def _event(self, kind: str, text: str) -> None:
        self._check()
        self._count += 1
        if self._count < MOST_EVENTS:
            self._say(kind, shown(text, self._secrets))
        elif self._count == MOST_EVENTS:
            self._say("note", "There is more than is kept here.")


def shown(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return a text that is fit for an event: one line, bounded, without secrets."""
    for secret in secrets:
        text = text.replace(secret, "...")
    text = one_line(" ".join(text.split()))
    return text if len(text) <= LONGEST_EVENT else text[: LONGEST_EVENT - 3] + "..."


def secrets_in(options: dict[str, object]) -> tuple[str, ...]:
    """Return the values of options that look like secrets by their names, so that events do not have them."""
    return tuple(
        value
        for name, value in options.items()
        if isinstance(value, str)
        and len(value) >= _SHORTEST_SECRET
        and any(word in name for word in _HIDDEN)
        and not name.endswith(("_path", "_file"))
    )

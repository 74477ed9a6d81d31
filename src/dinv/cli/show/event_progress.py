"""Progress as events, with `--progress json`."""

from __future__ import annotations

from dinv.cli.show.progress import EVERY_SECONDS, TickingProgress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dinv.cli.voice import Voice

OFTEN_SECONDS = 0.2
"""The shortest interval between updates."""


class JsonProgress(TickingProgress):
    """Progress as events, about one machine or none in particular."""

    def __init__(self, voice: Voice, machine: str = "") -> None:
        super().__init__(voice)
        self._machine = machine
        self._soon = self._next = 0.0
        self._said = ""

    def line(self, label: str, text: str, state: str = "") -> None:
        self._write("line", subject=label, text=text, state=state)

    def at_step(self, transaction: str, step: str) -> None:
        self._write("at", transaction=transaction, step=step)

    def note(self, text: str) -> None:
        self._write("note", text=self._voice.called(text))

    def warn(self, text: str) -> None:
        self._write("warning", text=self._voice.called(text))

    def hook(self, hook: str, text: str) -> None:
        self._write("hook", hook=hook, text=text)

    def _begin(self) -> None:
        self._soon = self._next = 0.0
        self._said = ""
        if self._work is not None:
            self._write("step", subject=self._work[0], text=self._work[1])

    def _show(self, label: str, text: str, detail: str, seconds: float) -> None:
        # New text is sent soon, repeated text only now and then.
        if seconds < self._next and (seconds < self._soon or detail == self._said):
            return
        self._soon, self._next, self._said = seconds + OFTEN_SECONDS, seconds + EVERY_SECONDS, detail
        self._write("update", subject=label, text=text, detail=detail, step_seconds=round(seconds, 3))

    def _write(self, event: str, **more: Any) -> None:
        events = self._voice.events
        if events is not None:
            events.write(event, self._machine, **more)

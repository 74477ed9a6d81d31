"""Progress for people: live on a terminal, as plain lines elsewhere, or not at all."""

from __future__ import annotations

import contextlib
import threading
import time

from dinv.formats.visible import one_line
from dinv.progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.status import Status

    from dinv.cli.voice import Voice

LABEL_WIDTH = 13
TEXT_WIDTH = 38
FIRST_SECONDS = 1.0
"""Seconds after which work shows what it is doing."""
EVERY_SECONDS = 10.0
"""The shortest interval between lines if nothing can be updated in place."""
SPINNER_WIDTH = 2
TICK_SECONDS = 1.0
"""How often the seconds are updated while the work reports nothing: a call that boots a VM takes minutes."""


class QuietProgress(Progress):
    """Shows only what the user should act on, and what the user's own programs say."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def warn(self, text: str) -> None:
        self._voice.warn(text)

    def hook(self, hook: str, text: str) -> None:
        self._voice.remark(f"{hook}: {text}")


class TickingProgress(QuietProgress):
    """While work goes on inside `working`, `_show` is called now and then, even if the work is silent."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(voice)
        self._lock = threading.RLock()
        self._work: tuple[str, str] | None = None
        self._detail = ""
        self._begun = 0.0

    def update(self, text: str) -> None:
        with self._lock:
            if self._work is not None:
                self._detail = text
                self._show(*self._work, text, time.monotonic() - self._begun)

    @contextlib.contextmanager
    def working(self, label: str, text: str) -> Iterator[None]:
        ended = threading.Event()
        with self._lock:
            self._work, self._detail, self._begun = (label, text), "", time.monotonic()
            self._begin()
        threading.Thread(target=self._tick, args=(ended,), name="progress", daemon=True).start()
        try:
            yield
        finally:
            ended.set()
            with self._lock:
                self._work = None
                self._end()

    def _tick(self, ended: threading.Event) -> None:
        while not ended.wait(TICK_SECONDS):
            with self._lock:
                if self._work is not None and not ended.is_set():
                    self._show(*self._work, self._detail, time.monotonic() - self._begun)

    def _begin(self) -> None:
        """Called when work begins."""

    def _show(self, label: str, text: str, detail: str, seconds: float) -> None:
        """Show how far the work has come; may be called very often."""

    def _end(self) -> None:
        """Called when the work has ended, whether it succeeded or not."""


class PlainProgress(TickingProgress):
    """A line for each fact, and one now and then while something takes long; `about` is in each."""

    _due = 0.0

    def __init__(self, voice: Voice, about: str = "") -> None:
        super().__init__(voice)
        self._about = f"{about}: " if about else ""

    def warn(self, text: str) -> None:
        super().warn(self._named(text))

    def _named(self, text: str) -> str:
        """Put the name before a text, unless it begins with it: as a pool's lines do."""
        return text if text.startswith(self._about) else self._about + text

    def line(self, label: str, text: str, state: str = "") -> None:
        text = self._named(text)
        said = f"{text:<{TEXT_WIDTH - 1}} {state}" if state else text
        self._voice.say(f"{label:<{LABEL_WIDTH}}{said}")

    def note(self, text: str) -> None:
        self._voice.say(text)

    def stage(self, text: str) -> None:
        if self._voice.docker_machine:
            self._voice.say(text)

    def _begin(self) -> None:
        self._due = EVERY_SECONDS

    def _show(self, label: str, text: str, detail: str, seconds: float) -> None:
        if seconds >= self._due:
            self._due = seconds + EVERY_SECONDS
            self.line(label, f"{text}, {seconds:.0f} s{f', {detail}' if detail else ''}")


class LiveProgress(PlainProgress):
    """Facts as lines; long work as one live line, with the seconds it has taken.

    rich is imported only once something has taken long enough for a line: a create that is done in two
    seconds does not wait for it.
    """

    def __init__(self, voice: Voice) -> None:
        super().__init__(voice)
        self._status: Status | None = None

    def _show(self, label: str, text: str, detail: str, seconds: float) -> None:
        if seconds < FIRST_SECONDS:
            return
        shown = f"{label:<{LABEL_WIDTH - SPINNER_WIDTH}}{text}, {seconds:.0f} s  {detail}".rstrip()
        if self._status is None:
            from rich.console import Console

            from dinv.cli.show.colour import wanted

            stream = self._voice.stream
            console = Console(file=stream, highlight=False, markup=False, no_color=not wanted(stream))
            self._status = console.status("")
            self._status.start()
        from rich.text import Text

        self._status.update(Text(_cut(one_line(shown), self._status.console.width - SPINNER_WIDTH)))

    def _end(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _cut(text: str, room: int) -> str:
    """Return the text cut to one line of the terminal: rich wraps the text after its spinner."""
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}\u2026"

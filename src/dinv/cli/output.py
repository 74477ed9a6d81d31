"""How progress is shown: live on a terminal, as plain lines elsewhere, or not at all."""

from __future__ import annotations

import contextlib
import sys
import threading
import time

from dinv.errors import DinvError, NobodyToAsk
from dinv.progress import Progress
from dinv.visible import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.status import Status

    from dinv.cli.voice import Voice

LABEL_WIDTH = 13
TEXT_WIDTH = 38
FIRST_SECONDS = 1.0
"""Work that takes longer than this shows what it is doing."""
EVERY_SECONDS = 10.0


def progress(voice: Voice, *, quiet: bool, live: bool) -> Progress:
    """The Progress for this run's standard output; a trace on the terminal leaves no room for a live one."""
    if quiet:
        return QuietProgress(voice)
    if live and sys.stdout.isatty():
        return LiveProgress(voice)
    return PlainProgress(voice)


class QuietProgress(Progress):
    """Only what the user should do something about."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def warn(self, text: str) -> None:
        self._voice.warn(text)


class PlainProgress(QuietProgress):
    """A line for each fact, and one now and then while something takes long."""

    def __init__(self, voice: Voice) -> None:
        super().__init__(voice)
        self._work = ("", "")
        self._due = 0.0
        self._begun = 0.0

    def line(self, label: str, text: str, state: str = "") -> None:
        said = f"{text:<{TEXT_WIDTH - 1}} {state}" if state else text
        self._voice.say(f"{label:<{LABEL_WIDTH}}{said}")

    def note(self, text: str) -> None:
        self._voice.say(text)

    def update(self, text: str) -> None:
        now = time.monotonic()
        if self._work[0] and now >= self._due:
            self._due = now + EVERY_SECONDS
            label, what = self._work
            self.line(label, f"{what}, {now - self._begun:.0f} s, {text}" if text else what)

    @contextlib.contextmanager
    def working(self, label: str, text: str) -> Iterator[None]:
        self._work, self._begun = (label, text), time.monotonic()
        self._due = self._begun + FIRST_SECONDS
        try:
            yield
        finally:
            self._work = ("", "")


class LiveProgress(PlainProgress):
    """Facts as lines; what takes long as one line that moves, with the seconds it has taken.

    rich is imported only once something has taken so long that a line is due: a create that is done in
    two seconds does not wait for it.
    """

    def __init__(self, voice: Voice) -> None:
        super().__init__(voice)
        self._status: Status | None = None

    def update(self, text: str) -> None:
        now = time.monotonic()
        if not self._work[0] or now < self._due:
            return
        label, what = self._work
        shown = f"{label:<{LABEL_WIDTH - 2}}{what}, {now - self._begun:.0f} s  {text}"
        if self._status is None:
            from rich.console import Console

            self._status = Console(highlight=False, markup=False).status("")
            self._status.start()
        from rich.text import Text

        self._status.update(Text(one_line(shown), overflow="ellipsis", no_wrap=True))

    @contextlib.contextmanager
    def working(self, label: str, text: str) -> Iterator[None]:
        with super().working(label, text):
            try:
                yield
            finally:
                if self._status is not None:
                    self._status.stop()
                    self._status = None


def confirmed(question: str, *, without: str) -> bool:
    """Whether the answer to a question begins with y; `without` is the flag that spares the question.

    Raises NobodyToAsk.
    """
    try:
        answer = input(question)
    except (EOFError, OSError, UnicodeError) as error:
        # The question stands on the line of standard output where the answer would have followed.
        print(flush=True)
        raise NobodyToAsk(without) from error
    return answer.strip()[:1].lower() == "y"


def for_each(
    voice: Voice,
    names: Sequence[str],
    action: Callable[[str], None],
    *,
    forgiven: tuple[type[DinvError], ...] = (),
) -> int:
    """Call `action` for each name, in threads where there are several; 1 if any failed.

    Errors that are `forgiven` are shown, and nothing has failed.
    """
    failed = []

    def act(name: str) -> None:
        try:
            action(name)
        except DinvError as error:
            error.about = name
            raise

    def attempt(name: str) -> None:
        try:
            act(name)
        except forgiven as error:
            voice.tell(error)
        except BrokenPipeError:  # whoever read our output has had enough
            failed.append(name)
        except Exception as error:  # noqa: BLE001  (in a thread: it would end in a traceback, and as success)
            failed.append(name)
            bug = DinvError(f"A bug in dinv: {error!r}. Please report it.")
            voice.tell(error if isinstance(error, DinvError) else bug, getattr(error, "__notes__", ()))

    if len(names) == 1 and not forgiven:
        act(names[0])
        return 0
    threads = [threading.Thread(target=attempt, args=(name,), daemon=True) for name in dict.fromkeys(names)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return 1 if failed else 0

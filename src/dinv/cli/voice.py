"""How the program speaks: under the name it was called by, and as docker-machine if that is the name.

Called as docker-machine, it reports errors in docker-machine's words (`dinv.cli.docker_machine`), without the
program's name before them.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from dinv.cli.show.events import Events
    from dinv.errors import DinvError


def is_docker_machine(program: str) -> bool:
    """Return whether a program of this name speaks as docker-machine."""
    return program.startswith("docker-machine")


class Voice:
    """The messages of one run of the program, besides its output, and its name in them.

    `verb` is the current one, "" before it is known.
    """

    def __init__(self, program: str) -> None:
        self.program = program
        self.docker_machine = is_docker_machine(program)
        self.verb = ""
        self.aside = False
        """Whether messages go to standard error: standard output is for a record."""
        self.events: Events | None = None
        """Where errors and remarks go, in addition to progress, with --progress json."""

    @property
    def stream(self) -> TextIO:
        """The stream that `say` prints to."""
        return sys.stderr if self.aside else sys.stdout

    def called(self, text: str) -> str:
        """Name a message's commands (`dinv.wording`) as the program was called: `docker-machine rm dev`."""
        worded = getattr(text, "worded", None)
        return text if worded is None else str(worded(self.program))

    def tell(self, error: DinvError, notes: Sequence[str] = (), *, about: str = "") -> None:
        """Print an error, and its notes (PEP 678), on standard error; first of all what it is `about`."""
        from dinv.cli.sentences import sentence

        if self.events is not None:
            text = self.called(sentence(error, self.verb))
            self.events.error(error, text, [self.called(note) for note in notes])
            return
        if not self.docker_machine:
            said = f"{self.program}: {about}: " if about else f"{self.program}: "
            self._print(said, sentence(error, self.verb), notes)
            return
        from dinv.cli.docker_machine import text_of
        from dinv.errors import UsageError

        if isinstance(error, UsageError) and error.help:
            self.say(error.help)
        self._print("", text_of(error, self.verb, self.called), notes)

    def say(self, text: str) -> None:
        """Print a line on standard output, or aside, without buffering."""
        _write(self.called(text), self.stream)

    def warn(self, text: str) -> None:
        """Print a warning or remark on standard error."""
        if self.events is not None:
            self.events.write("warning", text=self.called(text))
        else:
            _write(self.called(text), sys.stderr, before="Warning: ", colour="yellow")

    def remark(self, text: str) -> None:
        """Print a line on standard error."""
        if self.events is not None:
            self.events.write("note", text=self.called(text))
        else:
            _write(self.called(text), sys.stderr)

    def hint(self, text: str) -> None:
        """Print a hint for a user at a terminal, on standard error; scripts do not see it."""
        if not self.docker_machine and self.events is None and sys.stderr.isatty():
            self.remark(text)

    def trace(self, line: str) -> None:
        """Print a call of the API, on standard error."""
        if self.events is not None:
            self.events.write("trace", text=line)
        else:
            from dinv.formats.visible import one_line

            print(one_line(line), file=sys.stderr)

    def _print(self, before: str, said: str, notes: Sequence[str]) -> None:
        text = "\n".join(self.called(each) for each in (said, *notes))
        _write(text, sys.stderr, before=before, colour="red")


def put(text: str, *, keep: str = "", end: str = "\n", at_once: bool = False) -> None:
    """Print a verb's result on standard output; text of unknown origin in it is made safe to show.

    The characters of `keep` are printed unchanged: those of the user's own template. `at_once` is for verbs
    that go on: into a pipe or a file, Python writes what it has only at the end, or in blocks.
    """
    from dinv.formats.visible import visible

    print(visible(text, f"\n\t{keep}"), end=end, flush=at_once)


def _write(text: str, stream: TextIO, *, before: str = "", colour: str = "") -> None:
    """Print a line, and before it `before`, coloured on a terminal that wants colours."""
    from dinv.formats.visible import visible

    if before and stream.isatty():
        from dinv.cli.show.colour import painted, wanted

        before = painted(before, colour) if wanted(stream) else before
    # In one piece with its line end: several machines may report at the same time.
    print(f"{before}{visible(text)}\n", end="", file=stream, flush=True)

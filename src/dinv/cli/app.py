"""What every verb is given: the program's name, the store's machines, where to tell the user."""

from __future__ import annotations

import contextlib
import sys

from dinv.errors import InputError, Interrupted

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from dinv.machine import Machine
    from dinv.machines import Machines
    from dinv.progress import Progress

_STORE_FLAGS = ("-s", "--storage-path", "-storage-path")
_DEBUG_FLAGS = ("-D", "--debug", "-debug")


class App:
    """One run of the program."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.debug = False
        self.quiet = False
        self.store_path: str | None = None

    def take_global_options(self, words: list[str]) -> tuple[str | None, list[str]]:
        """Read the options before the verb; returns the verb, and the words after it."""
        words = list(words)
        while words:
            word = words.pop(0)
            flag, equals, value = word.partition("=")
            if word in _DEBUG_FLAGS:
                self.debug = True
            elif flag in _STORE_FLAGS:
                if not equals and not words:
                    raise InputError(f"{flag} needs a directory")
                self.store_path = value if equals else words.pop(0)
            elif word in ("-h", "--help", "-help"):
                return "help", []
            elif word in ("-v", "--version", "-version"):
                return "version", []
            elif word.startswith("-") and word != "-":
                raise InputError(f"flag provided but not defined: {word}. See '{self.program} --help'.")
            else:
                return word, words
        return "help", []

    def parse(self, verb: str, module: ModuleType, words: list[str]) -> argparse.Namespace:
        """Parse a verb's own words; the global options are taken there too."""
        from dinv.cli import VERBS
        from dinv.cli.parser import Parser

        parser = Parser(self.program, verb, VERBS[verb], words)
        parser.add_argument("-D", "--debug", action="store_true", help="show every API call, with its time")
        parser.add_argument("-s", "--storage-path", metavar="DIR", help="the store ($MACHINE_STORAGE_PATH)")
        module.arguments(parser)
        take_rest = getattr(module, "takes_rest", None)
        rest: list[str] = []
        if take_rest is not None:
            words, rest = take_rest(words)
        options = parser.parse(words)
        options.rest = rest
        self.debug = self.debug or options.debug
        self.store_path = options.storage_path or self.store_path
        self.quiet = bool(getattr(options, "quiet", False))
        return options

    @property
    def trace(self) -> Callable[[str], None] | None:
        """Where API calls are shown: nowhere without --debug."""
        return _trace if self.debug else None

    @property
    def machines(self) -> Machines:
        """The store's machines."""
        from dinv.machines import open as open_store

        return open_store(self.store_path, trace=self.trace)

    def progress(self) -> Progress:
        """Live on a terminal, lines elsewhere, nothing when quiet."""
        from dinv.cli.output import progress

        return progress(quiet=self.quiet, live=not self.debug)

    def names(self, given: Iterable[str]) -> list[str]:
        """The names given, or the machine `default` if there is one. Raises InputError."""
        from dinv.machines import DEFAULT_NAME

        names = list(given)
        if names:
            return names
        if self.machines.store.exists(DEFAULT_NAME):
            return [DEFAULT_NAME]
        raise InputError(f'No machine name(s) specified and no "{DEFAULT_NAME}" machine exists')

    def machine(self, given: str | None) -> Machine:
        """The machine of this name, or `default`."""
        return self.machines.get(self.names([given] if given else [])[0])

    def for_each(self, given: Iterable[str], action: Callable[[str], None]) -> int:
        """Do something for each name, at once where there are several; every error is shown."""
        from dinv.cli.output import for_each

        return for_each(self.program, self.names(given), action)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """SIGTERM and SIGHUP end the work inside as Ctrl-C does: what is half made is undone."""
        import signal

        def stop(number: int, _: object) -> None:
            raise Interrupted(number)

        before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _trace(line: str) -> None:
    print(line, file=sys.stderr)

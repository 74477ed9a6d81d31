"""What every verb gets: the program's name, the store's machines, ways to tell the user."""

from __future__ import annotations

import os

from dinv.cli.arguments import AUTO, QUIET
from dinv.errors import InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager
    from types import ModuleType

    from dinv.cli.parser import Options
    from dinv.cli.show.formatting import Format
    from dinv.cli.voice import Voice
    from dinv.errors import DinvError
    from dinv.machine import Machine
    from dinv.machines import Machines
    from dinv.progress import Progress
    from dinv.store.record import MachineConfig
    from dinv.store.store import Store

_GLOBAL_FLAGS = ("debug", "help", "storage-path", "version")
_ALIASES = {"h": "help"}


class App:
    """One run of the program."""

    def __init__(self, voice: Voice) -> None:
        self.voice = voice
        self.debug = False
        self._remarks: list[str] = []
        self._progress = AUTO
        self._several = False
        self.store_path: str | None = None
        self.certificates: dict[str, str] = {}
        """The given ones of docker-machine's global options for certificates, with their values."""

    @property
    def program(self) -> str:
        """The name that dinv was called by."""
        return self.voice.program

    def take_global_options(self, words: list[str]) -> tuple[str, list[str]]:
        """Read the options before the verb; return the verb, and the words after it.

        As in Go: `-debug` is `--debug`. Raises InputError.
        """
        self._take_debug_variable()
        words = list(words)
        while words:
            word = words.pop(0)
            if not word.startswith("-") or word == "-":
                return _ALIASES.get(word, word), words
            flag, equals, value = word.partition("=")
            name = flag.lstrip("-")
            if name in ("h", "help", "help-all"):
                return "help", []
            if name in ("v", "version"):
                return "version", []
            if name in ("D", "debug"):
                self.debug = self.debug or self._switch(name, equals, value)
            elif name in ("s", "storage-path"):
                self.store_path = self._value(flag, equals, value, words)
            else:
                self._take_legacy(word, name, equals, value, words)
        return "help", []

    def _take_debug_variable(self) -> None:
        given = os.environ.get("MACHINE_DEBUG")
        if given:
            from dinv.cli.parser import boolean

            try:
                self.debug = boolean(given)
            except ValueError as error:
                raise InputError(f"Error parsing boolean value from MACHINE_DEBUG: {error}") from error

    def _take_legacy(self, word: str, name: str, equals: str, value: str, words: list[str]) -> None:
        from dinv.cli import docker_machine_options

        if name in docker_machine_options.CERTIFICATES:
            self.certificates[name] = self._value(word, equals, value, words)
        elif name in docker_machine_options.TOKENS:
            self._remarks += docker_machine_options.needless(name, self._value(word, equals, value, words))
        elif name in docker_machine_options.SWITCHES:
            self._switch(name, equals, value)
        else:
            from dinv.cli.parser import unknown_flag

            raise unknown_flag(self.program, word, _GLOBAL_FLAGS, see=f"{self.program} --help")

    def _value(self, flag: str, equals: str, value: str, words: list[str]) -> str:
        if not equals and not words:
            from dinv.cli.parser import shown_flag

            shown = shown_flag(self.program, flag)
            raise UsageError(f"flag needs an argument: {shown}", see=f"{self.program} --help")
        return value if equals else words.pop(0)

    def _switch(self, name: str, equals: str, value: str) -> bool:
        if not equals:
            return True
        from dinv.cli.parser import boolean

        try:
            return boolean(value)
        except ValueError as error:
            from dinv.cli.parser import shown_flag

            shown = shown_flag(self.program, name)
            raise InputError(f'invalid boolean value "{value}" for {shown}: {error}') from error

    def parse(self, verb: str, module: ModuleType, words: list[str]) -> Options:
        """Parse a verb's own words; the global options are accepted there, too."""
        from dinv.cli.parser import Parser
        from dinv.cli.verbs import VERBS

        parser = Parser(self.program, verb, VERBS[verb], words)
        parser.store = self.store_path or ""
        parser.add_argument("-D", "--debug", action="store_true", help="show every API call, with its time")
        parser.add_argument("-s", "--storage-path", metavar="DIR", help="the store ($MACHINE_STORAGE_PATH)")
        module.arguments(parser)
        take_rest = getattr(module, "takes_rest", None)
        rest: list[str] = []
        if take_rest is not None:
            words, rest = take_rest(words)
        if parser.asks_for_events(words):
            from dinv.cli.show.events import Events

            self.voice.events = Events()
        for remark in self._remarks:
            self.voice.remark(remark)
        options = parser.parse(words)
        options.rest = rest
        self.debug = self.debug or options.debug
        self.store_path = options.storage_path or self.store_path
        names = getattr(options, "name", None)
        self._several = (
            getattr(module, "SEVERAL", False)
            or getattr(options, "all", False)
            or (isinstance(names, list) and len(set(names)) > 1)
        )
        self._progress = getattr(options, "progress", AUTO)
        if self._progress == AUTO and getattr(options, "quiet", False):
            self._progress = QUIET
        return options

    @property
    def trace(self) -> Callable[[str], None] | None:
        """Where API calls are shown: nowhere without --debug."""
        return self.voice.trace if self.debug else None

    @property
    def store(self) -> Store:
        """The user's store, which is enough to read records; `machines` takes longer to load."""
        from dinv.store.store import Store

        return Store(self.store_path)

    @property
    def machines(self) -> Machines:
        """The store's machines."""
        from dinv.machines import Machines

        return Machines(self.store_path, trace=self.trace)

    def format(self, options: Options, *columns: str, own_table: bool = False) -> Format | None:
        """Return the output format of `--format`, with these columns for its table; None if not given.

        `own_table`: the verb has a table that it prints anyway. Raises InputError, TemplateError.
        """
        if not options.format or (own_table and options.format == "table"):
            return None
        from dinv.cli.show.formatting import Format

        return Format(options.format, columns)

    def named_progress(self, thing: str) -> Progress:
        """Return the Progress for one of several things whose lines come all at once, each with its name."""
        return self.progress(thing, named=True)

    def progress(self, machine: str = "", *, named: bool = False) -> Progress:
        """Return the Progress to use, about one `machine` if given: by --progress and --quiet."""
        from dinv.cli.show.output import progress

        live = not self.debug and not self._several
        return progress(self.voice, kind=self._progress, machine=machine, live=live, named=named)

    def names(self, given: Iterable[str]) -> list[str]:
        """Return the given names, or the machine `default` if it exists. Raises InputError."""
        from dinv.store.layout import DEFAULT_NAME

        names = list(given)
        if names:
            return names
        if self.store.exists(DEFAULT_NAME):
            return [DEFAULT_NAME]
        raise InputError(f'Error: No machine name(s) specified and no "{DEFAULT_NAME}" machine exists')

    def machine(self, given: str | None) -> Machine:
        """Return the machine of this name, or `default`."""
        from dinv.machine import Machine

        return Machine.recorded(self.record(given), self.store, trace=self.trace)

    def record(self, given: str | None) -> MachineConfig:
        """Return the record of the machine of this name, or of `default`.

        Of a store that is logged in to a server, one that is only there is taken.
        """
        name = self.names([given] if given else [])[0]
        if self.store.exists(name):
            return self.store.load(name)
        return self.machines.get(name).config

    def for_each(
        self,
        given: Iterable[str],
        action: Callable[[str], None],
        *,
        forgiven: tuple[type[DinvError], ...] = (),
        more: bool = False,
    ) -> int:
        """Call `action` for each name, at the same time if there are several; show every error.

        Errors that are `forgiven` do not count as failures. `more` says that there are further calls, so that
        the error of a single one is shown, too, and not raised.
        """
        from dinv.cli.several import for_each

        return for_each(self.voice, self.names(given), action, forgiven=forgiven, more=more)

    def interruptible(self) -> AbstractContextManager[None]:
        """Let SIGTERM and SIGHUP end the work inside as Ctrl-C does: what is half made is undone."""
        from dinv.cli.signals import interruptible

        return interruptible()

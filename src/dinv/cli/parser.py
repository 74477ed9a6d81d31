"""argparse, with the flag rules of docker-machine (Go's flag package): `-flag` is `--flag`."""

from __future__ import annotations

import argparse
import os

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


# argparse looks each of its words up in a catalogue of translations, which CPython does not have: 2 ms at
# each start, most of it the import of locale. dinv's own words are English anyway.
setattr(argparse, "_", str)  # noqa: B010  (no attribute that type checkers know)


class Parser(argparse.ArgumentParser):
    """One verb's parser. Flags may stand anywhere; none is abbreviated; errors are InputError."""

    def __init__(self, program: str, verb: str, description: str, words: list[str]) -> None:
        super().__init__(
            prog=f"{program} {verb}",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=32, width=_width()),
        )

        self.words = words

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}. See '{self.prog} --help'.")

    def parse(self, words: Sequence[str]) -> argparse.Namespace:
        """Parse a verb's words. Raises InputError."""
        return self.parse_intermixed_args([self._go_flag(word) for word in words])

    def _go_flag(self, word: str) -> str:
        """`-driver=x` as `--driver=x`, where there is a flag of that name and none of one letter is meant."""
        if word.startswith("-") and not word.startswith("--") and len(word) > 2:  # noqa: PLR2004
            flag = f"-{word}"
            if flag.partition("=")[0] in self._option_string_actions:
                return flag
        return word


def _width() -> int:
    """Columns for help texts. argparse would ask shutil, whose import takes 3 ms, for each argument added."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns) - 2
    try:
        return os.get_terminal_size().columns - 2
    except OSError:
        return 78

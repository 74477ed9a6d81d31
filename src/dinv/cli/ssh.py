"""`dinv ssh`: a command in a machine, or a shell; by exec, no SSH."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from dinv.cli.app import App
    from dinv.cli.parser import Parser

_OURS = ("D", "debug", "h", "help", "s", "storage-path", "t", "tty")
"""Our options, without dashes; others before the name are ssh's."""


def arguments(parser: Parser) -> None:
    parser.add_argument("-t", "--tty", action="store_true", help="run the command on a terminal")
    parser.usage = f"{parser.prog} [-t] [SSH-OPTION ...] [NAME [COMMAND ...]]"


def takes_rest(words: list[str]) -> tuple[list[str], list[str]]:
    """Our flags come before the name; after it all is the command's, and all else before it is ssh's.

    `-s` is both our `-s DIR` and ssh's, for which the command is a subsystem. It is ssh's where that
    reads as sftp's calls do: with an option or `--` behind it (sshfs, scp), or as `-s NAME sftp`.
    """
    from dinv.sshoptions import value_follows

    ours: list[str] = []
    place = 0
    theirs: list[str] = []
    while place < len(words):
        word = words[place]
        if not word.startswith("-") or word in ("-", "--"):
            break
        name, equals, _ = word.removeprefix("-").removeprefix("-").partition("=")
        long = word.startswith("--") or name in _OURS
        taken = 1
        if not long or (name == "s" and not equals and _is_subsystem(words[place + 1 :])):
            taken += value_follows(word)
            theirs += words[place : place + taken]
        else:
            taken += name in ("s", "storage-path") and not equals
            ours += words[place : place + taken]
        place += taken
    return ours, theirs + words[place:]


def _is_subsystem(behind: Sequence[str]) -> bool:
    if not behind:
        return False
    return behind[0].startswith("-") or (list(behind[1:]) == ["sftp"] and "/" not in behind[0])


def run(app: App, options: argparse.Namespace) -> int:
    from dinv import sshoptions
    from dinv.remote import run_command

    line = sshoptions.split(options.rest)
    # Closing the terminal's window is SIGHUP: the terminal is restored, and the far side hung up on.
    with app.interruptible(), app.machine(line.host) as machine:
        return run_command(machine, line.words(), terminal=options.tty)

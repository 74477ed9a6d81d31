"""`dinv ssh`: a command in a machine, or a shell; by exec, no SSH."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("-t", "--tty", action="store_true", help="run the command on a terminal")
    parser.usage = f"{parser.prog} [-t] [NAME [COMMAND ...]]"


def takes_rest(words: list[str]) -> tuple[list[str], list[str]]:
    """Our flags come before the name; after it all is the command's."""
    before = ""
    for place, word in enumerate(words):
        if not word.startswith("-") and before not in ("-s", "-storage-path", "--storage-path"):
            return words[:place], words[place:]
        before = word
    return words, []


def run(app: App, options: argparse.Namespace) -> int:
    from dinv.remote import run_command

    name, command = (options.rest[0], options.rest[1:]) if options.rest else (None, [])
    # Closing the terminal's window is SIGHUP: the terminal is restored, and the far side hung up on.
    with app.interruptible(), app.machine(name) as machine:
        return run_command(machine, command, terminal=options.tty)

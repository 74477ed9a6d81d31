"""`dinv ssh`: a command in a machine, or a shell; by exec, no SSH."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("-t", "--tty", action="store_true", help="run the command on a terminal")
    parser.usage = f"{parser.prog} [-t] [SSH-OPTION ...] [NAME [COMMAND ...]]"


def takes_rest(words: list[str]) -> tuple[list[str], list[str]]:
    """Our flags come before the name; after it all is the command's, and all else before it is ssh's."""
    from dinv.cli.ssh_words import split

    return split(words)


def run(app: App, options: Options) -> int:
    from dinv.access import ssh_options

    line = ssh_options.split(options.rest)
    # Closing the terminal's window is SIGHUP: the terminal is restored, and the far side hung up on.
    with app.interruptible(), app.machine(line.host) as machine:
        return machine.shell(line.words(), terminal=options.tty)

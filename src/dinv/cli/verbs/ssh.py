"""`dinv ssh`: a command in a machine, or a shell; by exec, without SSH."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("-t", "--tty", action="store_true", help="run the command on a terminal")
    parser.usage = f"{parser.prog} [-t] [SSH-OPTION ...] [NAME [COMMAND ...]]"


def takes_rest(words: list[str]) -> tuple[list[str], list[str]]:
    """Take dinv's flags from before the name; others there are ssh's, and those after it the command's."""
    from dinv.cli.ssh_words import split

    return split(words)


def run(app: App, options: Options) -> int:
    from dinv.access import ssh_options

    line = ssh_options.split(options.rest)
    # Closing the terminal's window sends SIGHUP: restore the terminal, and hang up the far side.
    with app.interruptible(), app.machine(line.host) as machine:
        return machine.shell(line.words(), terminal=options.tty)

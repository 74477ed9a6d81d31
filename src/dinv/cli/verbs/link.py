"""`dinv link docker-machine`: make dinv answer to another name."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("link", metavar="NAME", help="docker-machine, or another name")
    parser.add_argument("directory", nargs="?", metavar="DIR", help="where (the directory that dinv is in)")


def run(_app: App, options: Options) -> None:
    from dinv.shells.link import link

    path, notes = link(options.link, options.directory)
    put("\n".join((path, *notes)))

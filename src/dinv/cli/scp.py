"""`dinv scp`: `dinv scp [-r] FROM TO`, where a machine's path is NAME:PATH."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.missing = parser.extra = "Improper number of arguments"
    parser.add_argument("source", metavar="[NAME:]FROM")
    parser.add_argument("target", metavar="[NAME:]TO")
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories, with all in them")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(app: App, options: argparse.Namespace) -> None:
    from dinv.copying import Place, copy

    with app.interruptible():
        copy(
            Place.parse(options.source),
            Place.parse(options.target),
            recursive=options.recursive,
            machines=app.machines,
            progress=app.progress(),
        )

"""`dinv ls`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="names only; asks no endpoint")
    parser.add_argument("-f", "--format", choices=("table", "json"), default="table", help="table or json")
    parser.add_argument(
        "-t", "--timeout", type=float, default=2.0, metavar="SECONDS", help="for each endpoint to answer (2)"
    )


def run(app: App, options: argparse.Namespace) -> None:
    if options.quiet:
        from dinv.listing import readable_names

        for name in readable_names(app.machines.store):
            print(name)
        return
    from dinv.listing import COLUMNS, rows

    found = rows(app.machines.store, timeout=options.timeout, trace=app.trace)
    if options.format == "json":
        import json

        print(json.dumps([row.document() for row in found], indent=4))
        return
    from dinv.cli.table import table

    print(table(COLUMNS, [row.cells() for row in found]))

"""`dinv ls`."""

from __future__ import annotations

from dinv.cli.voice import put
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("ignored", nargs="*", hidden=True)
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="names only; asks no endpoint but for a state"
    )
    parser.add_argument(
        "--filter",
        action="append",
        metavar="KEY=VALUE",
        help="only machines whose driver, label, name (a regular expression), state or swarm is this one",
    )
    parser.add_argument(
        "-f", "--format", default="table", metavar="FORMAT", help="table, json, or a Go template for each row"
    )
    parser.add_argument(
        "-t",
        "--timeout",
        type="seconds",
        default=2.0,
        metavar="SECONDS",
        help="for each endpoint to answer (2)",
    )


def run(app: App, options: Options) -> None:
    from dinv.listing import rows

    if options.ignored:
        # docker-machine's took no notice of them.
        said = f"ls takes no names: {' '.join(options.ignored)}. For some machines only: ls --filter name=..."
        if not app.voice.docker_machine:
            raise InputError(said)
        app.voice.warn(said)
    filters = None
    if options.filter:
        from dinv.listing.filters import Filters

        filters = Filters(options.filter)
    asked = {"filters": filters, "timeout": options.timeout, "trace": app.trace}
    store = app.store
    if options.quiet:
        for name in rows.readable_names(store, **asked):
            put(name)
    elif options.format == "json":
        from dinv.cli.show.formatting import Format

        Format("json").show_all(row.document() for row in rows.rows(store, **asked))
    elif options.format in ("", "table"):
        _show([list(map(app.voice.called, row.cells())) for row in rows.rows(store, **asked)])
    else:
        from dinv.formats.row_format import HEADINGS, RowFormat

        # Before the machines are asked: a mistake in it is told at once.
        row_format = RowFormat(options.format)
        if not app.voice.docker_machine:
            from dinv.cli.show.formatting import check

            check(options.format)
        fields = (row.fields() for row in rows.rows(store, **asked))
        put(row_format.render(fields, head=HEADINGS), keep=options.format, end="")


def _show(cells: list[list[str]]) -> None:
    import sys

    from dinv.listing import rows

    if not sys.stdout.isatty():
        from dinv.formats.table import table

        print(table(rows.COLUMNS, cells))
        return
    from dinv import states
    from dinv.cli.show.fitting import show

    colours = {
        **dict.fromkeys((states.PAUSED, states.SAVED, states.STARTING, states.STOPPING), "yellow"),
        **dict.fromkeys((states.ERROR, states.TIMEOUT), "red"),
        states.RUNNING: "green",
        states.STOPPED: "dim",
    }
    spare = ("SWARM", "DRIVER", "DOCKER", "ACTIVE")
    show(rows.COLUMNS, cells, spare=spare, below="ERRORS", coloured="STATE", colours=colours)

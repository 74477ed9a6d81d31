"""`dinv ls`."""

from __future__ import annotations

from dinv.cli.voice import put
from dinv.errors import InputError
from dinv.timeouts import LIST_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("ignored", nargs="*", hidden=True)
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="names only; asks no endpoint unless a state is given"
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
    parser.add_timeout(LIST_SECONDS, "for each endpoint to answer", "-t")


def run(app: App, options: Options) -> None:
    if options.ignored:
        # docker-machine ignored them.
        said = f"ls takes no names: {' '.join(options.ignored)}. For some machines only: ls --filter name=..."
        if not app.voice.docker_machine:
            raise InputError(said)
        app.voice.warn(said)
    machines = app.machines
    asked = {"filters": options.filter or (), "timeout": options.timeout}
    if options.quiet:
        for name in machines.names(**asked, unreadable=False):
            put(name)
        return
    from dinv.cli.show import machine_rows

    if options.format == "json":
        from dinv.cli.show.formatting import Format

        found = machines.list(**asked)
        Format("json").show_all(machine_rows.document(machine, app.voice.called) for machine in found)
    elif options.format in ("", "table"):
        found = machines.list(**asked)
        _show(*machine_rows.table(found, app.voice.called))
        others = machines.server.others(timeout=options.timeout)
        if others:
            app.voice.hint(f"Only on the server, until they are used here: {', '.join(others)}")
    else:
        from dinv.formats.row_format import HEADINGS, RowFormat

        # Before the machines are queried: a mistake in it is reported at once.
        row_format = RowFormat(options.format)
        if not app.voice.docker_machine:
            from dinv.cli.show.formatting import check

            check(options.format)
        found = machines.list(**asked)
        fields = (machine_rows.fields(machine, app.voice.called) for machine in found)
        put(row_format.render(fields, head=HEADINGS), keep=options.format, end="")
    machines.tend(found)


def _show(heads: list[str], cells: list[list[str]]) -> None:
    import sys

    if not sys.stdout.isatty():
        from dinv.formats.table import table

        print(table(heads, cells))
        return
    from dinv.cli.show.fitting import show
    from dinv.cli.show.machine_rows import colours

    spare = ("SWARM", "DRIVER", "DOCKER", "ACTIVE")
    show(heads, cells, spare=spare, below="ERRORS", colours=colours(heads, cells))

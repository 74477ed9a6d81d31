"""`dinv active`: which machine the docker CLI uses here."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "-t",
        "--timeout",
        type="seconds",
        default=2.0,
        metavar="SECONDS",
        help="for the endpoint to answer (2)",
    )
    parser.add_format()


def run(app: App, options: Options) -> None:
    from dinv.errors import NoActiveMachine
    from dinv.listing.rows import active

    form = app.format(options, "Name", "State", "URL")
    name = active(app.store, timeout=options.timeout, trace=app.trace)
    if name is None:
        raise NoActiveMachine
    if form is not None:
        from dinv.cli.show import records
        from dinv.states import RUNNING, Status

        form.show(records.of_status(app.machines.get(name), Status(RUNNING)))
        return
    put(name)

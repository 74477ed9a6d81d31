"""`dinv forward`: ports of a machine on this computer, through the endpoint."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="MACHINE")
    parser.add_argument(
        "port", nargs="*", metavar="[[ADDRESS:]PORT:]PORT", help="port here, and of the machine: 8080:80"
    )
    parser.add_argument("-d", "--detach", action="store_true", help="run in the background")
    parser.add_argument("-l", "--list", action="store_true", help="list those in the background")
    parser.add_argument("--stop", action="store_true", help="stop those in the background")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(app: App, options: Options) -> None:
    from dinv.cli.voice import put

    machine = app.machine(options.name)
    if options.list:
        for line in machine.forwards():
            put(line)
    elif options.stop:
        machine.stop_forwards(progress=app.progress())
    else:
        with app.interruptible():
            machine.forward(options.port, detach=options.detach, progress=app.progress())

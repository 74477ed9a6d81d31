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
    parser.add_argument("-d", "--detach", action="store_true", help="go on in the background")
    parser.add_argument("-l", "--list", action="store_true", help="show those in the background")
    parser.add_argument("--stop", action="store_true", help="end those in the background")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(app: App, options: Options) -> None:
    from dinv.cli.voice import put

    machines = app.machines
    if options.list:
        for line in machines.forwards(options.name):
            put(line)
        return
    progress = app.progress()
    if options.stop:
        machines.stop_forwards(options.name, progress=progress)
        return
    with app.interruptible():
        machines.forward(options.name, options.port, detach=options.detach, progress=progress)

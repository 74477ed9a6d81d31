"""`dinv use`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?", help="the machine (default: the machine default)")
    parser.add_argument(
        "-u", "--unset", action="store_true", help="return to the engine that docker uses by default"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(app: App, options: Options) -> None:
    from dinv.shells import use

    progress = app.progress()
    if options.unset:
        use.unset(progress)
    else:
        machine = app.machine(options.name)
        use.use(machine, progress)
        machine.tend()

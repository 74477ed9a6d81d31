"""`dinv version`: of dinv, or of a machine's daemon."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")


def run(app: App, options: argparse.Namespace) -> None:
    if options.name:
        with app.machines.get(options.name) as machine:
            print(machine.daemon_version())
        return
    from dinv import __version__

    print(f"{app.program} version {__version__}")

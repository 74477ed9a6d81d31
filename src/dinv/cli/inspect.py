"""`dinv inspect`: all that is known of a machine, as JSON."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")


def run(app: App, options: argparse.Namespace) -> None:
    import json

    with app.machine(options.name) as machine:
        print(json.dumps(machine.inspect(), indent=4))

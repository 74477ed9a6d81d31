"""`dinv inspect`: all that is known of a machine, as JSON."""

from __future__ import annotations

from dinv.cli.voice import put

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument("-f", "--format", default="", metavar="TEMPLATE", help="a Go template for it")


def run(app: App, options: argparse.Namespace) -> None:
    if options.format:
        from dinv.templates import Template

        template = Template(options.format)
        with app.machine(options.name) as machine:
            put(template.render(machine.inspect()), keep=options.format)
        return
    import json

    with app.machine(options.name) as machine:
        print(json.dumps(machine.inspect(), indent=4))

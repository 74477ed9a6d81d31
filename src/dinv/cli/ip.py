"""`dinv ip`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="*")
    parser.add_argument(
        "--own", action="store_true", help="its own address, where its containers publish their ports"
    )


def run(app: App, options: argparse.Namespace) -> int:
    def show(name: str) -> None:
        machine = app.machines.get(name)
        app.voice.say(machine.own_ip() if options.own else machine.known_ip())

    return app.for_each(options.name, show)

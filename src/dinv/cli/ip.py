"""`dinv ip`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="*")


def run(app: App, options: argparse.Namespace) -> int:
    def show(name: str) -> None:
        print(app.machines.get(name).known_ip())

    return app.for_each(options.name, show)

"""`dinv url`: asks nothing of anybody, so that it can stand in prompts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")


def run(app: App, options: argparse.Namespace) -> None:
    print(app.machine(options.name).known_url())

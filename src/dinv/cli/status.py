"""`dinv status`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")


def run(app: App, options: argparse.Namespace) -> None:
    with app.machine(options.name) as machine:
        status = machine.status()
    print(status.state)
    if status.error:
        app.voice.remark(f"{machine.name}: {status.error}")

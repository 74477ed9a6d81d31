"""`dinv config`: flags for the docker CLI: `docker $(dinv config dev) ps`."""

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
        for flag in machine.docker_flags():
            print(flag)

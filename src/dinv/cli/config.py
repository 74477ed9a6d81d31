"""`dinv config`: flags for the docker CLI: `docker $(dinv config dev) ps`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument("--swarm", action="store_true", help="of the legacy swarm that it is the master of")


def run(app: App, options: argparse.Namespace) -> None:
    from dinv.connecting import check

    with app.machine(options.name) as machine:
        check(machine, swarm=options.swarm)
        for flag in machine.docker_flags(swarm=options.swarm):
            print(flag)

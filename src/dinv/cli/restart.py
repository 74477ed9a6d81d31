"""`dinv restart`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    from dinv.machine import START_SECONDS

    parser.add_argument("name", nargs="*")
    parser.add_argument(
        "--timeout",
        type="seconds",
        default=START_SECONDS,
        metavar="SECONDS",
        help=f"for the daemon to answer ({START_SECONDS:g})",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(app: App, options: argparse.Namespace) -> int:
    progress = app.progress()

    def restart(name: str) -> None:
        progress.note(f'Restarting "{name}"...')
        with app.machines.get(name) as machine:
            machine.restart(progress, timeout=options.timeout)
        progress.note(f'Machine "{name}" was restarted.')

    return app.for_each(options.name, restart)

"""`dinv provision`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    from dinv.renewal import DEFAULT_TIMEOUT

    parser.add_argument("name", nargs="*")
    parser.add_argument(
        "--timeout",
        type="seconds",
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"for the daemon to answer ({DEFAULT_TIMEOUT:g})",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def run(app: App, options: argparse.Namespace) -> int:
    progress = app.progress()

    def provision(name: str) -> None:
        progress.note(f'Provisioning "{name}"...')
        app.machines.provision(name, progress=progress, timeout=options.timeout)
        progress.note(f'Machine "{name}" was provisioned.')

    with app.interruptible():
        return app.for_each(options.name, provision)

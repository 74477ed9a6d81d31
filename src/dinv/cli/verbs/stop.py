"""`dinv stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.timeouts import STOP_SECONDS

    parser.add_argument("name", nargs="*")
    parser.add_timeout(STOP_SECONDS, "before it is stopped by force")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    def stop(name: str) -> None:
        progress = app.progress(name)
        progress.note(f'Stopping "{name}"...')
        with app.machines.get(name) as machine:
            machine.stop(timeout=options.timeout, progress=progress)
        progress.note(f'Machine "{name}" was stopped.')

    return app.for_each(options.name, stop)

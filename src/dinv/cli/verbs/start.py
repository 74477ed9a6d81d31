"""`dinv start`."""

from __future__ import annotations

from dinv.cli.waiting import add_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    add_arguments(parser, SERVE_SECONDS)


def run(app: App, options: Options) -> int:
    def start(name: str) -> None:
        progress = app.progress(name)
        progress.note(f'Starting "{name}"...')
        with app.machines.get(name) as machine:
            machine.start(progress=progress, timeout=options.timeout)
        progress.note(f'Machine "{name}" was started.')

    return app.for_each(options.name, start)

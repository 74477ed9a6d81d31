"""`dinv restart`."""

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
    def restart(name: str) -> None:
        progress = app.progress(name)
        progress.note(f'Restarting "{name}"...')
        with app.machines.get(name) as machine:
            machine.restart(progress=progress, timeout=options.timeout)
        progress.note(f'Machine "{name}" was restarted.')

    return app.for_each(options.name, restart)

"""`dinv kill`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="*")


def run(app: App, options: Options) -> int:
    def kill(name: str) -> None:
        app.voice.say(f'Killing "{name}"...')
        with app.machines.get(name) as machine:
            machine.kill()
        app.voice.say(f'Machine "{name}" was killed.')

    return app.for_each(options.name, kill)

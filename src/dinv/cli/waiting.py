"""The arguments of verbs that wait for the daemons of one or more machines, and how these verbs run."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.machine import Machine
    from dinv.progress import Progress


def add_arguments(parser: Parser, seconds: float) -> None:
    """Declare names, `--timeout` with `seconds` as its default, and `--quiet`."""
    parser.add_argument("name", nargs="*")
    parser.add_timeout(seconds, "for the daemon to answer")
    parser.add_progress()


def run(
    app: App, options: Options, doing: str, done: str, action: Callable[[Machine, Progress], object]
) -> int:
    """Call `action` for each machine named, and say so before and after it ("Starting", "started").

    Returns the exit status.
    """

    def act(name: str) -> None:
        progress = app.progress(name)
        progress.note(f'{doing} "{name}"...')
        with app.machines.get(name) as machine:
            action(machine, progress)
        progress.note(f'Machine "{name}" was {done}.')

    return app.for_each(options.name, act)

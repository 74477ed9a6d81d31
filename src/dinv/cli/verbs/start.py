"""`dinv start`."""

from __future__ import annotations

from dinv.cli import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.machine import Machine
    from dinv.progress import Progress


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    waiting.add_arguments(parser, SERVE_SECONDS)


def run(app: App, options: Options) -> int:
    def start(machine: Machine, progress: Progress) -> None:
        machine.start(progress=progress, timeout=options.timeout)

    return waiting.run(app, options, "Starting", "started", start)

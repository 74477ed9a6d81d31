"""`dinv stop`."""

from __future__ import annotations

from dinv.cli import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser
    from dinv.machine import Machine
    from dinv.progress import Progress


def arguments(parser: Parser) -> None:
    from dinv.timeouts import STOP_SECONDS

    parser.add_argument("name", nargs="*")
    parser.add_timeout(STOP_SECONDS, "before it is stopped by force")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    def stop(machine: Machine, progress: Progress) -> None:
        machine.stop(progress=progress, timeout=options.timeout)

    return waiting.run(app, options, "Stopping", "stopped", stop)

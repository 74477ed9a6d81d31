"""`dinv active`: which machine the docker CLI uses here."""

from __future__ import annotations

from dinv.cli.voice import put
from dinv.timeouts import LIST_SECONDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_timeout(LIST_SECONDS, "for the endpoint to answer", "-t")
    parser.add_format()


def run(app: App, options: Options) -> None:
    form = app.format(options, "Name", "State", "URL")
    machine = app.machines.active(timeout=options.timeout)
    if machine is None:
        from dinv.errors import NoActiveMachine

        raise NoActiveMachine
    if form is not None:
        from dinv.cli.show import records
        from dinv.states import RUNNING, Status

        form.show(records.of_status(machine, Status(RUNNING)))
        return
    put(machine.name)

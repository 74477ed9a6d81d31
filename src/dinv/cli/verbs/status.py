"""`dinv status`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_format()


def run(app: App, options: Options) -> None:
    form = app.format(options, "Name", "State", "Error")
    with app.machine(options.name) as machine:
        status = machine.status(expiry=True)
        machine.tend()
    if form is not None:
        from dinv.cli.show import records

        form.show({**records.of_status(machine, status), "Error": app.voice.called(status.error)})
        return
    print(status.state)
    if status.error:
        app.voice.remark(f"{machine.name}: " + status.error)

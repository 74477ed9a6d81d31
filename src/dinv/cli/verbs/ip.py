"""`dinv ip`."""

from __future__ import annotations

from dinv.states import PUBLISHED_PORT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="*")
    parser.add_argument(
        "--own", action="store_true", help="its own address, at which its containers publish ports"
    )
    parser.add_format()


def run(app: App, options: Options) -> int:
    form = app.format(options, "Name", "IPAddress")
    found = {}

    def show(name: str) -> None:
        machine = app.machine(name)
        address = machine.own_ip() if options.own else machine.known_ip()
        if form is None:
            app.voice.say(address)
            if not options.own and machine.reached == PUBLISHED_PORT:
                app.voice.hint(
                    f"{name} is reached by a published port: what its containers publish is not at this "
                    f"address. For one port of it: {app.program} forward {name} PORT"
                )
        else:
            found[name] = (machine.config, address)

    status = app.for_each(options.name, show)
    if form is not None:
        from dinv.cli.show import records

        in_order = (found[name] for name in dict.fromkeys(app.names(options.name)) if name in found)
        form.show_all({**records.known(config), "IPAddress": address} for config, address in in_order)
    return status

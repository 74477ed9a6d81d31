"""`dinv config`: flags for the docker CLI: `docker $(dinv config dev) ps`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument("--swarm", action="store_true", help="of a manager of its swarm that answers")
    parser.add_format()


def run(app: App, options: Options) -> None:
    form = app.format(options, "Name", "URL", "CertPath")
    with app.machine(options.name) as machine:
        machine.check(swarm=options.swarm)
        flags = machine.docker_flags(swarm=options.swarm)
        machine.tend()
        if form is not None:
            from dinv.cli.show import records

            form.show(records.of_flags(machine, flags))
            return
    for flag in flags:
        print(flag)

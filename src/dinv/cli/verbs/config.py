"""`dinv config`: flags for docker, `docker $(dinv config dev) ps`; or a file of machines, canonical."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument("--swarm", action="store_true", help="of a manager of its swarm that answers")
    parser.add_argument(
        "-f", "--file", action="append", metavar="FILE", help="print this file of machines in canonical form"
    )
    parser.add_format()


def run(app: App, options: Options) -> None:
    if options.file:
        _canonical(app, options)
        return
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


def _canonical(app: App, options: Options) -> None:
    """Print files of machines as they are read. Raises DeclarationError, with all that is wrong in one."""
    from dinv.errors import InputError

    if options.name or options.swarm or options.format:
        raise InputError("--file prints a file of machines, and takes no machine and no other option")
    declared = app.machines.declared
    print("---\n".join(map(declared.canonical, declared.read(options.file))), end="")

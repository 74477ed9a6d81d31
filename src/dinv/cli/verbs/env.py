"""`dinv env`: `eval $(dinv env dev)`."""

from __future__ import annotations

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument(
        "--shell", metavar="NAME", help="bash, zsh, fish, powershell, cmd, tcsh or emacs ($SHELL)"
    )
    parser.add_argument("-u", "--unset", action="store_true", help="unset the variables instead")
    parser.add_argument("--swarm", action="store_true", help="of a manager of its swarm that answers")
    parser.add_argument("--no-proxy", action="store_true", help="add the machine to NO_PROXY")
    parser.add_format()


def run(app: App, options: Options) -> None:
    import sys

    from dinv.shells import syntax
    from dinv.shells.env import setting, unsetting

    form = app.format(options, "Name", "Environment")
    shell = "" if form is not None else options.shell or syntax.of_user()
    machine = None if options.unset else app.machine(options.name)
    if machine is None:
        if options.name:
            raise InputError("Error: Expected no machine name when the -u flag is present")
        variables = unsetting(app.machines, no_proxy=options.no_proxy)
    else:
        variables, warning = setting(machine, no_proxy=options.no_proxy, swarm=options.swarm)
        if warning:
            app.voice.warn(warning)
    if form is not None:
        from dinv.cli.show import records

        form.show(records.of_environment(machine, variables))
        return
    print(syntax.script(shell, variables, [app.program, *sys.argv[1:]]), end="")

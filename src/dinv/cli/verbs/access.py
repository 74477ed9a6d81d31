"""`dinv access`: who has access to a machine, who gave it, and how to take it away."""

from __future__ import annotations

from dinv.cli.voice import put
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("action", choices=("ls", "revoke", "log"))
    parser.add_argument("name", nargs="?")
    parser.add_argument("holder", nargs="?", metavar="WHO", help="revoke: whose access")
    parser.add_argument(
        "--serial", metavar="SERIAL", help="revoke: only the certificate whose number begins with this"
    )
    parser.add_format()
    parser.add_progress("ls: print only serial numbers")


def run(app: App, options: Options) -> None:
    from dinv.cli.show import access_tables

    if options.action != "revoke" and (options.holder or options.serial):
        raise InputError(f"access {options.action} takes a machine, and nobody's name or serial number")
    if options.action == "revoke" and not (options.holder or options.serial):
        raise InputError(f"Whose access? {app.program} access revoke NAME WHO, or --serial SERIAL")
    form = app.format(options, own_table=True)
    (name,) = app.names([options.name] if options.name else [])
    with app.machines.get(name) as machine:
        if options.action == "log":
            access_tables.show_log(machine, machine.access_log(progress=app.progress(name)), form)
        elif options.action == "ls":
            found = machine.access(progress=app.progress(name))
            if options.quiet:
                for access in found:
                    put(access.serial)
                return
            access_tables.show(machine, found, form)
            if machine.ca_elsewhere:
                app.voice.remark(
                    f"The CA is {machine.ca_elsewhere}: whoever else has a client certificate of it has "
                    f"access, too"
                )
        else:
            app.voice.aside = bool(options.format)
            with app.interruptible():
                revoked = machine.revoke(
                    options.holder or "", serial=options.serial or "", progress=app.progress(name)
                )
            if form is not None:
                access_tables.show(machine, revoked, form)

"""`dinv mount`: a machine's directory here, by sshfs."""

from __future__ import annotations

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.missing = parser.extra = "Improper number of arguments"
    parser.add_argument("source", metavar="[NAME:]PATH", help="what to mount")
    parser.add_argument("mountpoint", nargs="?", metavar="DIR", help="an empty directory here (PATH)")
    parser.add_argument("-u", "--unmount", action="store_true", help="unmount DIR")


def run(app: App, options: Options) -> None:
    from dinv.access.place import Place

    place = Place.parse(options.source) if options.unmount else Place.of_machine(options.source)
    where = options.mountpoint or place.path
    if not where:
        raise InputError(f"Say on which directory here to mount it: {app.program} mount {options.source} DIR")
    if options.unmount:
        from dinv.machine import Machine

        Machine.unmount(where)
        return
    with app.interruptible(), app.machine(place.machine) as machine:
        machine.mount(place.path, where, user=place.user)

"""`dinv mount`: what to use instead."""

from __future__ import annotations

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("source", metavar="[MACHINE:]PATH")
    parser.add_argument("mountpoint", nargs="?", metavar="DIR")
    parser.add_argument("-u", "--unmount", action="store_true", help="unmount")


def run(app: App, options: argparse.Namespace) -> None:
    name, colon, path = options.source.rpartition(":")
    machine = app.machine(name if colon else None)
    where = options.mountpoint or "DIR"
    if options.unmount:
        raise InputError(f"{app.program} has mounted nothing. What sshfs has mounted: fusermount -u {where}")
    raise InputError(
        f'Machine "{machine.name}" cannot be mounted: sshfs, which would do it, needs an SSH server in it.\n'
        f"To copy instead:   {app.program} scp -r {machine.name}:{path or '/'} {where}\n"
        f"To share data between containers of the machine, use a volume: docker volume create\n"
        f"With an image that runs sshd (images/examples/with-sshd), use sshfs itself."
    )

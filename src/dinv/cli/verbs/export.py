"""`dinv export`."""

from __future__ import annotations

import sys

from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.usage = f"{parser.prog} [NAME] > FILE"


def run(app: App, options: Options) -> None:
    if sys.stdout.isatty():
        raise InputError(
            f"An archive with private keys is not for a terminal: {app.program} export NAME > FILE"
        )
    (name,) = app.names([options.name] if options.name else [])
    app.machines.export(name, sys.stdout.buffer)
    print(
        f"Warning: this archive holds the private keys of {name}. Who has it has the machine: "
        f"keep it as you keep a password.",
        file=sys.stderr,
    )
    ca = app.machines.get(name).ca_elsewhere
    if ca:
        print(
            f"The private key of its CA, which is {ca}, is not in it: elsewhere the machine can be "
            f"used, but its certificates cannot be renewed.",
            file=sys.stderr,
        )

"""`dinv help`, `dinv help VERB`, `dinv --help`."""

from __future__ import annotations

from dinv.cli import VERBS, module_name
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("verb", nargs="?")


def run(app: App, options: argparse.Namespace) -> None:
    if options.verb:
        if options.verb not in VERBS:
            raise InputError(f"'{options.verb}' is not a {app.program} command. See '{app.program} --help'.")
        import importlib

        app.parse(options.verb, importlib.import_module(module_name(options.verb)), ["--help"])
    print(f"Usage: {app.program} [OPTIONS] COMMAND [ARGUMENTS]\n")
    print("Private Docker hosts on a Docker API endpoint you already have.\n\nCommands:")
    for verb, text in VERBS.items():
        print(f"  {verb:<18}{text}")
    print("\nOptions:")
    print("  -s, --storage-path DIR  the store (MACHINE_STORAGE_PATH; default ~/.docker/machine)")
    print("  -D, --debug             show every API call, with its time and no secret")
    print("  -v, --version           print the version")
    print(f"\nRun '{app.program} COMMAND --help' for the options of a command.")

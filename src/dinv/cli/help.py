"""`dinv help`, `dinv h`, `dinv help VERB`, `dinv --help`."""

from __future__ import annotations

from dinv.cli import VERBS, module_name, unknown_verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("verb", nargs="?")


def run(app: App, options: argparse.Namespace) -> None:
    verb = "help" if options.verb == "h" else options.verb
    if verb:
        if verb not in VERBS:
            raise unknown_verb(app.voice, verb)
        import importlib

        app.parse(verb, importlib.import_module(module_name(verb)), ["--help"])
    print(f"Usage: {app.program} [OPTIONS] COMMAND [ARGUMENTS]\n")
    print(
        "Create and manage machines running Docker, on a Docker API endpoint you already have.\n\nCommands:"
    )
    for name, text in VERBS.items():
        print(f"  {name:<18}{text}")
    print("\nOptions:")
    print("  -s, --storage-path DIR  the store ($MACHINE_STORAGE_PATH; default ~/.docker/machine)")
    print("  -D, --debug             show every API call, with its time and no secret ($MACHINE_DEBUG)")
    print("  -v, --version           print the version")
    print(f"\nRun '{app.program} COMMAND --help' for the options of a command.")

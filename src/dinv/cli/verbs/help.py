"""`dinv help`, `dinv h`, `dinv help VERB`, `dinv --help`."""

from __future__ import annotations

from dinv.cli.verbs import VERBS, module_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser

GROUPS = (
    ("First steps", ("create", "env", "use", "ls", "rm")),
    (
        "Everyday",
        ("start", "stop", "restart", "kill", "status", "set", "ssh", "scp", "forward", "mount", "logs", "df"),
    ),
    ("For scripts", ("url", "ip", "config", "kubeconfig", "ssh-config", "active", "inspect")),
    ("Certificates", ("regenerate-certs", "provision")),
    ("Images and engines", ("image", "load", "cache", "volume", "upgrade", "engine", "plugins")),
    ("For a team", ("pool", "serve", "audit")),
    ("Sharing and moving", ("share", "access", "export", "import", "adopt")),
)
"""The verbs in the order in which users need them; those in no group come last, under REST."""
REST = "The rest"


def grouped() -> list[tuple[str, list[str]]]:
    """Return all verbs by the titles of their groups."""
    found = [(title, [verb for verb in verbs if verb in VERBS]) for title, verbs in GROUPS]
    known = {verb for _, verbs in found for verb in verbs}
    return [*found, (REST, [verb for verb in VERBS if verb not in known])]


def arguments(parser: Parser) -> None:
    parser.add_argument("verb", nargs="?")


def run(app: App, options: Options) -> None:
    verb = "help" if options.verb == "h" else options.verb
    if verb:
        if verb not in VERBS:
            from dinv.cli.mistakes import unknown_verb

            raise unknown_verb(app.voice, verb)
        import importlib

        app.parse(verb, importlib.import_module(module_name(verb)), ["--help"])
    print(f"Usage: {app.program} [OPTIONS] COMMAND [ARGUMENTS]\n")
    print("Create and manage machines running Docker, on a Docker API endpoint")
    print("you already have.")
    for title, verbs in grouped():
        print(f"\n{title}:")
        for name in verbs:
            print(f"  {name:<18}{VERBS[name]}")
    print("\nOptions:")
    print("  -s, --storage-path DIR  the store ($MACHINE_STORAGE_PATH; ~/.docker/machine)")
    print("  -D, --debug             show every API call, without secrets ($MACHINE_DEBUG)")
    print("  -v, --version           print the version")
    print(f"\nA first machine:\n  {app.program} create dev\n  eval $({app.program} env dev)\n  docker info")
    print(f"\nRun '{app.program} COMMAND --help' for the options of a command, and examples.")

"""`dinv completion`: a script that completes command lines in a shell."""

from __future__ import annotations

from dinv.cli.completion import SHELLS
from dinv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.cli.completion.values import LISTS

    parser.add_argument("shell", nargs="?", choices=SHELLS)
    # What the scripts call.
    parser.add_argument("--list", choices=LISTS, hidden=True)
    parser.add_argument("--word", default="", hidden=True)
    parser.add_argument("--endpoint", hidden=True)


def run(app: App, options: Options) -> None:
    if options.list:
        from dinv.cli.completion.values import values

        for value in values(options.list, app.machines, word=options.word, endpoint=options.endpoint):
            print(value)
        return
    if not options.shell:
        raise UsageError(f"Say for which shell: {', '.join(SHELLS)}", see=f"{app.program} completion --help")
    from dinv.cli.completion import script
    from dinv.cli.completion.commands import command
    from dinv.cli.parser import Parser
    from dinv.cli.verbs import VERBS, module_name

    commands = []
    for verb, text in VERBS.items():
        module = __import__(module_name(verb), fromlist=["arguments"])
        parser = Parser(app.program, verb, text, [])
        module.arguments(parser)
        commands.append(command(verb, parser, takes_rest=hasattr(module, "takes_rest")))
    print(script(options.shell, app.program, commands), end="")

"""`dinv completion`: a script that completes command lines in a shell."""

from __future__ import annotations

from dinv.completion import SHELLS

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

    from dinv.cli.app import App
    from dinv.cli.parser import Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("shell", choices=SHELLS)


def run(app: App, options: argparse.Namespace) -> None:
    from dinv.cli import VERBS, module_name
    from dinv.cli.parser import Parser
    from dinv.completion import script
    from dinv.completion.commands import command

    commands = []
    for verb, text in VERBS.items():
        module = __import__(module_name(verb), fromlist=["arguments"])
        parser = Parser(app.program, verb, text, [])
        module.arguments(parser)
        commands.append(command(verb, parser, takes_rest=hasattr(module, "takes_rest")))
    print(script(options.shell, app.program, commands), end="")

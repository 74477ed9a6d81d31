"""`dinv ssh-config`: what plain ssh has to know of machines."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="*")


def run(app: App, options: Options) -> None:
    from dinv.cli.voice import put

    text = app.machines.ssh_config(options.name or None)
    if text:
        put(text.removesuffix("\n"))

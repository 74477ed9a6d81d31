"""`dinv import`."""

from __future__ import annotations

import sys

from dinv.cli.voice import put
from dinv.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument(
        "source",
        metavar="FILE",
        help="what export or share wrote, - for standard input, or a machine's directory",
    )
    parser.add_argument("--name", default="", help="the name it gets (default: the one it had)")
    parser.add_argument("--no-context", dest="context", action="store_false", help="write no docker context")
    parser.add_argument(
        "--key", metavar="FILE", help="your private key, for a share that was made for your signing request"
    )
    parser.add_progress("print only the machine's name")


def run(app: App, options: Options) -> None:
    stdin = options.source == "-"
    if stdin and sys.stdin.isatty():
        raise InputError(f"There is no archive on a terminal: {app.program} import - < FILE")
    progress = app.progress()
    name = app.machines.import_(
        sys.stdin.buffer if stdin else options.source,
        name=options.name,
        context=options.context,
        key=options.key,
        progress=progress,
    )
    put(name if options.quiet else f'Machine "{name}" was imported.')

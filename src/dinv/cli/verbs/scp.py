"""`dinv scp`: `dinv scp [-r] FROM TO`, where a machine's path is NAME:PATH."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.missing = parser.extra = "Improper number of arguments"
    parser.add_argument("source", metavar="[NAME:]FROM")
    parser.add_argument("target", metavar="[NAME:]TO")
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories with their content")
    parser.add_argument("-d", "--delta", action="store_true", help="copy only what differs, by rsync")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    source, target = options.source, options.target
    how = {"recursive": options.recursive, "quiet": options.quiet}
    with app.interruptible():
        if not options.delta:
            app.machines.copy(source, target, **how, progress=app.progress())
            return 0
        command = app.machines.rsync_command(source, target, **how)
    from dinv.system.programs import replace_process

    return replace_process(command)

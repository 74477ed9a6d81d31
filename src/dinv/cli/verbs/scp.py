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
    parser.add_argument("-r", "--recursive", action="store_true", help="copy directories, with all in them")
    parser.add_argument("-d", "--delta", action="store_true", help="copy what differs, by rsync")
    parser.add_progress()


def run(app: App, options: Options) -> int:
    from dinv.access.copying.scp import copy
    from dinv.access.place import Place

    source, target = Place.parse(options.source), Place.parse(options.target)
    with app.interruptible():
        if options.delta:
            from dinv.access.copying.rsync import rsync_command

            command = rsync_command(
                source, target, recursive=options.recursive, quiet=options.quiet, machines=app.machines
            )
        else:
            copy(
                source,
                target,
                recursive=options.recursive,
                quiet=options.quiet,
                machines=app.machines,
                progress=app.progress(),
            )
            return 0
    from dinv.access.system_ssh import replace_process

    return replace_process(command)

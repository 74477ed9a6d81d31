"""`dinv logs`: the output of a machine's init and daemon."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", nargs="?")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as more comes")
    parser.add_argument("-n", "--tail", type="int", metavar="LINES", help="only the last lines")
    parser.add_argument("-t", "--timestamps", action="store_true", help="show the time of each line")


def run(app: App, options: Options) -> None:
    import sys

    with app.machine(options.name) as machine:
        for said in machine.logs(tail=options.tail, follow=options.follow, timestamps=options.timestamps):
            sys.stdout.buffer.write(said)
            sys.stdout.buffer.flush()

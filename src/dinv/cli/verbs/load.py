"""`dinv load`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="MACHINE")
    parser.add_argument("image", nargs="*", metavar="IMAGE", help="a name, or an id")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="ENDPOINT",
        help="the engine that has them (this computer's, then the machine's endpoint)",
    )
    parser.add_argument(
        "-i", "--input", metavar="FILE", help="load what `docker save` wrote; - is standard input"
    )
    parser.add_progress()


def run(app: App, options: Options) -> None:
    with app.interruptible():
        app.machines.get(options.name).load_images(
            options.image,
            source=options.source,
            archive=options.input,
            progress=app.progress(),
        )

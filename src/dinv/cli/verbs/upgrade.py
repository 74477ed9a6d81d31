"""`dinv upgrade`."""

from __future__ import annotations

from dinv.cli.waiting import add_arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    from dinv.timeouts import SERVE_SECONDS

    add_arguments(parser, SERVE_SECONDS)
    parser.add_argument("--image", default="", metavar="REF", help="the image (default: its own, newer)")
    parser.add_argument("--force", action="store_true", help="recreate it even from the image it has")


def run(app: App, options: Options) -> int:
    def upgrade(name: str) -> None:
        progress = app.progress(name)
        progress.note(f'Upgrading "{name}"...')
        done = app.machines.upgrade(
            name, progress=progress, image=options.image, force=options.force, timeout=options.timeout
        )
        progress.note(
            f'Machine "{name}" was upgraded.' if done else f'Machine "{name}" has this image already.'
        )

    with app.interruptible():
        return app.for_each(options.name, upgrade)

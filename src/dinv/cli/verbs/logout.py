"""`dinv logout`: forget the server, and its token."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dinv.cli.app import App
    from dinv.cli.parser import Options, Parser


def arguments(parser: Parser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")


def run(app: App, options: Options) -> None:
    url, remark = app.machines.server.log_out()
    if remark:
        app.voice.warn(remark)
    if not options.quiet:
        app.voice.say(
            f"Logged out of {url}. Machines of it stay there." if url else "Logged in to no server."
        )
